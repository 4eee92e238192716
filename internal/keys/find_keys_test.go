package keys_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/telemetry"
)

// findable is a server full of keys of two organizations, and who looks for them.
type findable struct {
	keys                          []*findableKey
	seekers                       []seeker
	projects, environments, users []string
}

// seeker is a caller, with what it may see.
type seeker struct {
	name          string
	ctx           contextT
	organization  string
	owner, family string // empty: any
}

func (s seeker) sees(k *findableKey) bool {
	return k.RemovedAt == nil && k.OrganizationID == s.organization &&
		(s.owner == "" || k.OwnerID == s.owner) && (s.family == "" || k.FamilyID == s.family)
}

// span is how many hours after start the lives of the keys lie in.
const span = 40

// names of keys by their spelling, with the form in which case does not count. Those beyond U+FFFF sort
// differently in UTF-16, and % and _ are wildcards of LIKE.
var names = map[string]string{
	"Alpha": "alpha", "alpha": "alpha", "ALPHABET": "alphabet", "argument": "argument", "z": "z",
	"Ärger": "ärger", "A\u0308RGER": "ärger", "ärgerlich": "ärgerlich",
	"50% off": "50% off", "50 percent": "50 percent", "a_b": "a_b", "aXb": "axb", "%": "%", "_": "_",
	"😀 smile": "😀 smile", "😁": "😁", "ﬀ": "ﬀ", "\uFFFD": "\uFFFD", "\u212Aelvin": "kelvin",
	"a\U0010FFFFz": "a\U0010FFFFz",
}

// heldScopes are what keys hold; a member does not hold the first and cannot give it.
var heldScopes = []string{"*", "a", "a:*", "a:b", "a:b:*", "a:b:c", "ab:c", "b:c", "c"}

// findable peoples the world: keys are made, rotated, removed and given notifications by the server's
// own operations; then the instants of their lives are set to random ones on a grid, so that ties and
// every order of them occur.
func (w *world) findable(random *rand.Rand) *findable {
	all := &findable{}
	alerts := alert.New(w.store, w.Authority, w.clock, telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json"), alert.Options{})
	admin := w.as(w.admin)
	shop, err := w.directory.CreateProject(admin, directory.CreateProjectInput{Name: "shop", Environments: []string{"live", "test"}})
	must(w.t, err)
	source, err := alerts.CreateMessageSource(admin, alert.CreateMessageSourceInput{Name: "look at it"})
	must(w.t, err)
	var abroad string
	must(w.t, w.directory.AddOrganization(w.t.Context(), "abroad", "admin", func(k secret.Secret) error { abroad = k.Reveal(); return nil }))
	foreign := w.as(abroad)
	mia, text := w.member("mia", append([]string{"keytag:keys:read", "keytag:keys:write", "keytag:directory:read"}, heldScopes[1:]...)...)
	member := w.as(text)
	narrow, text := w.issue(admin, keys.CreateInput{OwnerID: &mia, Scopes: heldScopes[1:]})

	home, away := w.Viewer(admin), w.Viewer(foreign)
	awayProject := w.ViewerKey(foreign).ProjectID
	all.projects, all.users = []string{w.project, shop.ID, awayProject}, []string{home.ID, mia, away.ID}
	environments := map[string][]*string{awayProject: {nil}}
	for _, project := range all.projects[:2] {
		found := w.environments(admin, project)
		slices.SortFunc(found, func(a, b *db.Environment) int { return strings.Compare(a.Name, b.Name) })
		environments[project] = []*string{nil}
		for _, e := range found {
			all.environments = append(all.environments, e.ID)
			environments[project] = append(environments[project], &e.ID)
		}
	}
	all.seekers = []seeker{
		{name: "administrator", ctx: admin, organization: home.OrganizationID},
		{name: "member", ctx: member, organization: home.OrganizationID, owner: mia},
		{name: "key without keytag:keys:read", ctx: w.as(text), organization: home.OrganizationID, owner: mia, family: narrow.FamilyID},
		{name: "administrator abroad", ctx: foreign, organization: away.OrganizationID},
	}

	chance := func(n int) bool { return random.IntN(n) == 0 }
	spellings := slices.Sorted(maps.Keys(names))
	folded := map[string]string{}
	ids := []string{w.ViewerKey(admin).ID, w.ViewerKey(member).ID, w.ViewerKey(foreign).ID, narrow.ID}
	for i := range 240 {
		w.at(start.Add(time.Duration(random.IntN(span/2)) * time.Hour))
		by, in := admin, keys.CreateInput{ProjectID: all.projects[random.IntN(2)], Scopes: []string{}}
		give := heldScopes
		switch random.IntN(8) {
		case 0:
			by, in.ProjectID = foreign, awayProject
		case 1:
			by, give = member, heldScopes[1:]
		case 2, 3, 4:
			in.OwnerID = &mia
		}
		for _, s := range give {
			if chance(3) {
				in.Scopes = append(in.Scopes, s)
			}
		}
		in.EnvironmentID = environments[in.ProjectID][random.IntN(len(environments[in.ProjectID]))]
		spelling := spellings[random.IntN(len(spellings))]
		in.Name, in.Description = &spelling, new(fmt.Sprint("key ", i))
		if by != foreign && chance(3) {
			in.Notification = &keys.NotificationInput{NotifyAt: w.clock().Add(time.Hour), AlertSourceID: source.AlertSource.Row().ID}
		}
		key, _ := w.issue(by, in)
		folded[key.Name] = names[spelling]
		ids = append(ids, key.ID)
		if chance(8) {
			ids = append(ids, w.successors(by, key.ID, 1+random.IntN(2))...)
			if by != foreign && chance(2) { // of one family some keys have a notification and some not
				_, err := alerts.Set(by, alert.SetInput{APIKeyID: ids[len(ids)-1], NotifyAt: w.clock().Add(time.Hour), AlertSourceID: source.AlertSource.Row().ID})
				must(w.t, err)
			}
		}
		if chance(10) {
			must(w.t, w.Remove(by, keys.RemoveInput{ID: ids[len(ids)-1]}))
		}
	}
	ids = append(ids, w.successors(admin, narrow.ID, 12)...)
	w.scatter(ids[3:], random)

	notified, err := w.store.Client.Notification.Query().All(w.system())
	must(w.t, err)
	rows, err := w.store.Client.APIKey.Query().All(w.system())
	must(w.t, err)
	// In one order whatever the ids are, so that a seed repeats everything else.
	slices.SortFunc(rows, func(a, b *db.APIKey) int { return cmp.Compare(slices.Index(ids, a.ID), slices.Index(ids, b.ID)) })
	for _, row := range rows {
		k := &findableKey{APIKey: row, folded: strings.ToLower(row.Name)}
		if form, given := folded[row.Name]; given {
			k.folded = form
		}
		for _, n := range notified {
			k.notified = k.notified || n.KeyID == row.ID
		}
		all.keys = append(all.keys, k)
	}
	return all
}

// successors rotates a key, and what comes of it, n times.
func (w *world) successors(by contextT, id string, n int) (ids []string) {
	w.t.Helper()
	for range n {
		rotated, err := w.Rotate(by, keys.RotateInput{ID: id})
		must(w.t, err)
		id = rotated.NewKey.ID
		ids = append(ids, id)
	}
	return ids
}

// scatter sets the instants of keys to random ones, a third of each to none.
func (w *world) scatter(ids []string, random *rand.Rand) {
	w.t.Helper()
	instant := func() *time.Time {
		if random.IntN(3) == 0 {
			return nil
		}
		return new(start.Add(time.Duration(random.IntN(span)) * time.Hour))
	}
	must(w.t, w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
		for _, id := range ids {
			row, err := tx.APIKey.Get(ctx, id)
			if err != nil {
				return err
			}
			u := tx.APIKey.UpdateOneID(id)
			used := instant()
			if used != nil && used.Before(row.CreatedAt) {
				used = &row.CreatedAt
			}
			var pending *time.Time
			if random.IntN(8) == 0 {
				pending = &row.CreatedAt
			}
			for _, column := range []struct {
				at    *time.Time
				set   func(time.Time) *db.APIKeyUpdateOne
				clear func() *db.APIKeyUpdateOne
			}{
				{instant(), u.SetExpiresAt, u.ClearExpiresAt},
				{instant(), u.SetInactivityExpiresAt, u.ClearInactivityExpiresAt},
				{instant(), u.SetGraceExpiresAt, u.ClearGraceExpiresAt},
				{instant(), u.SetRotatedAt, u.ClearRotatedAt},
				{instant(), u.SetRevokedAt, u.ClearRevokedAt},
				{instant(), u.SetSuspendedAt, u.ClearSuspendedAt},
				{instant(), u.SetNextRotationAt, u.ClearNextRotationAt},
				{used, u.SetLastUsedAt, u.ClearLastUsedAt},
				{pending, u.SetPendingSince, u.ClearPendingSince},
			} {
				if column.at == nil {
					column.clear()
				} else {
					column.set(*column.at)
				}
			}
			if err := u.Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	}))
}

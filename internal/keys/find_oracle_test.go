package keys_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// Random filters, orders and page sizes over random keys with ties and unset values, read forward and
// backward through all pages, give what a naive oracle gives over the same rows. KEYTAG_TEST_FILTERS
// is how many searches each database gets, else 300.
func TestFindingAgreesWithAnOracle(t *testing.T) {
	searches := 300
	if text, set := os.LookupEnv("KEYTAG_TEST_FILTERS"); set {
		var err error
		searches, err = strconv.Atoi(text)
		must(t, err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	each(t, func(t *testing.T, w *world) {
		o := newOracle(t, w, rand.New(rand.NewPCG(seed, 1)), 400)
		found := 0
		for n := range searches {
			s := o.search()
			want := o.want(s)
			found += len(want)
			for _, last := range []*int{nil, new(1)} {
				s.Page = page.Args{Last: last}
				if got := w.list(o.ctx, s, 1+o.random.IntN(100)); !slices.Equal(got, want) {
					t.Fatalf("search %d, backward %t: %s\ngot  %v\nwant %v", n, last != nil, describe(s), got, want)
				}
			}
			if n%10 == 0 {
				page, err := w.Find(o.ctx, s)
				must(t, err)
				if total, err := page.Count(o.ctx); err != nil || total != len(want) {
					t.Fatalf("search %d: %d counted, want %d, %v", n, total, len(want), err)
				}
			}
		}
		if found == 0 {
			t.Error("no search found anything")
		}
	})
}

func describe(s keys.Search) string {
	text := fmt.Sprintf("%+v %+v", s.Filter, s.OrderBy)
	if s.Filter.Scopes != nil {
		text += fmt.Sprintf(" scopes %+v", *s.Filter.Scopes)
	}
	return text
}

// oracle holds the rows and finds among them by plain comparisons.
type oracle struct {
	w                              *world
	ctx                            contextT
	random                         *rand.Rand
	now                            time.Time
	rows                           []*db.APIKey
	projects, owners, environments []string
	notified                       map[string]bool
}

var scopeWords = []string{"a", "a:b", "a:*", "b:c", "*", "c"}

func newOracle(t *testing.T, w *world, random *rand.Rand, n int) *oracle {
	o := &oracle{w: w, ctx: w.as(w.admin), random: random, notified: map[string]bool{}}
	admin := w.Viewer(o.ctx)
	shop, err := w.directory.CreateProject(o.ctx, directory.CreateProjectInput{Name: "shop", Environments: []string{"live", "test"}})
	must(t, err)
	environments := w.environments(o.ctx, shop.ID)
	mia, _ := w.member("mia")
	o.projects, o.owners = []string{w.project, shop.ID}, []string{admin.ID, mia}
	o.environments = []string{environments[0].ID, environments[1].ID}
	instant := func() *time.Time {
		if random.IntN(3) == 0 {
			return nil
		}
		return new(start.Add(time.Duration(random.IntN(40)-20) * time.Hour))
	}
	must(t, w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
		for i := range n {
			made := start.Add(-time.Duration(random.IntN(40)) * time.Hour)
			family := typeid.New(typeid.KeyFamily, made)
			owner := o.owners[random.IntN(2)]
			if err := tx.KeyFamily.Create().SetID(family).SetOrganizationID(admin.OrganizationID).SetOwnerID(owner).SetDescription(family).Exec(ctx); err != nil {
				return err
			}
			name := []string{"Alpha", "alpha", "beta", "ÄRGER", "ärger 2", "z"}[random.IntN(6)]
			var scopes []string
			for _, s := range scopeWords {
				if random.IntN(3) == 0 {
					scopes = append(scopes, s)
				}
			}
			slices.Sort(scopes)
			project := random.IntN(2)
			id := typeid.New(typeid.APIKey, made)
			create := tx.APIKey.Create().SetID(id).
				SetOrganizationID(admin.OrganizationID).SetProjectID(o.projects[project]).SetOwnerID(owner).
				SetCreatedByID(o.owners[random.IntN(2)]).
				SetName(name).SetNameFolded(strings.ToLower(name)).SetDescription(family).
				SetScopes(append([]string{}, scopes...)).SetAllowedIps([]string{}).
				SetKeyPrefix(fmt.Sprintf("ktg_%010d", i)).SetDigest([]byte(fmt.Sprint("digest", i))).
				SetFamilyID(family).SetGeneration(1).SetCreatedAt(made).SetUpdatedAt(made).
				SetNillableExpiresAt(instant()).SetNillableInactivityExpiresAt(instant()).SetNillableGraceExpiresAt(instant()).
				SetNillableRevokedAt(instant()).SetNillableSuspendedAt(instant()).SetNillableRotatedAt(instant()).
				SetNillableNextRotationAt(instant())
			if used := instant(); used != nil && !used.Before(made) {
				create.SetLastUsedAt(*used)
			}
			if project == 1 && random.IntN(2) == 0 {
				create.SetEnvironmentID(o.environments[random.IntN(2)])
			}
			if random.IntN(8) == 0 {
				create.SetPendingSince(made)
			}
			if err := create.Exec(ctx); err != nil {
				return err
			}
			for _, s := range scopes {
				if err := tx.KeyScope.Create().SetOrganizationID(admin.OrganizationID).SetProjectID(o.projects[project]).
					SetOwnerID(owner).SetScope(s).SetKeyID(id).Exec(ctx); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	o.rows, err = w.store.Client.APIKey.Query().Where(apikey.RemovedAtIsNil()).All(w.system())
	must(t, err)
	return o
}

func (o *oracle) chance(n int) bool { return o.random.IntN(n) == 0 }

func (o *oracle) instant() time.Time {
	return start.Add(time.Duration(o.random.IntN(60)-30) * time.Hour)
}

func subset[T any](o *oracle, from []T) []T {
	list := []T{}
	for _, v := range from {
		if o.chance(2) {
			list = append(list, v)
		}
	}
	return list
}

func (o *oracle) interval() *page.Range {
	r := &page.Range{}
	if o.chance(2) {
		r.From = new(o.instant())
	}
	if o.chance(2) {
		r.Before = new(o.instant())
	}
	if o.chance(4) {
		r.IsNull = new(o.chance(2))
	}
	return r
}

// search is a random one.
func (o *oracle) search() keys.Search {
	o.now = start.Add(time.Duration(o.random.IntN(30)) * time.Hour / 3)
	o.w.at(o.now)
	f := &keys.Filter{}
	for _, condition := range []func(){
		func() { f.Scopes = o.scopes() },
		func() {
			f.Statuses = subset(o, []lifecycle.Status{lifecycle.Pending, lifecycle.Active, lifecycle.RotatingOut, lifecycle.Suspended, lifecycle.Expired, lifecycle.Revoked})
		},
		func() {
			f.EndReasons = subset(o, []lifecycle.EndReason{lifecycle.EndLifetime, lifecycle.EndNotAccessed, lifecycle.EndRotationGrace, lifecycle.EndRevoked})
		},
		func() { f.ProjectIDs = subset(o, o.projects) },
		func() { f.EnvironmentIDs = subset(o, o.environments) },
		func() { f.OwnerIDs = subset(o, o.owners) },
		func() { f.CreatedByIDs = subset(o, o.owners) },
		func() { f.ExpiringBefore = new(o.instant()) },
		func() { f.ExpiringWithin = period("PT7H") },
		func() { f.UnusedSince = new(o.instant()) },
		func() { f.UnusedFor = period("PT9H") },
		func() { f.NeverUsed = new(o.chance(2)) },
		func() { f.CreatedAt = o.interval() },
		func() { f.ExpiresAt = o.interval() },
		func() { f.LastUsedAt = o.interval() },
		func() { f.NameStartsWith = new([]string{"AL", "är", "b", ""}[o.random.IntN(4)]) },
		func() { f.KeyPrefix = &o.rows[o.random.IntN(len(o.rows))].KeyPrefix },
		func() { f.FamilyID = &o.rows[o.random.IntN(len(o.rows))].FamilyID },
		func() { f.RotationDueBefore = new(o.instant()) },
		func() { f.HasNotification = new(o.chance(2)) },
	} {
		if o.chance(9) {
			condition()
		}
	}
	fields := []keys.OrderField{keys.ByCreation, keys.ByExpiration, keys.ByEffectiveEnd, keys.ByLastUse, keys.ByNextRotation, keys.ByName}
	direction := keys.Ascending
	if o.chance(2) {
		direction = keys.Descending
	}
	return keys.Search{Filter: f, OrderBy: &keys.Order{Field: fields[o.random.IntN(len(fields))], Direction: direction}}
}

func (o *oracle) scopes() *keys.ScopeFilter {
	f := &keys.ScopeFilter{}
	if o.chance(2) {
		f.Any = subset(o, scopeWords)
	}
	if o.chance(3) {
		f.All = subset(o, scopeWords)
	}
	if o.chance(3) {
		f.None = subset(o, scopeWords)
	}
	if o.chance(3) {
		f.Grants = subset(o, []string{"a:b", "b:d", "c"})
	}
	return f
}

// want are the ids that a search finds, in order.
func (o *oracle) want(s keys.Search) []string {
	rows := slices.DeleteFunc(slices.Clone(o.rows), func(k *db.APIKey) bool { return !o.matches(s.Filter, k) })
	slices.SortFunc(rows, func(a, b *db.APIKey) int {
		x, y, named := o.value(s.OrderBy.Field, a), o.value(s.OrderBy.Field, b), s.OrderBy.Field == keys.ByName
		switch {
		case x == nil && y != nil:
			return 1
		case x != nil && y == nil:
			return -1
		}
		c := 0
		switch {
		case named:
			c = cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		case x != nil:
			c = x.Compare(*y)
		}
		if c == 0 {
			c = cmp.Compare(a.ID, b.ID)
		}
		if s.OrderBy.Direction == keys.Descending {
			c = -c
		}
		return c
	})
	ids := make([]string, len(rows))
	for i, k := range rows {
		ids[i] = k.ID
	}
	return ids
}

func (o *oracle) state(k *db.APIKey) lifecycle.State {
	return lifecycle.Evaluate(lifecycle.Instants{
		Pending: k.PendingSince != nil, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, InactivityExpiresAt: k.InactivityExpiresAt,
		GraceExpiresAt: k.GraceExpiresAt, SuspendedAt: k.SuspendedAt, RotatedAt: k.RotatedAt, RevokedAt: k.RevokedAt,
	}, o.now)
}

func (o *oracle) value(field keys.OrderField, k *db.APIKey) *time.Time {
	switch field {
	case keys.ByExpiration:
		return k.ExpiresAt
	case keys.ByEffectiveEnd:
		return o.state(k).EffectiveExpiresAt
	case keys.ByLastUse:
		return k.LastUsedAt
	case keys.ByNextRotation:
		return k.NextRotationAt
	}
	return &k.CreatedAt
}

func (o *oracle) matches(f *keys.Filter, k *db.APIKey) bool {
	s := o.state(k)
	in := func(list []string, value *string) bool {
		return list == nil || value != nil && slices.Contains(list, *value)
	}
	used := k.CreatedAt
	if k.LastUsedAt != nil {
		used = *k.LastUsedAt
	}
	ends := func(before *time.Time) bool {
		return before == nil || s.EffectiveExpiresAt != nil && s.EffectiveExpiresAt.Before(*before) && (f.Statuses != nil || s.EffectiveExpiresAt.After(o.now))
	}
	var within, unused *time.Time
	if f.ExpiringWithin != nil {
		within = new(f.ExpiringWithin.From(o.now))
	}
	if f.UnusedFor != nil {
		unused = new(f.UnusedFor.Back(o.now))
	}
	return in(f.ProjectIDs, &k.ProjectID) && in(f.EnvironmentIDs, k.EnvironmentID) && in(f.OwnerIDs, &k.OwnerID) && in(f.CreatedByIDs, k.CreatedByID) &&
		(f.Statuses == nil && s.Status != lifecycle.Pending || slices.Contains(f.Statuses, s.Status)) &&
		(f.EndReasons == nil || slices.Contains(f.EndReasons, s.EndsBecause)) &&
		ends(f.ExpiringBefore) && ends(within) &&
		(f.UnusedSince == nil || used.Before(*f.UnusedSince)) && (unused == nil || used.Before(*unused)) &&
		(f.NeverUsed == nil || *f.NeverUsed == (k.LastUsedAt == nil)) &&
		lies(f.CreatedAt, &k.CreatedAt) && lies(f.ExpiresAt, k.ExpiresAt) && lies(f.LastUsedAt, k.LastUsedAt) &&
		(f.NameStartsWith == nil || strings.HasPrefix(strings.ToLower(k.Name), strings.ToLower(*f.NameStartsWith))) &&
		(f.KeyPrefix == nil || *f.KeyPrefix == k.KeyPrefix) && (f.FamilyID == nil || *f.FamilyID == k.FamilyID) &&
		(f.RotationDueBefore == nil || k.NextRotationAt != nil && k.NextRotationAt.Before(*f.RotationDueBefore)) &&
		(f.HasNotification == nil || *f.HasNotification == o.notified[k.ID]) &&
		holds(f.Scopes, k.Scopes)
}

func lies(r *page.Range, at *time.Time) bool {
	return r == nil || (r.From == nil || at != nil && !at.Before(*r.From)) && (r.Before == nil || at != nil && at.Before(*r.Before)) &&
		(r.IsNull == nil || *r.IsNull == (at == nil))
}

func holds(f *keys.ScopeFilter, scopes []string) bool {
	if f == nil {
		return true
	}
	has := func(s string) bool { return slices.Contains(scopes, s) }
	grants := func(s string) bool {
		return has(s) || has("*") || strings.Contains(s, ":") && has(s[:strings.IndexByte(s, ':')]+":*")
	}
	all := func(list []string, ok func(string) bool) bool {
		return !slices.ContainsFunc(list, func(s string) bool { return !ok(s) })
	}
	return (f.Any == nil || slices.ContainsFunc(f.Any, has)) && all(f.All, has) && !slices.ContainsFunc(f.None, has) && all(f.Grants, grants)
}

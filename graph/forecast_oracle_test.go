package graph_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/telemetry"
	"github.com/keytag/keytag/internal/typeid"
)

// crowd makes keys of all kinds past the mutations, and knows what the forecast must say of them.
type crowd struct {
	*site
	random   *rand.Rand
	leads    map[string][]string // of projects
	projects []string
	sources  map[string]bool // whether they are enabled
	of       *principal.Principal
	rows     []*db.APIKey
	notices  map[string]*notice
}

// notice is the notification of a key.
type notice struct {
	at     time.Time
	status job.Status
	source string
}

func newCrowd(t *testing.T, s *site, random *rand.Rand) *crowd {
	c := &crowd{site: s, random: random, leads: map[string][]string{}, sources: map[string]bool{}, notices: map[string]*notice{}}
	usual := []string{`P30D`, `P7D`, `P1D`}
	c.projects = []string{s.project()}
	c.leads[s.project()] = usual
	for i, own := range [][]string{nil, {}, {"P1M"}, {"P1M10D", "P2D"}, {"P45D"}} {
		id := s.newProject(fmt.Sprint("project ", i))
		if c.projects = append(c.projects, id); own == nil {
			c.leads[id] = usual
			continue
		}
		c.leads[id] = own
		text := ""
		for _, lead := range own {
			text += fmt.Sprintf(" %q", lead)
		}
		s.policy(fmt.Sprintf(`projectId: %q, reminderLeadTimes: [%s]`, id, text))
	}
	admin, err := s.store.Client.User.Query().Only(principal.System(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	c.of = &principal.Principal{UserID: admin.ID, OrganizationID: admin.OrganizationID}
	for _, enabled := range []bool{true, false} {
		id, _ := s.create(s.admin, map[string]any{"name": fmt.Sprint("source ", enabled)})
		source := s.notifyAt(id, start.Add(oneDay))
		s.mutate("setAlertSourceEnabled", fmt.Sprintf(`id: %q, enabled: %t`, source, enabled))
		s.mutate("removeApiKey", fmt.Sprintf(`id: %q`, id))
		c.sources[source] = enabled
	}
	return c
}

func (c *crowd) chance(n int) bool { return c.random.IntN(n) == 0 }

// around is an instant some days from the start, in steps of half a day so that many fall together.
func (c *crowd) around(from, to int) time.Time {
	return start.Add(time.Duration(2*from+c.random.IntN(2*(to-from)+1)) * 12 * time.Hour)
}

// add makes n keys.
func (c *crowd) add(t *testing.T, n int) {
	err := c.store.Write(principal.System(t.Context()), func(ctx context.Context, tx *store.Tx) error {
		var live []string
		for i := range n {
			made := c.around(-90, 0)
			family, id := typeid.New(typeid.KeyFamily, made), typeid.New(typeid.APIKey, made)
			if err := tx.KeyFamily.Create().SetID(family).SetOrganizationID(c.of.OrganizationID).SetOwnerID(c.of.UserID).SetDescription(family).Exec(ctx); err != nil {
				return err
			}
			create := tx.APIKey.Create().SetID(id).SetOrganizationID(c.of.OrganizationID).SetOwnerID(c.of.UserID).
				SetProjectID(c.projects[c.random.IntN(len(c.projects))]).
				SetName("key").SetNameFolded("key").SetDescription(family).SetScopes([]string{}).SetAllowedIps([]string{}).
				SetKeyPrefix(fmt.Sprintf("ktg_%010d", i)).SetDigest([]byte(fmt.Sprint("digest", i))).
				SetFamilyID(family).SetGeneration(1).SetCreatedAt(made).SetUpdatedAt(made)
			if !c.chance(5) {
				create.SetExpiresAt(c.around(-5, 100))
			}
			if c.chance(2) {
				create.SetInactivityExpiresAt(c.around(-2, 100))
			}
			if used := c.around(-60, 0); c.chance(2) && !used.Before(made) {
				create.SetLastUsedAt(used)
			}
			if c.chance(8) {
				create.SetSuspendedAt(made)
			}
			if c.chance(20) {
				create.SetRevokedAt(c.around(-3, 0))
			}
			if c.chance(20) {
				create.SetRemovedAt(made)
			}
			if c.chance(20) {
				create.SetPendingSince(made)
			}
			if c.chance(3) && len(live) > 0 {
				create.SetReplacedByID(live[c.random.IntN(len(live))]).SetRotatedAt(made).SetGraceExpiresAt(c.around(0, 60))
			}
			if err := create.Exec(ctx); err != nil {
				return err
			}
			live = append(live, id)
			if c.chance(3) {
				if err := c.notified(ctx, tx, id, family, made); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// notified gives a key a notification, and that a job.
func (c *crowd) notified(ctx context.Context, tx *store.Tx, key, family string, made time.Time) error {
	n := &notice{at: c.around(0, 100), status: []job.Status{job.Scheduled, job.Scheduled, job.Running, job.Completed, job.Error}[c.random.IntN(5)]}
	for source := range c.sources { // in no order
		n.source = source
	}
	c.notices[key] = n
	id := typeid.New(typeid.AlertJob, made)
	err := tx.Job.Create().SetID(id).SetOrganizationID(c.of.OrganizationID).SetOwnerID(c.of.UserID).SetFamilyID(family).SetKeyID(key).
		SetKind(job.Alert).SetStatus(n.status).SetAlertSourceID(n.source).SetLane("").SetScheduledFor(n.at).SetRunAt(n.at).SetCreatedAt(made).Exec(ctx)
	if err != nil {
		return err
	}
	return tx.Notification.Create().SetID(typeid.New(typeid.Notification, made)).SetOrganizationID(c.of.OrganizationID).SetOwnerID(c.of.UserID).
		SetFamilyID(family).SetKeyID(key).SetNotifyAt(n.at).SetAlertSourceID(n.source).SetJobID(id).SetCreatedAt(made).SetUpdatedAt(made).Exec(ctx)
}

// end is the earliest clock of a key, nil when none runs.
func end(k *db.APIKey) (at *time.Time, because string) {
	for _, clock := range []struct {
		at   *time.Time
		name string
	}{{k.ExpiresAt, "LIFETIME"}, {k.InactivityExpiresAt, "NOT_ACCESSED"}, {k.GraceExpiresAt, "ROTATION_GRACE"}, {k.RevokedAt, "REVOKED"}} {
		if clock.at != nil && (at == nil || clock.at.Before(*at)) {
			at, because = clock.at, clock.name
		}
	}
	return at, because
}

// want is the forecast until an instant, of all projects or of one.
func (c *crowd) want(until time.Time, project string) []ending {
	now := c.clock()
	byID := map[string]*db.APIKey{}
	for _, k := range c.rows {
		byID[k.ID] = k
	}
	list := []ending{}
	for _, k := range c.rows {
		at, because := end(k)
		if k.RemovedAt != nil || k.PendingSince != nil || at == nil || !at.After(now) || at.After(until) || project != "" && k.ProjectID != project {
			continue
		}
		e := ending{EndsAt: *at, EndsBecause: because, StillInUse: k.LastUsedAt != nil && now.Sub(*k.LastUsedAt) <= 30*oneDay}
		e.APIKey.ID, e.APIKey.Name = k.ID, k.Name
		if k.ReplacedByID != nil {
			s := byID[*k.ReplacedByID]
			successorEnd, _ := end(s)
			e.HasSuccessor = s.RemovedAt == nil && (successorEnd == nil || successorEnd.After(now))
		}
		if n := c.notices[k.ID]; n != nil {
			e.WillNotify = n.at.Before(*at) && n.status == job.Scheduled && c.sources[n.source]
		}
		for _, lead := range c.leads[k.ProjectID] {
			reminder := lifecycle.MustPeriod(lead).Back(*at)
			e.WillNotify = e.WillNotify || k.ReplacedByID == nil && k.RevokedAt == nil && reminder.After(now)
		}
		switch alone := !e.HasSuccessor; {
		case e.StillInUse && alone && !e.WillNotify:
			e.Risk = "CRITICAL"
		case e.StillInUse && alone:
			e.Risk = "HIGH"
		case e.StillInUse, alone && !e.WillNotify:
			e.Risk = "MEDIUM"
		default:
			e.Risk = "LOW"
		}
		list = append(list, e)
	}
	rank := []string{"CRITICAL", "HIGH", "MEDIUM", "LOW"}
	slices.SortFunc(list, func(a, b ending) int {
		return cmp.Or(slices.Index(rank, a.Risk)-slices.Index(rank, b.Risk), a.EndsAt.Compare(b.EndsAt), cmp.Compare(a.APIKey.ID, b.APIKey.ID))
	})
	return list
}

// The forecast over keys of all kinds, read in pages of any size in both directions, is what a naive oracle
// says, at the ends of months too.
func TestForecastAgreesWithAnOracle(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	each(t, func(t *testing.T, s *site) {
		c := newCrowd(t, s, rand.New(rand.NewPCG(seed, 0)))
		c.add(t, 400)
		risks := map[string]int{}
		for n := range 24 {
			c.goTo(c.around(0, 45).Add(time.Duration(c.random.IntN(3)-1) * time.Microsecond))
			within, project, arguments := []string{"P1D", "P1M", "P45D", "P6M"}[c.random.IntN(4)], "", ""
			if c.chance(3) {
				project = c.projects[c.random.IntN(len(c.projects))]
				arguments = fmt.Sprintf(`, projectId: %q`, project)
			}
			c.use(c.admin) // asking is use too, and is in the rows before they are read
			c.refresh(t)
			want := c.want(lifecycle.MustPeriod(within).From(c.clock()), project)
			for _, e := range want {
				risks[e.Risk]++
			}
			for _, backward := range []bool{false, true} {
				got := c.forecast(c.admin, fmt.Sprintf(`within: %q`, within)+arguments, 1+c.random.IntN(100), backward)
				if !slices.Equal(got, want) {
					t.Fatalf("%d at %s, backward %t, within %s%s:\n%s", n, c.clock(), backward, within, arguments, firstDifference(got, want))
				}
			}
		}
		for _, risk := range []string{"CRITICAL", "HIGH", "MEDIUM", "LOW"} {
			if risks[risk] == 0 {
				t.Errorf("nothing was %s: %v", risk, risks)
			}
		}
		t.Log(risks)
	})
}

// refresh reads the rows that the oracle judges.
func (c *crowd) refresh(t *testing.T) {
	t.Helper()
	var err error
	if c.rows, err = c.store.Client.APIKey.Query().All(principal.System(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func firstDifference(got, want []ending) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("missing at %d of %d: %+v", i, len(want), want[i])
		case i >= len(want):
			return fmt.Sprintf("too many at %d: %+v", i, got[i])
		case got[i] != want[i]:
			return fmt.Sprintf("at %d:\ngot  %+v\nwant %+v", i, got[i], want[i])
		}
	}
	return "none"
}

// mostStatements is two for the lead times, five for each part of the two risks that a first or last page of
// this crowd is made of, some more where a part has others between, and five for what stands beside the keys.
const mostStatements = 30

// A page out of a thousand keys is read in few statements, whatever is wanted beside each of them.
func TestForecastStatements(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		c := newCrowd(t, s, rand.New(rand.NewPCG(7, 7)))
		authority := keys.New(s.store, s.clock, telemetry.Logger(s.log, "debug", "json"))
		alerts := alert.New(s.store, authority, s.clock, telemetry.Logger(s.log, "debug", "json"), alert.Options{})
		ctx, err := authority.Authenticate(t.Context(), s.admin, keys.Use{})
		if err != nil {
			t.Fatal(err)
		}
		c.add(t, 1500)
		var sent []string
		watched := store.Observe(ctx, func(s store.Statement) { sent = append(sent, s.Text) })
		for name, args := range map[string]page.Args{"first": {First: new(50)}, "last": {Last: new(50)}} {
			sent = nil
			found, err := alerts.Forecast(watched, alert.ForecastSearch{Within: lifecycle.MustPeriod("P4M"), Page: args,
				With: []keys.Field{keys.WithOwner, keys.WithProject, keys.WithReplacedBy, keys.WithNotification}})
			if err != nil {
				t.Fatal(err)
			}
			if len(found.Nodes) != 50 || len(sent) > mostStatements {
				t.Errorf("%s: %d entries in %d statements", name, len(found.Nodes), len(sent))
			}
			for _, e := range found.Nodes {
				if e.APIKey.Edges.Owner == nil || e.APIKey.Edges.Project == nil || e.HasSuccessor && e.APIKey.Edges.ReplacedBy == nil {
					t.Fatalf("%+v: %+v", e, e.APIKey.Edges)
				}
			}
			t.Logf("%s: %d statements", name, len(sent))
		}
	})
}

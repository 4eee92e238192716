package keys_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

type contextT = context.Context

// bulk inserts n keys of one family of the administrator, shaped by shape.
func (w *world) bulk(n int, shape func(i int, c *db.APIKeyCreate)) {
	w.t.Helper()
	owner := w.Viewer(w.as(w.admin))
	const chunk = 500
	for from := 0; from < n; from += chunk {
		must(w.t, w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
			family := typeid.New(typeid.KeyFamily, w.clock())
			if err := tx.KeyFamily.Create().SetID(family).SetOrganizationID(owner.OrganizationID).
				SetOwnerID(owner.ID).SetDescription(family).Exec(ctx); err != nil {
				return err
			}
			rows := make([]*db.APIKeyCreate, 0, chunk)
			for i := from; i < min(n, from+chunk); i++ {
				c := tx.APIKey.Create().
					SetID(typeid.New(typeid.APIKey, w.clock())).
					SetOrganizationID(owner.OrganizationID).SetProjectID(w.project).SetOwnerID(owner.ID).
					SetName("bulk").SetDescription(family).SetScopes([]string{}).SetAllowedIps([]string{}).
					SetKeyPrefix(fmt.Sprintf("ktg_%010d", i)).SetDigest([]byte(fmt.Sprintf("digest %d", i))).
					SetFamilyID(family).SetGeneration(i + 1).
					SetCreatedAt(w.clock()).SetUpdatedAt(w.clock())
				shape(i, c)
				rows = append(rows, c)
			}
			return tx.APIKey.CreateBulk(rows...).Exec(ctx)
		}))
	}
}

// The statuses that lists filter by are those that Evaluate answers, for random keys whose instants
// lie so close together that every order and every tie occurs.
func TestEvaluateAndItsTwinAgree(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	each(t, func(t *testing.T, w *world) {
		random := rand.New(rand.NewPCG(seed, 1))
		instant := func() *time.Time {
			if random.IntN(3) == 0 {
				return nil
			}
			return new(start.Add(time.Duration(random.IntN(8)) * tick))
		}
		const n = 2500
		w.bulk(n, func(_ int, c *db.APIKeyCreate) {
			c.SetNillableExpiresAt(instant()).SetNillableInactivityExpiresAt(instant()).
				SetNillableGraceExpiresAt(instant()).SetNillableSuspendedAt(instant()).
				SetNillableRotatedAt(instant()).SetNillableRevokedAt(instant()).
				SetNillablePendingSince(map[bool]*time.Time{true: &start}[random.IntN(10) == 0])
		})
		rows, err := w.store.Client.APIKey.Query().Where(apikey.Name("bulk")).All(w.system())
		must(t, err)
		ctx := w.as(w.admin)
		compared, occurred := 0, map[lifecycle.Status]int{}
		for offset := range 6 {
			now := start.Add(time.Duration(offset+1) * tick)
			w.at(now)
			want := map[lifecycle.Status][]string{}
			for _, k := range rows {
				s := lifecycle.Evaluate(lifecycle.Instants{
					Pending: k.PendingSince != nil, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, InactivityExpiresAt: k.InactivityExpiresAt,
					GraceExpiresAt: k.GraceExpiresAt, SuspendedAt: k.SuspendedAt, RotatedAt: k.RotatedAt, RevokedAt: k.RevokedAt,
				}, now)
				want[s.Status] = append(want[s.Status], k.ID)
				occurred[s.Status]++
				compared++
				end := time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
				if s.EffectiveExpiresAt != nil {
					end = *s.EffectiveExpiresAt
				}
				if !k.EffectiveExpiresAt.Equal(end) {
					t.Fatalf("effective end of %s: stored %s, evaluated %s", k.ID, k.EffectiveExpiresAt, end)
				}
			}
			for _, status := range []lifecycle.Status{lifecycle.Pending, lifecycle.Active, lifecycle.RotatingOut, lifecycle.Suspended, lifecycle.Expired, lifecycle.Revoked} {
				got := w.list(ctx, keys.Search{Filter: &keys.Filter{Statuses: []lifecycle.Status{status}}}, 100)
				got = slices.DeleteFunc(got, func(id string) bool { return id == w.ViewerKey(ctx).ID })
				slices.Sort(got)
				slices.Sort(want[status])
				if !slices.Equal(got, want[status]) {
					t.Fatalf("%s at %s: %d keys in SQL, %d in Go", status, now, len(got), len(want[status]))
				}
			}
		}
		t.Logf("%d keys × instants compared: %v", compared, occurred)
		if len(occurred) != 6 {
			t.Errorf("not every status occurred: %v", occurred)
		}
	})
}

// list pages through a whole search and answers the ids in order.
func (w *world) list(ctx contextT, s keys.Search, size int) []string {
	w.t.Helper()
	ids, back := []string{}, s.Page.Last != nil
	if back {
		s.Page = page.Args{Last: &size}
	} else {
		s.Page = page.Args{First: &size}
	}
	for {
		found, err := w.Find(ctx, s)
		must(w.t, err)
		batch := make([]string, len(found.Nodes))
		for i, key := range found.Nodes {
			batch[i] = key.ID
		}
		more := found.HasNext
		if back {
			ids, more = append(batch, ids...), found.HasPrevious
		} else {
			ids = append(ids, batch...)
		}
		if !more {
			return ids
		}
		if back {
			s.Page.Before = new(found.Cursor(found.Nodes[0]))
		} else {
			s.Page.After = new(found.Cursor(found.Nodes[len(found.Nodes)-1]))
		}
	}
}

func TestPagingThroughEqualInstants(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const n = 10_000
		w.bulk(n, func(i int, c *db.APIKeyCreate) {
			// All were made at the same instant; every third never ends, the others end together.
			if i%3 != 0 {
				c.SetExpiresAt(start.Add(time.Hour))
			}
		})
		ctx := w.as(w.admin)
		for _, field := range []keys.OrderField{keys.ByCreation, keys.ByEffectiveEnd} {
			var ascending []string
			for _, direction := range []keys.Direction{keys.Ascending, keys.Descending} {
				for _, last := range []*int{nil, new(1)} {
					got := w.list(ctx, keys.Search{OrderBy: &keys.Order{Field: field, Direction: direction}, Page: page.Args{Last: last}}, 97)
					if direction == keys.Descending {
						slices.Reverse(got)
						// Those that never end come last in both directions.
						if field == keys.ByEffectiveEnd {
							unset := slices.IndexFunc(got, func(id string) bool { return id == ascending[0] })
							got = append(got[unset:], got[:unset]...)
						}
					}
					if ascending == nil {
						ascending = got
						if unique := slices.Compact(slices.Sorted(slices.Values(got))); len(unique) != n+1 || len(got) != n+1 {
							t.Fatalf("%s: %d keys, %d different, want %d", field, len(got), len(unique), n+1)
						}
					}
					if !slices.Equal(got, ascending) {
						t.Fatalf("%s %s backward=%t: another order", field, direction, last != nil)
					}
				}
			}
		}
		found, err := w.Find(ctx, keys.Search{})
		must(t, err)
		if total, err := found.Count(t.Context()); err == nil {
			t.Errorf("counted %d without a caller", total)
		}
		total, err := found.Count(ctx)
		must(t, err)
		if total != page.MaxCount+1 {
			t.Errorf("counted %d", total)
		}
	})
}

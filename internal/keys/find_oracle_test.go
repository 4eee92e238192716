package keys_test

import (
	"cmp"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
)

// Random filters, orders, bounds, callers and page sizes over keys with ties and unset values, read
// forward and backward through all pages, give what a naive oracle gives over the same rows.
// KEYTAG_TEST_FILTERS is how many searches each database gets, else 300; KEYTAG_TEST_SEED repeats a
// run, but for the ids of the keys.
func TestFindingAgreesWithAnOracle(t *testing.T) {
	searches, seed := uint64(300), rand.Uint64()
	for name, number := range map[string]*uint64{"KEYTAG_TEST_FILTERS": &searches, "KEYTAG_TEST_SEED": &seed} {
		if text := os.Getenv(name); text != "" {
			var err error
			*number, err = strconv.ParseUint(text, 10, 64)
			must(t, err)
		}
	}
	each(t, func(t *testing.T, w *world) {
		const workers = 4
		all, tally := w.findable(rand.New(rand.NewPCG(seed, 0))), &tallied{}
		t.Run("searches", func(t *testing.T) {
			whole := t
			for worker := range uint64(workers) {
				t.Run("", func(t *testing.T) {
					t.Parallel()
					a := newAsker(t, w, all, rand.New(rand.NewPCG(seed, 1+worker)))
					for n := worker; n < searches && !whole.Failed(); n += workers {
						s := a.search()
						a.w.Few([]int{0, 8, 64, 4096}[n/workers%4]) // each way of reading, though there are not many keys
						want := all.want(s, a.w.clock())
						s.size = a.size(len(want))
						tally.count(s, len(want))
						if wrong := a.compare(s, want); wrong != "" {
							t.Fatalf("KEYTAG_TEST_SEED=%d KEYTAG_TEST_FILTERS=%d, search %d: %s\n%s\nat %s", seed, searches, n, wrong, s, a.w.clock())
						}
					}
				})
			}
		})
		if !t.Failed() {
			tally.judge(t, int(searches))
		}
	})
}

// want are the ids that a search at now finds, in order.
func (all *findable) want(s search, now time.Time) []string {
	var found []*findableKey
	for _, k := range all.keys {
		pending := k.status(now) == lifecycle.Pending && (s.Filter == nil || s.Filter.Statuses == nil)
		if s.by.sees(k) && !pending && k.matches(&s.Within, now) && (s.Filter == nil || k.matches(s.Filter, now)) {
			found = append(found, k)
		}
	}
	order := keys.Order{Field: keys.ByCreation, Direction: keys.Descending}
	if s.OrderBy != nil {
		order = *s.OrderBy
	}
	slices.SortFunc(found, func(a, b *findableKey) int {
		x, y := a.orderedBy(order.Field), b.orderedBy(order.Field)
		switch {
		case x == nil && y != nil:
			return 1
		case x != nil && y == nil:
			return -1
		}
		c := 0
		if order.Field == keys.ByName {
			c = cmp.Compare(a.folded, b.folded)
		} else if x != nil {
			c = x.Compare(*y)
		}
		if c = cmp.Or(c, cmp.Compare(a.ID, b.ID)); order.Direction == keys.Descending {
			return -c
		}
		return c
	})
	ids := make([]string, len(found))
	for i, k := range found {
		ids[i] = k.ID
	}
	return ids
}

// findableKey is a row of api_keys with what the oracle knows of it from elsewhere.
type findableKey struct {
	*db.APIKey
	folded   string // its name, whatever its case
	notified bool
}

func (k *findableKey) orderedBy(field keys.OrderField) *time.Time {
	switch field {
	case keys.ByExpiration:
		return k.ExpiresAt
	case keys.ByEffectiveEnd:
		end, _ := k.end()
		return end
	case keys.ByLastUse:
		return k.LastUsedAt
	case keys.ByNextRotation:
		return k.NextRotationAt
	}
	return &k.CreatedAt
}

// end is the earliest end and its clock; of equal ends the first of lifetime, disuse, grace and
// revocation.
func (k *findableKey) end() (at *time.Time, because lifecycle.EndReason) {
	for _, clock := range []struct {
		at      *time.Time
		because lifecycle.EndReason
	}{
		{k.ExpiresAt, lifecycle.EndLifetime}, {k.InactivityExpiresAt, lifecycle.EndNotAccessed},
		{k.GraceExpiresAt, lifecycle.EndRotationGrace}, {k.RevokedAt, lifecycle.EndRevoked},
	} {
		if clock.at != nil && (at == nil || clock.at.Before(*at)) {
			at, because = clock.at, clock.because
		}
	}
	return at, because
}

func (k *findableKey) status(now time.Time) lifecycle.Status {
	past := func(at *time.Time) bool { return at != nil && !now.Before(*at) }
	end, _ := k.end()
	switch {
	case past(end) && k.RevokedAt != nil && k.RevokedAt.Equal(*end):
		return lifecycle.Revoked
	case past(end):
		return lifecycle.Expired
	case k.PendingSince != nil:
		return lifecycle.Pending
	case past(k.SuspendedAt):
		return lifecycle.Suspended
	case past(k.RotatedAt) && k.GraceExpiresAt != nil:
		return lifecycle.RotatingOut
	}
	return lifecycle.Active
}

func (k *findableKey) matches(f *keys.Filter, now time.Time) bool {
	end, because := k.end()
	ends := func(before time.Time) bool {
		return end != nil && end.Before(before) && (f.Statuses != nil || end.After(now))
	}
	unused := func(since time.Time) bool {
		if k.LastUsedAt != nil {
			return k.LastUsedAt.Before(since)
		}
		return k.CreatedAt.Before(since)
	}
	return listed(f.ProjectIDs, &k.ProjectID) && listed(f.EnvironmentIDs, k.EnvironmentID) &&
		listed(f.OwnerIDs, &k.OwnerID) && listed(f.CreatedByIDs, k.CreatedByID) &&
		listed(f.Statuses, new(k.status(now))) && listed(f.EndReasons, &because) &&
		(f.ExpiringBefore == nil || ends(*f.ExpiringBefore)) &&
		(f.ExpiringWithin == nil || ends(now.Add(lengths[f.ExpiringWithin.String()]))) &&
		(f.UnusedSince == nil || unused(*f.UnusedSince)) &&
		(f.UnusedFor == nil || unused(now.Add(-lengths[f.UnusedFor.String()]))) &&
		(f.NeverUsed == nil || *f.NeverUsed == (k.LastUsedAt == nil)) &&
		lies(f.CreatedAt, &k.CreatedAt) && lies(f.ExpiresAt, k.ExpiresAt) && lies(f.LastUsedAt, k.LastUsedAt) &&
		(f.NameStartsWith == nil || strings.HasPrefix(k.folded, foldedPrefixes[*f.NameStartsWith])) &&
		(f.KeyPrefix == nil || *f.KeyPrefix == k.KeyPrefix) && (f.FamilyID == nil || *f.FamilyID == k.FamilyID) &&
		(f.RotationDueBefore == nil || k.NextRotationAt != nil && k.NextRotationAt.Before(*f.RotationDueBefore)) &&
		(f.HasNotification == nil || *f.HasNotification == k.notified) &&
		holds(f.Scopes, k.Scopes)
}

func listed[T comparable](list []T, value *T) bool {
	return list == nil || value != nil && slices.Contains(list, *value)
}

func lies(r *page.Range, at *time.Time) bool {
	if r == nil {
		return true
	}
	return (r.From == nil || at != nil && !at.Before(*r.From)) && (r.Before == nil || at != nil && at.Before(*r.Before)) &&
		(r.IsNull == nil || *r.IsNull == (at == nil))
}

func holds(f *keys.ScopeFilter, scopes []string) bool {
	if f == nil {
		return true
	}
	has := func(s string) bool { return slices.Contains(scopes, s) }
	granted := func(wanted string) bool {
		return slices.ContainsFunc(scopes, func(s string) bool {
			return s == wanted || strings.HasSuffix(s, "*") && strings.HasPrefix(wanted, s[:len(s)-1])
		})
	}
	every := func(list []string, ok func(string) bool) bool {
		return !slices.ContainsFunc(list, func(s string) bool { return !ok(s) })
	}
	return (f.Any == nil || slices.ContainsFunc(f.Any, has)) && every(f.All, has) &&
		!slices.ContainsFunc(f.None, has) && every(f.Grants, granted)
}

package keys_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/telemetry"
	"github.com/keytag/keytag/internal/typeid"
)

// search is one, by one of the seekers, with pages of a size.
type search struct {
	keys.Search
	by   seeker
	size int
}

func (s search) String() string {
	text := fmt.Sprintf("by %s, pages of %d, within", s.by.name, s.size)
	add := func(name string, v reflect.Value) {
		if !v.IsNil() {
			if v.Kind() == reflect.Pointer {
				v = v.Elem()
			}
			text += fmt.Sprintf(" %s: %v", name, v)
		}
	}
	conditions(reflect.ValueOf(s.Within), "", add)
	text += fmt.Sprintf(", ordered by %v, filter", s.OrderBy)
	if s.Filter != nil {
		conditions(reflect.ValueOf(*s.Filter), "", add)
	}
	return text
}

// conditions visits every condition of a filter, those of its ranges and scopes by themselves.
func conditions(filter reflect.Value, above string, visit func(name string, v reflect.Value)) {
	for i := range filter.NumField() {
		v, name := filter.Field(i), above+filter.Type().Field(i).Name
		switch v.Interface().(type) {
		case *page.Range, *keys.ScopeFilter:
			if v.IsNil() {
				v = reflect.New(v.Type().Elem())
			}
			conditions(v.Elem(), name+".", visit)
		default:
			visit(name, v)
		}
	}
}

var (
	orderFields = []keys.OrderField{keys.ByCreation, keys.ByExpiration, keys.ByEffectiveEnd, keys.ByLastUse, keys.ByNextRotation, keys.ByName}
	directions  = []keys.Direction{keys.Ascending, keys.Descending}
	statuses    = []lifecycle.Status{lifecycle.Pending, lifecycle.Active, lifecycle.RotatingOut, lifecycle.Suspended, lifecycle.Expired, lifecycle.Revoked}
	endReasons  = []lifecycle.EndReason{lifecycle.EndLifetime, lifecycle.EndNotAccessed, lifecycle.EndRotationGrace, lifecycle.EndRevoked}
)

// lengths of the periods that are asked for.
var lengths = map[string]time.Duration{"PT20M": 20 * time.Minute, "PT7H": 7 * time.Hour, "P1D": 24 * time.Hour, "P7D": 7 * 24 * time.Hour}

// foldedPrefixes are beginnings of names that are asked for, with the form in which case does not count.
var foldedPrefixes = map[string]string{
	"": "", "AL": "al", "alpha": "alpha", "a": "a", "Är": "är", "A\u0308": "ä", "50%": "50%", "50": "50", "%": "%", "_": "_", "A_": "a_",
	"😀": "😀", "ﬀ": "ﬀ", "\uFFFD": "\uFFFD", "K": "k", "no such": "no such",
}

// askedScopes are those that keys hold and some that none does.
var askedScopes = append([]string{"a:c", "a:b:d", "a:b:d:e", "ab", "ab:*", "nobody:holds:this"}, heldScopes...)

// asker makes up searches and puts them to an authority whose time is its own.
type asker struct {
	w      *world
	all    *findable
	random *rand.Rand
}

func newAsker(t *testing.T, w *world, all *findable, random *rand.Rand) *asker {
	own := &world{t: t, store: w.store}
	own.Authority = keys.New(w.store, own.clock, telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json"))
	return &asker{own, all, random}
}

func (a *asker) chance(n int) bool { return a.random.IntN(n) == 0 }

func oneOf[T any](a *asker, from []T) T { return from[a.random.IntN(len(from))] }

// few are some of a list in any order, possibly none and possibly one twice, mostly with those that fit.
func few[T any](a *asker, from []T, fit ...T) []T {
	list := []T{}
	if a.chance(12) {
		return list
	}
	for _, v := range from {
		if a.chance(4) {
			list = append(list, v)
		}
	}
	for _, v := range fit {
		if !a.chance(6) {
			list = append(list, v)
		}
	}
	a.random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// instant is mostly one that keys may have, some of them in another zone, or one beside it, or far away.
func (a *asker) instant() time.Time {
	at := start.Add(time.Duration(a.random.IntN(span+4)-2) * time.Hour)
	switch a.random.IntN(12) {
	case 0:
		return at.Add(tick)
	case 1:
		return at.Add(-tick)
	case 2:
		return at.In(time.FixedZone("", 19800))
	case 3:
		return oneOf(a, []time.Time{time.Date(1969, 7, 20, 20, 17, 40, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)})
	}
	return at
}

// after is mostly at, when that is set, or a little later.
func (a *asker) after(at *time.Time) *time.Time {
	if at == nil || a.chance(3) {
		return new(a.instant())
	}
	return new(at.Add(oneOf(a, []time.Duration{0, tick, time.Hour, 9 * time.Hour})))
}

// interval is mostly one that at lies in.
func (a *asker) interval(at *time.Time) *page.Range {
	r := &page.Range{}
	if a.chance(2) {
		if r.From = new(a.instant()); at != nil && !a.chance(3) {
			r.From = new(at.Add(-oneOf(a, []time.Duration{0, tick, time.Hour, 9 * time.Hour})))
		}
	}
	if a.chance(2) {
		r.Before = a.after(at)
	}
	if a.chance(3) {
		r.IsNull = a.mostly(at == nil)
	}
	return r
}

func (a *asker) mostly(b bool) *bool { return new(b != a.chance(4)) }

// search is a random one at a random time. Its values are mostly such that one certain key meets them,
// so that many conditions together still find something.
func (a *asker) search() search {
	now := start.Add(time.Duration(a.random.IntN(3*span)) * 20 * time.Minute)
	a.w.at(now)
	s := search{by: a.all.seekers[[]int{0, 0, 0, 0, 1, 1, 1, 2, 3}[a.random.IntN(9)]]}
	fit := oneOf(a, a.all.keys)
	for !s.by.sees(fit) && !a.chance(50) {
		fit = oneOf(a, a.all.keys)
	}
	switch a.random.IntN(8) {
	case 0:
		s.Within = keys.Filter{ProjectIDs: []string{oneOf(a, append(a.all.projects, fit.ProjectID, fit.ProjectID))}}
	case 1:
		s.Within = keys.Filter{EnvironmentIDs: []string{oneOf(a, a.all.environments)}}
	case 2:
		s.Within = keys.OwnedBy.Of(oneOf(a, append(a.all.users, fit.OwnerID, fit.OwnerID)))
	case 3:
		s.Within = keys.CreatedBy.Of(oneOf(a, a.all.users))
	}
	if !a.chance(40) {
		s.Filter = a.filter(fit, now)
	}
	if !a.chance(20) {
		s.OrderBy = &keys.Order{Field: oneOf(a, orderFields), Direction: oneOf(a, directions)}
	}
	return s
}

func (a *asker) filter(fit *findableKey, now time.Time) *keys.Filter {
	f := &keys.Filter{}
	end, because := fit.end()
	used := fit.LastUsedAt
	if used == nil {
		used = &fit.CreatedAt
	}
	asks := []func(){
		func() { f.Scopes = a.scopes(fit) },
		func() { f.Statuses = few(a, statuses, fit.status(now)) },
		func() {
			if f.EndReasons = few(a, endReasons); because != "" {
				f.EndReasons = few(a, endReasons, because)
			}
		},
		func() { f.ProjectIDs = a.ids(typeid.Project, a.all.projects, fit.ProjectID) },
		func() {
			if f.EnvironmentIDs = a.ids(typeid.Environment, a.all.environments); fit.EnvironmentID != nil {
				f.EnvironmentIDs = a.ids(typeid.Environment, a.all.environments, *fit.EnvironmentID)
			}
		},
		func() { f.OwnerIDs = a.ids(typeid.User, a.all.users, fit.OwnerID) },
		func() {
			if f.CreatedByIDs = a.ids(typeid.User, a.all.users); fit.CreatedByID != nil {
				f.CreatedByIDs = a.ids(typeid.User, a.all.users, *fit.CreatedByID)
			}
		},
		func() { f.ExpiringBefore = a.after(end) },
		func() { f.ExpiringWithin = a.period() },
		func() { f.UnusedSince = a.after(used) },
		func() { f.UnusedFor = a.period() },
		func() { f.NeverUsed = a.mostly(fit.LastUsedAt == nil) },
		func() { f.CreatedAt = a.interval(&fit.CreatedAt) },
		func() { f.ExpiresAt = a.interval(fit.ExpiresAt) },
		func() { f.LastUsedAt = a.interval(fit.LastUsedAt) },
		func() { f.NameStartsWith = a.beginning(fit.folded) },
		func() { f.RotationDueBefore = a.after(fit.NextRotationAt) },
		func() { f.HasNotification = a.mostly(fit.notified) },
		func() { f.KeyPrefix = &oneOf(a, []*findableKey{fit, fit, fit, oneOf(a, a.all.keys)}).KeyPrefix },
		func() { f.FamilyID = &oneOf(a, []*findableKey{fit, fit, fit, oneOf(a, a.all.keys)}).FamilyID },
	}
	a.random.Shuffle(len(asks), func(i, j int) { asks[i], asks[j] = asks[j], asks[i] })
	for _, ask := range asks[:[]int{0, 1, 1, 1, 2, 2, 3, 3, 4, 8}[a.random.IntN(10)]] {
		ask()
	}
	if a.chance(4) && f.Scopes == nil {
		f.Scopes = a.scopes(fit)
	}
	return f
}

func (a *asker) period() *lifecycle.Period {
	return period(oneOf(a, slices.Sorted(maps.Keys(lengths))))
}

// beginning is one of foldedPrefixes, mostly of this name.
func (a *asker) beginning(folded string) *string {
	for {
		if text := oneOf(a, slices.Sorted(maps.Keys(foldedPrefixes))); a.chance(20) || strings.HasPrefix(folded, foldedPrefixes[text]) {
			return &text
		}
	}
}

// ids are some of those that exist, seldom among as many as are allowed.
func (a *asker) ids(kind string, from []string, fit ...string) []string {
	list := few(a, from, fit...)
	if a.chance(50) {
		for len(list) < 100 {
			list = append(list, typeid.New(kind, start))
		}
	}
	return list
}

func (a *asker) scopes(fit *findableKey) *keys.ScopeFilter {
	f := &keys.ScopeFilter{}
	short := func(list []string) []string { return list[:min(len(list), 1+a.random.IntN(3))] }
	if a.chance(2) {
		f.Any = short(few(a, askedScopes, fit.Scopes...))
		if a.chance(50) {
			for len(f.Any) < 50 {
				f.Any = append(f.Any, fmt.Sprint("nobody:", len(f.Any)))
			}
		}
	}
	if a.chance(3) {
		f.All = short(few(a, oneOf(a, [][]string{nil, nil, askedScopes}), fit.Scopes...))
	}
	if a.chance(3) {
		f.None = short(few(a, askedScopes))
	}
	if a.chance(3) {
		f.Grants = short(few(a, askedScopes, fit.Scopes...))
	}
	return f
}

// size is one of pages, such that there are a few of them, and often such that the last is full.
func (a *asker) size(found int) int {
	pages := 1 + a.random.IntN(6)
	if a.chance(2) {
		return min(page.MaxSize, max(1, found/pages))
	}
	return min(page.MaxSize, 1+found/pages)
}

// patiently looks again when a look was given up after its two seconds: among so few keys only a machine
// that stands still takes that long, and not three times.
func patiently(look func() error) error {
	for looks := 1; ; looks++ {
		var given *fault.Error
		if err := look(); looks == 3 || !errors.As(err, &given) || given.Code != "query.too_expensive" {
			return err
		}
	}
}

// compare pages through a search in both directions and answers the first difference from want.
func (a *asker) compare(s search, want []string) (wrong string) {
	counted := false
	for _, backward := range []bool{false, true} {
		s.Page = page.Args{First: &s.size}
		if backward {
			s.Page = page.Args{Last: &s.size}
		}
		for read, more := 0, true; more; {
			var found *keys.Found
			err := patiently(func() (err error) { found, err = a.w.Find(s.by.ctx, s.Search); return err })
			if err != nil {
				return err.Error()
			}
			n := min(s.size, len(want)-read)
			expected := want[read : read+n]
			if backward {
				expected = want[len(want)-read-n : len(want)-read]
			}
			got := make([]string, len(found.Nodes))
			for i, k := range found.Nodes {
				got[i] = k.ID
			}
			if !slices.Equal(got, expected) {
				return fmt.Sprintf("backward %t, behind %d keys of %d: got  %v\nwant %v", backward, read, len(want), got, expected)
			}
			begun := read > 0
			read += n
			more = read < len(want)
			if forth, back := found.HasNext, found.HasPrevious; backward && (forth != begun || back != more) || !backward && (forth != more || back != begun) {
				return fmt.Sprintf("backward %t, up to %d keys of %d: hasNext %t, hasPrevious %t", backward, read, len(want), forth, back)
			}
			if !counted {
				counted = true
				var total int
				err := patiently(func() (err error) { total, err = found.Count(s.by.ctx); return err })
				if err != nil || total != len(want) {
					return fmt.Sprintf("%d counted, want %d, %v", total, len(want), err)
				}
			}
			if backward && more {
				s.Page.Before = new(found.Cursor(found.Nodes[0]))
			} else if more {
				s.Page.After = new(found.Cursor(found.Nodes[n-1]))
			}
		}
	}
	return ""
}

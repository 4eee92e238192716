package keys

import (
	"context"
	"slices"
	"sync"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/notification"
)

const (
	// few is how many keys a condition may match to be what a search is read by.
	few = 4096
	// fewOfMany is few for a condition that many keys meet as a rule, for each key of a page: to find out
	// that it is not so reads no more than a page may.
	fewOfMany = 8
)

// condition is one that a search is read by when few keys meet it.
type condition struct {
	find func(dialect string) *sql.Selector
	few  int
	// name is under what it is remembered that many meet it; empty: it is not.
	name string
}

// lookForFew looks for a condition that few keys meet, among those that the walk would only check.
func (a *Authority) lookForFew(ctx context.Context, pl *plan, of []condition) error {
	for _, c := range of {
		if a.wide.holds(c.name) {
			continue
		}
		switch n, err := a.countUpTo(ctx, c.few, c.find); {
		case err != nil:
			return err
		case n < c.few:
			pl.found, pl.merged = c.find, false
			return nil
		}
		a.wide.note(c.name)
	}
	return nil
}

// conditions are those that the walk would only check: first those that few keys meet as a rule. What the list
// is counted by, and where the walk begins and ends, is put into the plan.
func (a *Authority) conditions(pl *plan, s Search, bounds []bound, column string, size int, now time.Time) []condition {
	var rare, common []condition
	seldom := func(find func(string) *sql.Selector) { rare = append(rare, condition{find: find, few: a.few}) }
	mostly := func(name string, where ...func(*sql.Selector)) {
		common = append(common, condition{keysWhere(where...), min(a.few, fewOfMany*size), name})
	}
	organization, narrower := bounds[len(bounds)-1], true
	for _, b := range bounds[:len(bounds)-1] {
		walked := b.column == pl.walk.column
		narrower = narrower && !walked
		switch {
		case narrower:
			seldom(keysWhere(b.where))
		case !walked:
			mostly(b.name(), b.where)
		}
	}
	if len(pl.groups) > 0 && !pl.merged {
		seldom(pl.holdersOf(pl.groups[0]))
	}
	for _, f := range s.filters() {
		for _, columns := range f.marks() {
			var marked []func(string) *sql.Selector
			for _, column := range columns {
				set := func(s *sql.Selector) { organization.where(s); s.Where(sql.NotNull(s.C(column))) }
				if len(columns) == 1 {
					pl.counted = set
				}
				marked = append(marked, keysWhere(set))
			}
			seldom(anyOf(marked...))
		}
		if f.HasNotification != nil && *f.HasNotification {
			seldom(func(dialect string) *sql.Selector {
				s := sql.Dialect(dialect).Select().From(sql.Table(notification.Table))
				organization.where(s)
				return s.Select(s.C(notification.FieldKeyID))
			})
		}
		for _, r := range f.spans(now) {
			along := walkable(bounds, r.column)
			if !r.loose {
				pl.counted = func(s *sql.Selector) { along.where(s); r.where(s) }
			}
			switch {
			case r.column == column:
				pl.along = append(pl.along, r)
			case !r.loose:
				seldom(keysWhere(along.where, r.where))
			case r.name != "":
				mostly(along.name()+" "+r.name, along.where, r.where)
			}
		}
		if column != apikey.FieldLastUsedAt {
			for _, at := range f.unused(now) {
				along := walkable(bounds, apikey.FieldLastUsedAt)
				common = append(common, condition{find: idleSince(at, along.where), few: min(a.few, fewOfMany*size)})
			}
		}
	}
	return slices.Concat(rare, common)
}

// idleSince selects the ids of the keys of a bound whose last use was before at, or which were made before and
// never used.
func idleSince(at time.Time, bound func(*sql.Selector)) func(string) *sql.Selector {
	return anyOf(
		keysWhere(bound, func(s *sql.Selector) { s.Where(sql.LT(s.C(apikey.FieldLastUsedAt), at)) }),
		keysWhere(bound, func(s *sql.Selector) {
			s.Where(sql.And(sql.IsNull(s.C(apikey.FieldLastUsedAt)), sql.LT(s.C(apikey.FieldID), firstID(at))))
		}),
	)
}

// widths remember for a while which conditions many keys meet. Who goes by what is no longer true reads more
// than needed, and finds the same.
type widths struct {
	mu    sync.Mutex
	until *simplelru.LRU[string, time.Time]
}

const (
	wideFor      = time.Minute
	maxWide      = 4096 // names that are remembered
	maxWidthName = 256  // bytes of one
)

func newWidths() *widths {
	until, _ := simplelru.NewLRU[string, time.Time](maxWide, nil) // a size below one is all that can be wrong
	return &widths{until: until}
}

func (w *widths) holds(name string) bool {
	if name == "" {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	until, noted := w.until.Get(name)
	return noted && time.Now().Before(until)
}

func (w *widths) note(name string) {
	if name == "" || len(name) > maxWidthName {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.until.Add(name, time.Now().Add(wideFor))
}

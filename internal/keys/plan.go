package keys

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/keyscope"
	"github.com/keytag/keytag/ent/db/predicate"
	"github.com/keytag/keytag/ent/policy"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
)

// A search is read in one of three ways, and the statement leaves the database no other:
//
//   - by a walk along the index that holds the keys of its bound in the order of the list;
//   - newest first and by scope: by a walk along the index of each scope, merged;
//   - when few keys meet one of its conditions: by these, sorted.
//
// Everything that does not find keys is only checked (policy.Checked). Left to itself, PostgreSQL takes
// the conditions for independent of each other and projects for equally large, and reads a whole project
// for a page of it.

// plan is how a search is read.
type plan struct {
	caller *principal.Principal
	checks []predicate.APIKey
	// walk is the bound whose index is walked along, within ranges of the column of the order.
	walk  bound
	along []span
	// counted are conditions that an index finds the whole list by, with others.
	counted func(*sql.Selector)
	// found, if any, are the few keys that one condition matches.
	found func(dialect string) *sql.Selector
	// groups are the conditions on scopes, each met by holding one of a group: first that which the fewest
	// keys meet. holders bounds those who hold them.
	groups  [][]string
	holders bound
	// merged: the list is newest first, as the index of each scope is.
	merged bool
}

// plan finds out how a search is best read. checks are all of its conditions but those on scopes that
// keys hold; size is that of a page.
func (a *Authority) plan(ctx context.Context, s Search, by ordering, checks []predicate.APIKey, size int, now time.Time) (plan, error) {
	pl := plan{caller: principal.From(ctx), checks: checks}
	if pl.caller == nil || pl.caller.IsSystem() {
		return pl, policy.ErrDenied
	}
	column := by.column
	if column == "" {
		column = apikey.FieldID
	}
	bounds := boundsOf(pl.caller, s)
	pl.walk = walkable(bounds, column)
	pl.counted = bounds[0].where

	for _, f := range s.filters() {
		pl.groups = append(pl.groups, f.Scopes.groups()...)
	}
	if len(pl.groups) > 0 {
		pl.holders = holderBound(bounds)
		pl.merged = column == apikey.FieldID
		rarest, err := a.rarest(ctx, pl.holders, pl.groups)
		if err != nil {
			return pl, err
		}
		pl.groups[0], pl.groups[rarest] = pl.groups[rarest], pl.groups[0]
	}
	return pl, a.lookForFew(ctx, &pl, a.conditions(&pl, s, bounds, column, size, now))
}

// keysWhere selects the ids of the keys that an index finds.
func keysWhere(conditions ...func(*sql.Selector)) func(string) *sql.Selector {
	return func(dialect string) *sql.Selector {
		s := sql.Dialect(dialect).Select().From(sql.Table(apikey.Table))
		for _, condition := range conditions {
			condition(s)
		}
		return s.Select(s.C(apikey.FieldID)).Where(sql.IsNull(s.C(apikey.FieldRemovedAt)))
	}
}

// anyOf selects the ids that one of some selections finds; one that several find comes several times.
func anyOf(finds ...func(string) *sql.Selector) func(string) *sql.Selector {
	if len(finds) == 1 {
		return finds[0]
	}
	return func(dialect string) *sql.Selector {
		union := finds[0](dialect)
		for _, find := range finds[1:] {
			union.UnionAll(find(dialect))
		}
		// Under the name of the table, which the builder qualifies columns with.
		all := sql.Dialect(dialect).Select().From(union.As(apikey.Table))
		return all.Select(all.C(apikey.FieldID))
	}
}

// holdersOf selects the ids of the keys that hold one of some scopes; one that holds several comes several
// times.
func (pl plan) holdersOf(scopes []string) func(string) *sql.Selector {
	return func(dialect string) *sql.Selector {
		s := sql.Dialect(dialect).Select().From(sql.Table(keyscope.Table))
		pl.holders.where(s)
		return s.Select(s.C(keyscope.FieldKeyID)).Where(sql.In(s.C(keyscope.FieldScope), values(scopes)...))
	}
}

// holderBound is the narrowest bound that key_scopes has an index for, which goes on with the scope and
// ends with the key.
func holderBound(of []bound) bound {
	for _, b := range of {
		if len(b.values) == 1 && (b.column == keyscope.FieldOwnerID || b.column == keyscope.FieldProjectID) {
			return b
		}
	}
	return of[len(of)-1]
}

// sampled is how many of the newest holders of a scope tell how rare it is.
const sampled = 256

// maxSampled is how many scopes are sampled at most. A scope of many segments is granted by as many, and fifty
// such scopes by more than a statement may have columns.
const maxSampled = 200

// rarest is which of the groups the fewest keys hold, as far as the newest holders tell: one that fewer than
// sampled hold, else the one whose sample goes back furthest. Groups beyond maxSampled scopes are not looked at.
func (a *Authority) rarest(ctx context.Context, b bound, groups [][]string) (int, error) {
	if len(groups) == 1 {
		return 0, nil
	}
	// One statement, with a column for each scope.
	samples := sql.Dialect(a.store.Dialect()).Select()
	columns := map[string]int{} // by scope
	var candidates []int
	for i, g := range groups {
		if len(g) == 0 {
			return i, nil
		}
		if len(columns)+len(g) > maxSampled {
			continue
		}
		candidates = append(candidates, i)
		for _, scope := range g {
			if _, sampled := columns[scope]; sampled {
				continue
			}
			columns[scope] = len(columns)
			nth := plan{holders: b}.holdersOf([]string{scope})(a.store.Dialect())
			nth.OrderBy(sql.Desc(nth.C(keyscope.FieldKeyID))).Offset(sampled - 1).Limit(1)
			samples.AppendSelectExpr(sql.ExprFunc(func(b *sql.Builder) { b.Wrap(func(b *sql.Builder) { b.Join(nth) }) }))
		}
	}
	ids := make([]*string, len(columns)) // the last of each sample; nil: fewer hold the scope
	rows, err := a.rows(ctx, samples)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	into := make([]any, len(ids))
	for i := range ids {
		into[i] = &ids[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return 0, err
		}
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	reach := func(group int) (newest string) {
		for _, scope := range groups[group] {
			if id := ids[columns[scope]]; id != nil {
				newest = max(newest, *id)
			}
		}
		return newest
	}
	return slices.MinFunc(candidates, func(a, b int) int { return strings.Compare(reach(a), reach(b)) }), nil
}

// rows reads ids from an index, also of keys that the caller may not see.
func (a *Authority) rows(ctx context.Context, s *sql.Selector) (*sql.Rows, error) {
	query, args := s.Query()
	rows, err := a.store.Client.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return &sql.Rows{ColumnScanner: rows}, nil
}

// countUpTo counts rows of an index.
func (a *Authority) countUpTo(ctx context.Context, limit int, find func(string) *sql.Selector) (int, error) {
	rows, err := a.rows(ctx, find(a.store.Dialect()).Limit(limit))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	return n, rows.Err()
}

// count counts the keys of the whole list, up to one more than page.MaxCount.
func (a *Authority) count(ctx context.Context, pl plan) (int, error) {
	if pl.merged {
		return a.countUpTo(ctx, page.MaxCount+1, func(dialect string) *sql.Selector {
			return pl.merge(dialect, page.Bounds{Size: page.MaxCount}, true)
		})
	}
	q := a.store.Client.APIKey.Query()
	if pl.found != nil {
		pl.only(q, pl.found)
	} else {
		q.Where(pl.counted)
	}
	rows, err := pl.check(q).Limit(page.MaxCount + 1).Modify(func(s *sql.Selector) { s.SelectExpr(sql.Expr("1")) }).Ints(ctx)
	return len(rows), err
}

// narrow narrows a query to a page of a stretch of the list, which begins behind a cursor, and orders it.
func (pl plan) narrow(q *db.APIKeyQuery, part stretch, b page.Bounds, descending bool) *db.APIKeyQuery {
	behind, _ := store.Keyset(b, descending, part.columns...)
	_, sorted := store.Keyset(b, descending, part.sorted()...)
	switch {
	case pl.found != nil:
		pl.only(q, pl.found)
	case pl.merged:
		pl.only(q, func(dialect string) *sql.Selector { return pl.merge(dialect, b, descending) })
		return q.Order(sorted)
	default:
		q.Where(func(s *sql.Selector) {
			pl.walk.where(s)
			for _, r := range pl.along {
				if !part.unset {
					r.where(s)
				}
			}
		})
	}
	if part.only != nil {
		q.Where(part.only)
	}
	return pl.check(q.Where(behind)).Order(sorted)
}

// check narrows a query by conditions that find no keys, those on groups of scopes among them.
func (pl plan) check(q *db.APIKeyQuery) *db.APIKeyQuery {
	checks := slices.Clone(pl.checks)
	for _, g := range pl.groups {
		checks = append(checks, holdsOneOf(g))
	}
	return q.Where(Checked(checks...))
}

// Checked are conditions that keys are only checked against: no index finds keys by them.
func Checked(ps ...predicate.APIKey) predicate.APIKey {
	return func(s *sql.Selector) {
		s.CollectPredicates()
		for _, p := range ps {
			p(s)
		}
		conditions := s.CollectedPredicates()
		s.UncollectedPredicates()
		if len(conditions) > 0 {
			s.Where(policy.Checked(conditions...))
		}
	}
}

// only narrows a query to keys whose ids are found first.
func (pl plan) only(q *db.APIKeyQuery, find func(string) *sql.Selector) {
	q.Where(func(s *sql.Selector) {
		ids := find(s.Dialect())
		if s.Dialect() != dialect.Postgres {
			s.Where(sql.In(s.C(apikey.FieldID), ids))
			return
		}
		// As an array it is read once, whatever PostgreSQL thinks of its size.
		s.Where(sql.P(func(b *sql.Builder) {
			b.Ident(s.C(apikey.FieldID)).WriteString(" = ANY(ARRAY(").Join(ids).WriteString("))")
		}))
	})
}

// merge selects the ids of a page, from the index of each scope in the order of the list: so no more is
// read of a scope, however many keys hold it, than the page needs.
func (pl plan) merge(name string, b page.Bounds, descending bool) *sql.Selector {
	behind, sorted := store.Keyset(b, descending, keyscope.FieldKeyID)
	holders := func(scope string) *sql.Selector {
		s := sql.Dialect(name).Select().From(sql.Table(keyscope.Table))
		pl.holders.where(s)
		s.Select(s.C(keyscope.FieldKeyID)).Where(sql.EQ(s.C(keyscope.FieldScope), scope))
		for _, r := range pl.along {
			span{column: keyscope.FieldKeyID, within: r.within}.where(s)
		}
		behind(s)
		sorted(s)
		for _, g := range pl.groups[1:] {
			s.Where(policy.Checked(exists(pl.alsoHolds(s, g))))
		}
		return s.Where(policy.Checked(exists(pl.checkedKey(s)))).Limit(b.Size + 1)
	}
	switch len(pl.groups[0]) {
	case 0: // the empty group, which no key meets
		s := sql.Dialect(name).Select().From(sql.Table(keyscope.Table))
		return s.Select(s.C(keyscope.FieldKeyID)).Where(sql.False())
	case 1:
		return holders(pl.groups[0][0])
	}
	var union *sql.Selector
	for i, scope := range pl.groups[0] {
		part := sql.Dialect(name).Select(keyscope.FieldKeyID).From(holders(scope).As("holders" + strconv.Itoa(i)))
		if union == nil {
			union = part
		} else {
			union = union.Union(part)
		}
	}
	// Under the name of the table, which the builder qualifies columns with.
	all := sql.Dialect(name).Select().From(union.As(keyscope.Table))
	all.Select(all.C(keyscope.FieldKeyID))
	sorted(all)
	return all.Limit(b.Size + 1)
}

// alsoHolds are grants of the same key of other scopes: in the index that is walked along, where they lie
// in the same order.
func (pl plan) alsoHolds(grants *sql.Selector, scopes []string) *sql.Selector {
	others := sql.Table(keyscope.Table).As("others")
	s := sql.Dialect(grants.Dialect()).Select().From(others)
	pl.holders.where(s)
	return s.Select(others.C(keyscope.FieldKeyID)).Where(sql.And(
		sql.In(others.C(keyscope.FieldScope), values(scopes)...),
		sql.ColumnsEQ(others.C(keyscope.FieldKeyID), grants.C(keyscope.FieldKeyID)),
	))
}

// checkedKey is the key of a grant, if it meets all conditions.
func (pl plan) checkedKey(grants *sql.Selector) *sql.Selector {
	s := sql.Dialect(grants.Dialect()).Select().From(sql.Table(apikey.Table))
	s.Select(s.C(apikey.FieldID)).Where(sql.ColumnsEQ(s.C(apikey.FieldID), grants.C(keyscope.FieldKeyID)))
	Checked(pl.checks...)(s)
	policy.VisibleKeys(pl.caller)(s)
	return s
}

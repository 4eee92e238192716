package keys

import (
	"context"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/keyscope"
	"github.com/keytag/keytag/ent/db/predicate"
	"github.com/keytag/keytag/ent/policy"
	"github.com/keytag/keytag/internal/principal"
)

// bound is the column that bounds a search first: an organization, a project or an owner. key_scopes has
// an index for each, which goes on with the scope and ends with the key.
type bound struct{ column, value string }

// boundOf picks the narrowest bound that a search has.
func boundOf(p *principal.Principal, s Search) *bound {
	filters := []*Filter{&s.Within}
	if s.Filter != nil {
		filters = append(filters, s.Filter)
	}
	for _, column := range []struct {
		name string
		ids  func(*Filter) []string
	}{
		{keyscope.FieldOwnerID, func(f *Filter) []string { return f.OwnerIDs }},
		{keyscope.FieldProjectID, func(f *Filter) []string { return f.ProjectIDs }},
	} {
		for _, f := range filters {
			if ids := column.ids(f); len(ids) == 1 {
				return &bound{column.name, ids[0]}
			}
		}
		if column.name == keyscope.FieldOwnerID && !p.IsAdmin() {
			return &bound{column.name, p.UserID}
		}
	}
	return &bound{keyscope.FieldOrganizationID, p.OrganizationID}
}

// plan is how a search that asks for scopes is read: the rarest group of scopes drives it, the others are
// looked up for each key that it brings.
type plan struct {
	caller *principal.Principal
	bound  *bound
	driver []string
	others [][]string
	// newest: the list is ordered by creation, which is how the driving index is ordered too.
	newest bool
	empty  bool
}

func (a *Authority) plan(ctx context.Context, s Search, o Order) (plan, error) {
	var groups [][]string
	for _, f := range []*Filter{&s.Within, s.Filter} {
		if f != nil {
			groups = append(groups, f.Scopes.groups()...)
		}
	}
	pl := plan{caller: principal.From(ctx), newest: o.Field == ByCreation}
	if len(groups) == 0 || pl.caller == nil {
		return pl, nil
	}
	for _, g := range groups {
		if len(g) == 0 {
			pl.empty = true
			return pl, nil
		}
	}
	pl.bound = boundOf(pl.caller, s)
	rarest, err := a.rarest(ctx, *pl.bound, groups)
	if err != nil {
		return pl, err
	}
	pl.driver = groups[rarest]
	pl.others = append(append([][]string{}, groups[:rarest]...), groups[rarest+1:]...)
	return pl, nil
}

// Counts of scopes are looked at up to firstLook, then as often as needed further by nextLook times.
const (
	firstLook = 1024
	nextLook  = 4
)

// rarest is which of the groups the fewest keys hold: the one whose count comes to an end first.
func (a *Authority) rarest(ctx context.Context, b bound, groups [][]string) (int, error) {
	if len(groups) == 1 {
		return 0, nil
	}
	for limit := firstLook; ; limit *= nextLook {
		rarest, least := 0, limit
		for i, g := range groups {
			n, err := a.holders(ctx, b, g, limit)
			if err != nil {
				return 0, err
			}
			if n < least {
				rarest, least = i, n
			}
		}
		if least < limit || limit > 1<<20 {
			return rarest, nil
		}
	}
}

// holders counts the grants of a group within the bound, up to a limit.
func (a *Authority) holders(ctx context.Context, b bound, group []string, limit int) (int, error) {
	ids, err := a.store.Client.KeyScope.Query().
		Where(func(s *sql.Selector) {
			s.Where(sql.And(sql.EQ(s.C(b.column), b.value), sql.In(s.C(keyscope.FieldScope), values(group)...)))
		}).
		Limit(limit).
		Modify(func(s *sql.Selector) { s.SelectExpr(sql.Expr("1")) }).Ints(ctx)
	return len(ids), err
}

// whole narrows a query to the whole list.
func (pl plan) whole(q *db.APIKeyQuery, ps []predicate.APIKey) *db.APIKeyQuery {
	switch {
	case pl.empty:
		return q.Where(sql.FieldIn[string](apikey.FieldID))
	case pl.driver != nil:
		q.Where(holdsOneOf(pl.driver, pl.bound))
	}
	for _, g := range pl.others {
		q.Where(holdsOneOf(g, nil))
	}
	return q.Where(ps...)
}

// narrow narrows a query to at least the page of the list that behind, order and limit make.
func (pl plan) narrow(_ context.Context, q *db.APIKeyQuery, ps []predicate.APIKey, behind, order func(*sql.Selector), limit int) *db.APIKeyQuery {
	if pl.empty || pl.driver == nil || !pl.newest {
		return pl.whole(q, ps)
	}
	for _, g := range pl.others {
		ps = append(ps[:len(ps):len(ps)], holdsOneOf(g, nil))
	}
	return q.Where(func(s *sql.Selector) {
		page := pl.merged(s.Dialect(), ps, behind, order, limit)
		if s.Dialect() != dialect.Postgres {
			s.Where(sql.In(s.C(apikey.FieldID), page))
			return
		}
		// As an array it is read once, whatever PostgreSQL thinks of tables that it has not analysed.
		s.Where(sql.P(func(b *sql.Builder) {
			b.Ident(s.C(apikey.FieldID)).WriteString(" = ANY(ARRAY(").Join(page).WriteString("))")
		}))
	})
}

// merged are the ids of the page, from the index of each driving scope in the order of the list: so no
// more is read of a scope, however many keys hold it, than the page needs.
func (pl plan) merged(name string, ps []predicate.APIKey, behind, order func(*sql.Selector), limit int) *sql.Selector {
	visible := policy.VisibleKeys(pl.caller)
	branch := func(scope string) *sql.Selector {
		s := sql.Dialect(name).Select().From(sql.Table(apikey.Table))
		grants := sql.Table(keyscope.Table)
		s.Select(s.C(apikey.FieldID)).Join(grants).On(s.C(apikey.FieldID), grants.C(keyscope.FieldKeyID)).
			Where(sql.And(sql.EQ(grants.C(pl.bound.column), pl.bound.value), sql.EQ(grants.C(keyscope.FieldScope), scope)))
		for _, p := range ps {
			p(s)
		}
		visible(s)
		behind(s)
		order(s)
		return s.Limit(limit)
	}
	if len(pl.driver) == 1 {
		return sql.Dialect(name).Select(apikey.FieldID).From(branch(pl.driver[0]).As("page"))
	}
	var union *sql.Selector
	for i, scope := range pl.driver {
		part := sql.Dialect(name).Select(apikey.FieldID).From(branch(scope).As("page" + string(rune('a'+i%26)) + string(rune('a'+i/26))))
		if union == nil {
			union = part
		} else {
			union = union.Union(part)
		}
	}
	// Under the name of the table, so that the order finds its column here and not outside.
	all := sql.Dialect(name).Select().From(union.As(apikey.Table))
	all.Select(all.C(apikey.FieldID))
	order(all)
	return all.Limit(limit)
}

package keys

import (
	"context"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/page"
)

// Search is a list of keys to be read. Within holds further bounds that are not the caller's, such
// as the project of `Project.apiKeys`.
type Search struct {
	Filter  *Filter
	OrderBy *Order
	Page    page.Args
	Within  Filter
	// Fields are those that are wanted of each key; what others need is not read. Nil: all.
	Fields []Field
}

// UserRelation is how keys relate to a user. Values are those of the GraphQL enum
// ApiKeyUserRelation.
type UserRelation string

const (
	CreatedBy UserRelation = "CREATED"
	OwnedBy   UserRelation = "OWNED"
)

// Of bounds a search to the keys that a user made or owns.
func (r UserRelation) Of(userID string) Filter {
	if r == OwnedBy {
		return Filter{OwnerIDs: []string{userID}}
	}
	return Filter{CreatedByIDs: []string{userID}}
}

// Field is a field of ApiKey by its name in the contract, of those that a list reads what they need of.
type Field string

const (
	WithOwner        Field = "owner"
	WithCreatedBy    Field = "createdBy"
	WithOrganization Field = "organization"
	WithProject      Field = "project"
	WithEnvironment  Field = "environment"
	WithReplaces     Field = "replaces"
	WithReplacedBy   Field = "replacedBy"
	WithNotification Field = "notification"
)

// Found is a page of keys.
type Found struct {
	page.Page[*View]
	order ordering
	count func(context.Context) (int, error)
}

// Cursor is the place of a key of the page in the whole list.
func (f *Found) Cursor(v *View) string { return page.Encode(f.order.name, f.order.cursor(v.APIKey)) }

// Count is how many keys the whole list has, counted up to page.MaxCount + 1. It fails as Find does.
func (f *Found) Count(ctx context.Context) (int, error) { return f.count(ctx) }

func (a *Authority) search(ctx context.Context, look func(context.Context) error) error {
	return a.InTurn(ctx,
		"no index bounds this search; narrow it by projectIds, ownerIds, scopes or createdAt, or order it by what it is filtered by",
		[]string{"filter", "orderBy"}, look)
}

// Find lists keys that the caller may see. User errors: InputError on the filter or the page. What no
// index bounds is given up after two seconds: `query.too_expensive`.
func (a *Authority) Find(ctx context.Context, s Search) (*Found, error) {
	now := a.now()
	order := Order{Field: ByCreation, Direction: Descending}
	if s.OrderBy != nil {
		order = *s.OrderBy
	}
	by := orderings[order.Field]
	bounds, err := s.Page.Bounds(by.name)
	if err != nil {
		return nil, err
	}
	if s.Filter != nil {
		if err := s.Filter.check(); err != nil {
			return nil, err
		}
	}
	ps := s.Within.predicates(now)
	if s.Filter != nil {
		ps = append(ps, s.Filter.predicates(now)...)
	}
	if s.Filter == nil || s.Filter.Statuses == nil {
		ps = append(ps, handedOver(now))
	}
	var plan plan
	var rows []*db.APIKey
	err = a.search(ctx, func(ctx context.Context) error {
		if plan, err = a.plan(ctx, s, by, ps, bounds.Size, now); err != nil {
			return err
		}
		rows, err = by.read(ctx, bounds, func(ctx context.Context, part stretch, b page.Bounds) ([]*db.APIKey, error) {
			if s.leavesOut(part, by.column) {
				return nil, nil
			}
			q := Load(a.store.Client.APIKey.Query(), s.Fields)
			choose(q, s.Fields, by)
			return plan.narrow(q, part, b, order.Direction == Descending).Limit(b.Size + 1).All(ctx)
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	views := make([]*View, len(rows))
	for i, row := range rows {
		views[i] = view(ctx, row, now)
	}
	return &Found{Page: page.Of(bounds, views), order: by, count: func(ctx context.Context) (n int, err error) {
		err = a.search(ctx, func(ctx context.Context) error {
			n, err = a.count(ctx, plan)
			return err
		})
		return n, err
	}}, nil
}

// leavesOut reports that no key of a stretch meets the conditions on the column of the order: to look for
// one would be to look at all.
func (s Search) leavesOut(part stretch, column string) bool {
	for _, f := range s.filters() {
		set, unset := f.demands(column)
		if part.unset && set || part.only != nil && !part.unset && unset {
			return true
		}
	}
	return false
}

// Load has a query load the objects beside each key.
func Load(q *db.APIKeyQuery, with []Field) *db.APIKeyQuery {
	for _, relation := range with {
		switch relation {
		case WithOwner:
			q.WithOwner()
		case WithCreatedBy:
			q.WithCreatedBy()
		case WithOrganization:
			q.WithOrganization()
		case WithProject:
			q.WithProject()
		case WithEnvironment:
			q.WithEnvironment()
		case WithReplaces:
			q.WithReplaces()
		case WithReplacedBy:
			q.WithReplacedBy()
		case WithNotification:
			q.WithNotification()
		}
	}
	return q
}

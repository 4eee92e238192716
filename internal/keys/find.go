package keys

import (
	"context"

	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/scope"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// Filter bounds a list of keys; every condition present must hold. A nil list is absent, an empty
// one matches nothing.
type Filter struct {
	Scopes         *ScopeFilter
	Statuses       []lifecycle.Status
	ProjectIDs     []string
	EnvironmentIDs []string
	OwnerIDs       []string
	KeyPrefix      *string
	createdByID    *string
}

// ScopeFilter bounds a list of keys by their scopes. An empty Any matches nothing; empty All, None
// and Grants match everything.
type ScopeFilter struct {
	Any    []string
	All    []string
	None   []string
	Grants []string
}

// OrderField is what keys can be ordered by. Values are those of the GraphQL enum
// ApiKeyOrderField.
type OrderField string

const (
	ByCreation     OrderField = "CREATED_AT"
	ByEffectiveEnd OrderField = "EFFECTIVE_EXPIRES_AT"
)

// Direction of an order. Values are those of the GraphQL enum OrderDirection.
type Direction string

const (
	Ascending  Direction = "ASC"
	Descending Direction = "DESC"
)

// Order of a list of keys. The zero Order is newest first.
type Order struct {
	Field     OrderField
	Direction Direction
}

// Search is a list of keys to be read. Within holds further bounds that are not the caller's, such
// as the project of `Project.apiKeys`.
type Search struct {
	Filter  *Filter
	OrderBy *Order
	Page    page.Args
	Within  Filter
	With    []Relation
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
	return Filter{createdByID: &userID}
}

// Relation is an object beside a key that a list loads with it.
type Relation string

const (
	WithOwner        Relation = "owner"
	WithCreatedBy    Relation = "createdBy"
	WithOrganization Relation = "organization"
	WithProject      Relation = "project"
	WithEnvironment  Relation = "environment"
	WithReplaces     Relation = "replaces"
	WithReplacedBy   Relation = "replacedBy"
)

// Found is a page of keys.
type Found struct {
	page.Page[*View]
	order  string
	search *db.APIKeyQuery
}

// Cursor is the place of a key of the page in the whole list.
func (f *Found) Cursor(v *View) string {
	c := page.Cursor{ID: v.ID}
	if f.order == orderName(ByEffectiveEnd) {
		c.At = *v.APIKey.EffectiveExpiresAt
	}
	return page.Encode(f.order, c)
}

// Count is how many keys the whole list has, counted up to page.MaxCount + 1.
func (f *Found) Count(ctx context.Context) (int, error) {
	rows, err := f.search.Clone().Limit(page.MaxCount + 1).
		Modify(func(s *sql.Selector) { s.SelectExpr(sql.Expr("1")) }).Ints(ctx)
	return len(rows), err
}

// Find lists keys that the caller may see. User errors: InputError on the filter or the page.
func (a *Authority) Find(ctx context.Context, s Search) (*Found, error) {
	now := a.now()
	order := Order{Field: ByCreation, Direction: Descending}
	if s.OrderBy != nil {
		order = *s.OrderBy
	}
	name := orderName(order.Field)
	bounds, err := s.Page.Bounds(name)
	if err != nil {
		return nil, err
	}
	if s.Filter != nil {
		if err := s.Filter.check(); err != nil {
			return nil, err
		}
	}
	all := a.store.Client.APIKey.Query().Where(s.Within.predicates(now)...)
	if s.Filter != nil {
		all.Where(s.Filter.predicates(now)...)
	}
	if s.Filter == nil || s.Filter.Statuses == nil {
		all.Where(handedOver(now))
	}
	rows, err := readPage(ctx, load(all.Clone(), s.With), order, bounds)
	if err != nil {
		return nil, err
	}
	views := make([]*View, len(rows))
	for i, row := range rows {
		views[i] = view(ctx, row, now)
	}
	return &Found{Page: page.Of(bounds, views), order: name, search: all}, nil
}

// orderName marks the cursors of an order. Both directions share their cursors.
func orderName(f OrderField) string {
	if f == ByEffectiveEnd {
		return "e"
	}
	return "c"
}

func readPage(ctx context.Context, q *db.APIKeyQuery, o Order, b page.Bounds) ([]*db.APIKey, error) {
	// The order of ids is the order of creation.
	columns := []string{apikey.FieldID}
	if o.Field == ByEffectiveEnd {
		columns = []string{apikey.FieldEffectiveExpiresAt, apikey.FieldID}
	}
	behind, order := store.Keyset(b, o.Direction == Descending, columns...)
	return q.Where(behind).Order(order).Limit(b.Size + 1).All(ctx)
}

func load(q *db.APIKeyQuery, with []Relation) *db.APIKeyQuery {
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
		}
	}
	return q
}

const (
	maxFilterIDs    = 100
	maxFilterScopes = 50
)

// check refuses what cannot match by mistake: ids of another type, malformed scopes.
func (f *Filter) check() error {
	var faults fault.List
	for _, list := range []struct {
		kind, field string
		ids         []string
	}{
		{typeid.Project, "projectIds", f.ProjectIDs},
		{typeid.Environment, "environmentIds", f.EnvironmentIDs},
		{typeid.User, "ownerIds", f.OwnerIDs},
	} {
		if len(list.ids) > maxFilterIDs {
			faults = append(faults, tooMany("filter."+list.field, maxFilterIDs))
		}
		found, _ := fault.Split(typeid.Want(list.kind, "filter."+list.field, list.ids...))
		faults = append(faults, found...)
	}
	if f.KeyPrefix != nil && !secret.IsPrefix(*f.KeyPrefix) {
		faults = append(faults, fault.Invalid("filter.keyPrefix must be the part of a key before its second underscore, such as ktg_4fQ9xT2aB1", "filter.keyPrefix"))
	}
	if f.Scopes != nil {
		for _, list := range []struct {
			field  string
			scopes []string
		}{{"any", f.Scopes.Any}, {"all", f.Scopes.All}, {"none", f.Scopes.None}, {"grants", f.Scopes.Grants}} {
			if len(list.scopes) > maxFilterScopes {
				faults = append(faults, tooMany("filter.scopes."+list.field, maxFilterScopes))
			}
			if _, malformed := scope.NewSet(list.scopes); len(malformed) > 0 {
				refusal := scopesMalformed(malformed)
				refusal.Fields = []string{"filter.scopes." + list.field}
				faults = append(faults, refusal)
			}
		}
	}
	return faults.OrNil()
}

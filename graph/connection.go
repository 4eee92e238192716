package graph

import (
	"context"
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/graph/model"
	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/page"
)

func (l *loaders) keyConnection(found *keys.Found, err error) (*model.APIKeyConnection, error) {
	if err != nil {
		return nil, err
	}
	return &model.APIKeyConnection{Connection: connection(l, found.Page, found.Cursor, found.Count)}, nil
}

func (l *loaders) projectConnection(found *directory.Projects, err error) (*model.ProjectConnection, error) {
	if err != nil {
		return nil, err
	}
	return &model.ProjectConnection{Connection: connection(l, found.Page, found.Cursor, found.Count)}, nil
}

func (l *loaders) userConnection(found *directory.Users, err error) (*model.UserConnection, error) {
	if err != nil {
		return nil, err
	}
	return &model.UserConnection{Connection: connection(l, found.Page, found.Cursor, found.Count)}, nil
}

func (l *loaders) sourceConnection(found *alert.Sources, err error) (*model.AlertSourceConnection, error) {
	if err != nil {
		return nil, err
	}
	return &model.AlertSourceConnection{Connection: connection(l, found.Page, found.Cursor, found.Count)}, nil
}

func (l *loaders) messageConnection(found *alert.Messages, err error) (*model.OperatorMessageConnection, error) {
	if err != nil {
		return nil, err
	}
	return &model.OperatorMessageConnection{Connection: connection(l, found.Page, found.Cursor, found.Count)}, nil
}

// forecastConnection has no total: none is counted.
func (l *loaders) forecastConnection(found *alert.Forecast, err error) (*model.ExpiryForecastConnection, error) {
	if err != nil {
		return nil, err
	}
	return &model.ExpiryForecastConnection{Connection: connection(l, found.Page, found.Cursor, nil)}, nil
}

func (l *loaders) eventConnection(found *audit.Events, err error) (*model.AuditEventConnection, error) {
	if err != nil {
		return nil, err
	}
	return &model.AuditEventConnection{Connection: connection(l, found.Page, found.Cursor, found.Count)}, nil
}

// connection shapes a page of any list, whose rows it makes known to the loaders.
func connection[T any](l *loaders, p page.Page[T], cursor func(T) string, count func(context.Context) (int, error)) model.Connection[T] {
	see(l, p.Nodes...)
	info := &model.PageInfo{HasNextPage: p.HasNext, HasPreviousPage: p.HasPrevious}
	if n := len(p.Nodes); n > 0 {
		first, last := cursor(p.Nodes[0]), cursor(p.Nodes[n-1])
		info.StartCursor, info.EndCursor = &first, &last
	}
	return model.Connection[T]{Nodes: p.Nodes, PageInfo: info, Count: once(count), Cursor: cursor}
}

// once counts at most once, however many fields want the count.
func once(count func(context.Context) (int, error)) func(context.Context) (int, error) {
	var guard sync.Once
	var n int
	err := errUnfinished
	return func(ctx context.Context) (int, error) {
		guard.Do(func() { n, err = count(ctx) })
		return n, err
	}
}

// total is a count as callers see it: a lower bound beyond page.MaxCount.
func total[T any](ctx context.Context, c model.Connection[T]) (n int, estimate bool, err error) {
	n, err = c.Count(ctx)
	return min(n, page.MaxCount), n > page.MaxCount, err
}

// keyFields are the fields of each key that the request selects on the page of keys being read.
func keyFields(ctx context.Context) []keys.Field {
	return keyFieldsOf(graphql.GetOperationContext(ctx), nodesOf(ctx, "ApiKey"))
}

// forecastKeyFields are those of the key of each entry on the page of a forecast.
func forecastKeyFields(ctx context.Context) []keys.Field {
	operation := graphql.GetOperationContext(ctx)
	var ofKeys []graphql.CollectedField
	for _, entry := range nodesOf(ctx, "ExpiryForecast") {
		ofKeys = append(ofKeys, inside(operation, entry, "ExpiryForecastEntry", "apiKey")...)
	}
	return keyFieldsOf(operation, ofKeys)
}

func keyFieldsOf(operation *graphql.OperationContext, ofKeys []graphql.CollectedField) []keys.Field {
	wanted := []keys.Field{}
	for _, key := range ofKeys {
		for _, field := range graphql.CollectFields(operation, key.Selections, []string{"ApiKey", "Node"}) {
			if name := keys.Field(field.Name); !slices.Contains(wanted, name) {
				wanted = append(wanted, name)
			}
		}
	}
	return wanted
}

// nodesOf are the selections of what is on the page being read, a page of a type named so in the schema.
func nodesOf(ctx context.Context, of string) []graphql.CollectedField {
	operation := graphql.GetOperationContext(ctx)
	var found []graphql.CollectedField
	for _, field := range graphql.CollectFieldsCtx(ctx, []string{of + "Connection"}) {
		switch field.Name {
		case "nodes":
			found = append(found, field)
		case "edges":
			found = append(found, inside(operation, field, of+"Edge", "node")...)
		}
	}
	return found
}

// inside are the selections of a name within a field of a type.
func inside(operation *graphql.OperationContext, field graphql.CollectedField, of, name string) []graphql.CollectedField {
	var found []graphql.CollectedField
	for _, inner := range graphql.CollectFields(operation, field.Selections, []string{of}) {
		if inner.Name == name {
			found = append(found, inner)
		}
	}
	return found
}

package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/principal"
)

// hasScope lets a field be resolved only for callers that hold the scope.
func hasScope(ctx context.Context, _ any, next graphql.Resolver, scope string) (any, error) {
	switch p := principal.From(ctx); {
	case p == nil:
		return nil, fault.Unauthenticated()
	case !p.Holds(scope):
		return nil, fault.Forbidden("this needs the scope " + scope)
	}
	return next(ctx)
}

// authenticated lets a field be resolved only for callers with a key.
func authenticated(ctx context.Context, _ any, next graphql.Resolver) (any, error) {
	if principal.From(ctx) == nil {
		return nil, fault.Unauthenticated()
	}
	return next(ctx)
}

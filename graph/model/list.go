package model

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
)

// MarshalSlice marshals the elements of a list one after another. A panic of one is an error of that one.
func MarshalSlice(ctx context.Context, length int, element func(context.Context, int) graphql.Marshaler) graphql.Array {
	list := make(graphql.Array, length)
	for i := range list {
		list[i] = marshalElement(graphql.WithFieldContext(ctx, &graphql.FieldContext{Index: &i}), i, element)
	}
	return list
}

func marshalElement(ctx context.Context, i int, element func(context.Context, int) graphql.Marshaler) (m graphql.Marshaler) {
	defer func() {
		if cause := recover(); cause != nil {
			graphql.AddError(ctx, graphql.Recover(ctx, cause))
			m = graphql.Null
		}
	}()
	return element(ctx, i)
}

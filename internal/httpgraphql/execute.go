package httpgraphql

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/keytag/keytag/internal/telemetry"
)

// operation is what a request asks for, with what Prepare made of its document.
func (h *handler) operation(params *graphql.RawParams) (*graphql.OperationContext, any, gqlerror.List) {
	d, errs := h.document(params.Query)
	if len(errs) > 0 {
		return nil, nil, errs
	}
	definition := d.Operations.ForName(params.OperationName)
	if definition == nil {
		return nil, nil, gqlerror.List{noOperation(params.OperationName)}
	}
	variables, err := validator.VariableValues(h.Schema.Schema(), definition, params.Variables)
	if err != nil {
		return nil, nil, gqlerror.List{explainVariable(err)}
	}
	return &graphql.OperationContext{
		RawQuery:             params.Query,
		Variables:            variables,
		OperationName:        params.OperationName,
		Doc:                  d.QueryDocument,
		Extensions:           params.Extensions,
		Operation:            definition,
		DisableIntrospection: !h.Introspection,
		RecoverFunc:          h.Recover,
		ResolverMiddleware: func(ctx context.Context, next graphql.Resolver) (any, error) {
			return next(ctx)
		},
		RootResolverMiddleware: h.RootField,
	}, d.prepared, nil
}

// document answers a valid document, parsed only once while it is kept.
func (h *handler) document(text string) (*document, gqlerror.List) {
	if d := h.documents.find(text); d != nil {
		return d, nil
	}
	parsed, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, h.MaxTokens)
	if err != nil {
		return nil, gqlerror.List{explainSyntax(err)}
	}
	if len(parsed.Operations) == 0 {
		return nil, gqlerror.List{invalid(nil, "The document holds no operation.")}
	}
	if errs := validator.ValidateWithRules(h.Schema.Schema(), parsed, rules.NewDefaultRules()); len(errs) > 0 {
		return nil, explainInvalid(errs)
	}
	d := &document{QueryDocument: parsed}
	if h.Prepare != nil {
		d.prepared = h.Prepare(parsed)
	}
	h.documents.keep(text, d)
	return d, nil
}

// asksFor is the one field of the root that an operation asks for, `several` if there are more or it is in a fragment.
func asksFor(operation *ast.OperationDefinition) string {
	if len(operation.SelectionSet) == 1 {
		if field, ok := operation.SelectionSet[0].(*ast.Field); ok {
			return field.Name
		}
	}
	return "several"
}

// execute runs an operation.
func (h *handler) execute(ctx context.Context, operation *graphql.OperationContext, prepared any) *graphql.Response {
	telemetry.RequestFrom(ctx).Runs(asksFor(operation.Operation))
	ctx = graphql.WithOperationContext(ctx, operation)
	ctx = graphql.WithResponseContext(ctx, h.Present, h.Recover)
	if h.Begin != nil {
		begun, err := h.Begin(ctx, operation, prepared)
		if err != nil {
			return &graphql.Response{Errors: gqlerror.List{h.Present(ctx, err)}}
		}
		ctx = begun
	}
	response := h.Schema.Exec(ctx)(ctx)
	response.Errors = append(response.Errors, graphql.GetErrors(ctx)...)
	if h.End != nil {
		h.End(ctx, response)
	}
	return response
}

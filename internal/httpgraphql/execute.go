package httpgraphql

import (
	"context"
	"log/slog"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/keytag/keytag/internal/telemetry"
)

// operation is what a request asks for.
type operation struct {
	*graphql.OperationContext
	prepared any // of its document, by Prepare
	cost     int64
}

// operation answers what params ask for, or why it is not to run.
func (h *handler) operation(ctx context.Context, params *graphql.RawParams) (operation, gqlerror.List) {
	persisted, err := h.persisted(params)
	if err != nil {
		return operation{}, gqlerror.List{err}
	}
	d, errs := h.document(ctx, params.Query, persisted)
	if len(errs) > 0 {
		return operation{}, errs
	}
	definition := d.Operations.ForName(params.OperationName)
	if definition == nil {
		return operation{}, gqlerror.List{noOperation(params.OperationName)}
	}
	var variables map[string]any
	if len(definition.VariableDefinitions) > 0 {
		var problem error
		if variables, problem = validator.VariableValues(h.Schema.Schema(), definition, params.Variables); problem != nil {
			return operation{}, gqlerror.List{explainVariable(problem)}
		}
	}
	estimate := &d.estimates[slices.Index(d.Operations, definition)]
	cost := estimate.cost(variables, h.Limits)
	telemetry.Annotate(ctx, slog.String("operation", shorten(telemetry.Redact(definition.Name), 64)), slog.Int64("cost", cost))
	if err := h.Limits.affordable(estimate.depth, cost); err != nil {
		return operation{}, gqlerror.List{err}
	}
	return operation{prepared: d.prepared, cost: cost, OperationContext: &graphql.OperationContext{
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
	}}, nil
}

// document answers a valid document, prepared only once while it is kept. It is found by its hash, too, if
// there is one.
func (h *handler) document(ctx context.Context, text string, persisted hash) (*document, gqlerror.List) {
	d := h.documents.find(text)
	if d != nil && persisted == "" {
		return d, nil
	}
	if d == nil {
		var w work
		var errs gqlerror.List
		d, errs = h.prepare(text, &w)
		telemetry.Annotate(ctx, slog.Int("document_tokens", w.tokens), slog.Int("document_visits", w.visits), slog.Int("document_merges", w.merges))
		if len(errs) > 0 {
			return nil, errs
		}
	}
	if telemetry.Redact(text) != text {
		return d, nil // a secret of ours stands in it where nobody expects one
	}
	h.documents.keep(text, d)
	if persisted != "" {
		h.documents.keep(persisted, d)
	}
	return d, nil
}

// prepare makes a document of a text. Each step does bounded work, given that those before it found
// nothing wrong.
func (h *handler) prepare(text string, w *work) (*document, gqlerror.List) {
	schema := h.Schema.Schema()
	if err := h.Limits.scan(text, w); err != nil {
		return nil, gqlerror.List{err}
	}
	parsed, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		return nil, gqlerror.List{explainSyntax(err)}
	}
	if len(parsed.Operations) == 0 {
		return nil, gqlerror.List{invalid(nil, "The document holds no operation.")}
	}
	if err := h.Limits.measure(parsed, w); err != nil {
		return nil, gqlerror.List{err}
	}
	if errs := validate(schema, parsed); len(errs) > 0 {
		return nil, explainInvalid(errs)
	}
	if err := merges(schema, parsed, h.Limits.Merges, w); err != nil {
		return nil, gqlerror.List{err}
	}
	d := &document{QueryDocument: parsed, text: text, estimates: estimates(schema, h.census, parsed, h.Limits)}
	if h.Prepare != nil {
		d.prepared = h.Prepare(parsed)
	}
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

// cheap is the cost of an operation whose time needs no watch, which would take some itself.
const cheap = 100

// execute runs an operation.
func (h *handler) execute(ctx context.Context, o operation) *graphql.Response {
	telemetry.RequestFrom(ctx).Runs(asksFor(o.Operation))
	if h.Timeout > 0 && o.cost > cheap && o.Operation.Operation == ast.Query {
		limited, cancel := context.WithTimeout(ctx, h.Timeout)
		defer cancel()
		ctx = limited
	}
	ctx = graphql.WithOperationContext(ctx, o.OperationContext)
	ctx = graphql.WithResponseContext(ctx, h.Present, h.Recover)
	if h.Begin != nil {
		begun, err := h.Begin(ctx, o.OperationContext, o.cost, o.prepared)
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

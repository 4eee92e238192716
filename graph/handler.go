package graph

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/keytag/keytag/graph/generated"
	"github.com/keytag/keytag/graph/model"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/httpgraphql"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/principal"
)

// Options say how the door stands.
type Options struct {
	// Authenticate binds a request to its caller, or says why its key does not work.
	Authenticate func(*http.Request) (context.Context, error)
	// Afford refuses a caller an operation that costs too much by what the caller has asked for before. Optional.
	Afford        func(ctx context.Context, cost int64) error
	Introspection bool
	Log           *slog.Logger
}

// limits let through whatever programs and people send, generously, and nothing that takes more than 25 ms
// to refuse.
var limits = httpgraphql.Limits{
	Bytes: 100_000, Tokens: 4_000, NameBytes: 128, Nesting: 50, Literals: 10,
	Operations: 50, Fragments: 100, Selections: 2_000, Aliases: 200, Directives: 200, Variables: 100,
	Visits: 20_000, Merges: 20_000,
	Depth: 25, Cost: 100_000, Page: page.DefaultSize, MaxPage: page.MaxSize,
	Values: 4_000,
}

// timeout of a query.
const timeout = 10 * time.Second

// NewHandler answers GraphQL over HTTP from r.
func NewHandler(r *Resolver, o Options) http.Handler {
	present := presenter(o.Log)
	return httpgraphql.New(httpgraphql.Options{
		Schema: generated.NewExecutableSchema(generated.Config{
			Resolvers:  r,
			Directives: generated.DirectiveRoot{HasScope: hasScope, Authenticated: authenticated},
		}),
		Introspection: o.Introspection,
		Limits:        limits,
		Timeout:       timeout,
		Authenticate: func(r *http.Request) (context.Context, *gqlerror.Error) {
			ctx, err := o.Authenticate(r)
			if err != nil {
				return nil, present(r.Context(), err)
			}
			return ctx, nil
		},
		Prepare:   func(d *ast.QueryDocument) any { return model.FieldsOf(d) },
		Begin:     begin(o.Afford),
		RootField: loadAfresh(r),
		End:       end(r.Trail, o.Log),
		Present:   present,
		Recover: func(_ context.Context, cause any) error {
			return fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		},
		Status:      statusOf,
		BeforeWrite: tellEnd,
	})
}

// begin refuses what the caller may not ask for at all, or not as often.
func begin(afford func(context.Context, int64) error) func(context.Context, *graphql.OperationContext, int64, any) (context.Context, error) {
	return func(ctx context.Context, o *graphql.OperationContext, cost int64, fields any) (context.Context, error) {
		if p := principal.From(ctx); p != nil {
			if p.Probe && !onlyLooks(o) {
				return nil, &fault.Error{Code: fault.CodeProbe, Message: "Keytag-Probe: 1 goes only with queries of viewer, viewerKey and serverInfo"}
			}
			if p.ReplayOnly && !isRotation(o) {
				return nil, keys.ReplayOnlyRefusal(ctx)
			}
			ctx = context.WithValue(ctx, denialsKey{}, &denials{})
		}
		if afford != nil {
			if err := afford(ctx, cost); err != nil {
				return nil, err
			}
		}
		return model.NewContext(keys.WithBudget(ctx, new(keys.Budget)), fields.(*model.Fields)), nil
	}
}

// end records what was denied, and makes a refused replay a refused request.
func end(trail *audit.Trail, log *slog.Logger) func(context.Context, *graphql.Response) {
	return func(ctx context.Context, response *graphql.Response) {
		recordDenials(ctx, trail, log)
		if p := principal.From(ctx); p != nil && p.ReplayOnly && len(response.Errors) > 0 {
			response.Data = nil
		}
	}
}

// tellEnd puts the calling key's id and effective end, as the request leaves it, into the headers.
func tellEnd(ctx context.Context, h http.Header) {
	id, end, ok := keys.ViewerKeyEnd(ctx)
	if !ok {
		return
	}
	h["Keytag-Key-Id"] = []string{id}
	if end != nil {
		h["Keytag-Key-Expires-At"] = []string{end.Format(time.RFC3339Nano)}
	}
}

// onlyLooks reports whether an operation only asks who the caller is.
func onlyLooks(o *graphql.OperationContext) bool {
	return o.Operation.Operation == ast.Query && asksOnlyFor(o, "Query", looks)
}

var looks = []string{"viewer", "viewerKey", "serverInfo", "__typename"}

// asksOnlyFor reports whether all root fields of the operation are among names.
func asksOnlyFor(o *graphql.OperationContext, root string, names []string) bool {
	for _, field := range graphql.CollectFields(o, o.Operation.SelectionSet, []string{root}) {
		if !slices.Contains(names, field.Name) {
			return false
		}
	}
	return true
}

// isRotation reports whether an operation asks for one rotation and nothing else, which may be a replay.
func isRotation(o *graphql.OperationContext) bool {
	if o.Operation.Operation != ast.Mutation {
		return false
	}
	fields := graphql.CollectFields(o, o.Operation.SelectionSet, []string{"Mutation"})
	return len(fields) == 1 && asksOnlyFor(o, "Mutation", []string{"rotateViewerKey", "rotateApiKey", "claimRotation"})
}

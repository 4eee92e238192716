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
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/keytag/keytag/graph/generated"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/httpgraphql"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
)

// Options say how the door stands.
type Options struct {
	// Authenticate binds a request to its caller, or says why its key does not work.
	Authenticate  func(*http.Request) (context.Context, error)
	Introspection bool
	Log           *slog.Logger
}

const (
	maxTokens       = 4_000
	cachedDocuments = 1_000
)

// NewHandler answers GraphQL over HTTP from r.
func NewHandler(r *Resolver, o Options) http.Handler {
	server := handler.New(generated.NewExecutableSchema(generated.Config{
		Resolvers:  r,
		Directives: generated.DirectiveRoot{HasScope: hasScope, Authenticated: authenticated},
	}))
	present := presenter(o.Log)
	server.AddTransport(httpgraphql.Transport{
		Authenticate: func(r *http.Request) (context.Context, *gqlerror.Error) {
			ctx, err := o.Authenticate(r)
			if err != nil {
				return nil, present(r.Context(), err)
			}
			return ctx, nil
		},
		Status:      statusOf,
		BeforeWrite: tellEnd,
	})
	server.SetQueryCache(lru.New[*ast.QueryDocument](cachedDocuments))
	server.SetParserTokenLimit(maxTokens)
	server.SetErrorPresenter(present)
	server.SetRecoverFunc(func(_ context.Context, cause any) error {
		return fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
	})
	if o.Introspection {
		server.Use(extension.Introspection{})
	}
	server.AroundOperations(onlyLooks(present))
	server.AroundOperations(onlyReplays(present))
	server.AroundRootFields(loadAfresh(r))
	server.AroundResponses(wholeReplays)
	server.AroundResponses(recordDenials(r.Trail, o.Log))
	return server
}

// tellEnd puts the calling key's id and effective end, as the request leaves it, into the headers.
func tellEnd(ctx context.Context, h http.Header) {
	id, end, ok := keys.ViewerKeyEnd(ctx)
	if !ok {
		return
	}
	h.Set("Keytag-Key-Id", id)
	if end != nil {
		h.Set("Keytag-Key-Expires-At", end.Format(time.RFC3339Nano))
	}
}

// onlyLooks holds a probe to asking who the caller is.
func onlyLooks(present graphql.ErrorPresenterFunc) graphql.OperationMiddleware {
	return func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		p, operation := principal.From(ctx), graphql.GetOperationContext(ctx)
		if p == nil || !p.Probe || operation.Operation.Operation == ast.Query && asksOnlyFor(operation, "Query", looks) {
			return next(ctx)
		}
		return refuse(present(ctx, &fault.Error{Code: fault.CodeProbe, Message: "Keytag-Probe: 1 goes only with queries of viewer, viewerKey and serverInfo"}))
	}
}

// refuse answers an operation with an error instead of running it.
func refuse(err *gqlerror.Error) graphql.ResponseHandler {
	return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{err}})
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

// onlyReplays holds a key that its own rotation ended to asking for the reply of that rotation.
func onlyReplays(present graphql.ErrorPresenterFunc) graphql.OperationMiddleware {
	return func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		p := principal.From(ctx)
		if p == nil || !p.ReplayOnly || isRotation(graphql.GetOperationContext(ctx)) {
			return next(ctx)
		}
		return refuse(present(ctx, keys.ReplayOnlyRefusal(ctx)))
	}
}

func isRotation(o *graphql.OperationContext) bool {
	if o.Operation.Operation != ast.Mutation {
		return false
	}
	fields := graphql.CollectFields(o, o.Operation.SelectionSet, []string{"Mutation"})
	return len(fields) == 1 && asksOnlyFor(o, "Mutation", []string{"rotateViewerKey", "rotateApiKey", "claimRotation"})
}

// wholeReplays makes a refused replay a refused request.
func wholeReplays(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	response := next(ctx)
	if p := principal.From(ctx); p != nil && p.ReplayOnly && response != nil && len(response.Errors) > 0 {
		response.Data = nil
	}
	return response
}

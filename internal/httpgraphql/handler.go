// Package httpgraphql serves a schema that gqlgen made code for over HTTP, to
// the letter of the GraphQL-over-HTTP specification
// (https://graphql.github.io/graphql-over-http/draft/): POST with a JSON body,
// and GET for queries. There are no form bodies, no uploads and no batches.
//
// A request that cannot be carried out is answered with one GraphQL error whose
// `extensions.code` is one of the Code constants. No answer repeats the body, a
// variable's value or a string literal of the document.
package httpgraphql

import (
	"context"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Codes of errors that this package makes.
const (
	CodeMalformed        = "request.malformed"          // 400: not a GraphQL request
	CodeMethod           = "request.method"             // 405: neither GET nor POST, or a mutation by GET
	CodeNotAcceptable    = "request.not_acceptable"     // 406: no media type of ours is accepted
	CodeTooLarge         = "request.too_large"          // 413: a body of more than MaxBody bytes
	CodeMediaType        = "request.media_type"         // 415: a body that is not UTF-8 JSON
	CodeInterrupted      = "request.interrupted"        // 503: the request was given up while it ran
	CodeTimedOut         = "request.timed_out"          // a query took longer than Timeout
	CodeParseFailed      = "graphql.parse_failed"       // the document is no GraphQL
	CodeValidationFailed = "graphql.validation_failed"  // the document or its variables do not fit the schema
	CodeSecretInDocument = "graphql.secret_in_document" // a literal where a secret belongs, which only variables may hold
	CodeTooComplex       = "query.too_complex"          // more than one of Limits
)

// MaxBody is the size of the largest accepted body in bytes.
const MaxBody = 1 << 20

// Options say what is answered, to whom, and how.
type Options struct {
	// Schema resolves the fields.
	Schema graphql.ExecutableSchema
	// Introspection lets documents ask for the schema.
	Introspection bool
	// Limits of what a request may ask for.
	Limits Limits
	// Timeout is how long a query may take, unless it costs next to nothing: then its context ends. What a
	// mutation began is not broken off. 0 is no limit.
	Timeout time.Duration
	// Authenticate binds the request to its caller before anything of it is
	// read; an error, with its code set, is the whole answer. Optional.
	Authenticate func(*http.Request) (context.Context, *gqlerror.Error)
	// Prepare is told each validated document once, and its answer is kept with
	// it, for Begin. It may be used by several requests at once. Optional.
	Prepare func(*ast.QueryDocument) any
	// Begin may bind an operation that is about to run to more; an error refuses
	// it. The cost is that which Limits count. Optional.
	Begin func(ctx context.Context, operation *graphql.OperationContext, cost int64, prepared any) (context.Context, error)
	// RootField runs around each field of Query and Mutation. Optional.
	RootField graphql.RootFieldMiddleware
	// End may change the response of an operation that ran. Optional.
	End func(context.Context, *graphql.Response)
	// Present maps an error of a resolver or of Begin outward.
	Present graphql.ErrorPresenterFunc
	// Recover makes an error of a panic of a resolver.
	Recover graphql.RecoverFunc
	// Status is asked, when the response has no data, for the HTTP status of
	// each error in turn; the first that is not 0 wins. Without one the status
	// is that of the specification. Optional.
	Status func(*gqlerror.Error) int
	// BeforeWrite may add headers; it is called once for every response, right
	// before they are written, with the request's context. Optional.
	BeforeWrite func(context.Context, http.Header)
}

type handler struct {
	Options
	documents documents
	census    census
}

// New is a handler that answers every request that reaches it, whatever its
// method and media type.
func New(o Options) http.Handler {
	if o.RootField == nil {
		o.RootField = func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) }
	}
	return &handler{Options: o, census: takeCensus(o.Schema.Schema())}
}

// Values of headers, never changed.
var (
	contentTypes = map[string][]string{mediaJSON: {mediaJSON + "; charset=utf-8"}, mediaResponse: {mediaResponse + "; charset=utf-8"}}
	noStore      = []string{"no-store"}
)

// ServeHTTP answers one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	media, acceptable := negotiate(r.Header["Accept"])
	header := w.Header()
	header["Content-Type"], header["Cache-Control"] = contentTypes[media], noStore

	if !acceptable {
		h.refuse(ctx, w, notAcceptable)
		return
	}
	if h.Authenticate != nil {
		bound, err := h.Authenticate(r)
		if err != nil {
			response := &graphql.Response{Errors: gqlerror.List{err}}
			h.write(ctx, w, response, h.status(response, media))
			return
		}
		ctx = bound
	}
	params, refused := read(w, r, h.Limits)
	if refused != nil {
		h.refuse(ctx, w, refused)
		return
	}
	operation, errs := h.operation(ctx, params)
	if len(errs) > 0 {
		response := &graphql.Response{Errors: errs}
		h.write(ctx, w, response, h.status(response, media))
		return
	}
	if r.Method != http.MethodPost && operation.Operation.Operation != ast.Query {
		h.refuse(ctx, w, queriesOnly)
		return
	}
	if ctx.Err() != nil {
		h.refuse(ctx, w, interrupted)
		return
	}
	response := h.execute(ctx, operation)
	h.write(ctx, w, response, h.status(response, media))
}

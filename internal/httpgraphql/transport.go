// Package httpgraphql carries GraphQL over HTTP for a gqlgen server, to the
// letter of the GraphQL-over-HTTP specification
// (https://graphql.github.io/graphql-over-http/draft/): POST with a JSON body,
// and GET for queries. There are no form bodies, no uploads and no batches.
//
// A request that cannot be carried out is answered with one GraphQL error whose
// `extensions.code` is one of the Code constants. No answer repeats the body, a
// variable's value or a string literal of the document.
package httpgraphql

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/keytag/keytag/internal/telemetry"
)

// Codes of errors that this package makes.
const (
	CodeMalformed        = "request.malformed"         // 400: not a GraphQL request
	CodeMethod           = "request.method"            // 405: neither GET nor POST, or a mutation by GET
	CodeNotAcceptable    = "request.not_acceptable"    // 406: no media type of ours is accepted
	CodeTooLarge         = "request.too_large"         // 413: a body of more than MaxBody bytes
	CodeMediaType        = "request.media_type"        // 415: a body that is not UTF-8 JSON
	CodeInterrupted      = "request.interrupted"       // 503: the request was given up while it ran
	CodeParseFailed      = "graphql.parse_failed"      // the document is no GraphQL
	CodeValidationFailed = "graphql.validation_failed" // the document or its variables do not fit the schema
)

// MaxBody is the size of the largest accepted body in bytes.
const MaxBody = 1 << 20

// Transport answers every request that reaches it, whatever its method and
// media type. Errors of the document reach the server's error presenter as
// *gqlerror.Error with their code set; it must let them through.
type Transport struct {
	// Authenticate binds the request to its caller before anything of it is
	// read; an error, with its code set, is the whole answer. Optional.
	Authenticate func(*http.Request) (context.Context, *gqlerror.Error)
	// Status is asked, when the response has no data, for the HTTP status of
	// each error in turn; the first that is not 0 wins. Without one the status
	// is that of the specification. Optional.
	Status func(*gqlerror.Error) int
	// BeforeWrite may add headers; it is called once for every response, right
	// before they are written, with the request's context. Optional.
	BeforeWrite func(context.Context, http.Header)
}

var _ graphql.Transport = Transport{}

// Supports is true: nothing is left for another transport after this one.
func (Transport) Supports(*http.Request) bool { return true }

// Do answers one request.
func (t Transport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	media, acceptable := negotiate(r.Header.Values("Accept"))
	// Set before anything can fail, so that an answer to a panic carries them too.
	w.Header().Set("Content-Type", media+"; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")

	if !acceptable {
		t.refuse(w, r, notAcceptable)
		return
	}
	if t.Authenticate != nil {
		ctx, err := t.Authenticate(r)
		if err != nil {
			response := &graphql.Response{Errors: gqlerror.List{err}}
			t.write(w, r, response, t.status(response, media))
			return
		}
		r = r.WithContext(ctx)
	}
	params, refused := read(w, r)
	if refused != nil {
		t.refuse(w, r, refused)
		return
	}
	operation, errs := exec.CreateOperationContext(r.Context(), params)
	if len(errs) > 0 {
		ctx := graphql.WithOperationContext(r.Context(), operation)
		response := exec.DispatchError(ctx, explain(errs, operation))
		t.write(w, r, response, t.status(response, media))
		return
	}
	if r.Method != http.MethodPost && operation.Operation.Operation != ast.Query {
		t.refuse(w, r, queriesOnly)
		return
	}
	telemetry.Annotate(r.Context(), slog.String("operation", shorten(telemetry.Redact(operation.Operation.Name), 64)))

	next, ctx := exec.DispatchOperation(r.Context(), operation)
	response := next(ctx)
	if response == nil {
		t.refuse(w, r, interrupted)
		return
	}
	t.write(w, r, response, t.status(response, media))
}

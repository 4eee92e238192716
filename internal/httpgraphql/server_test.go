package httpgraphql

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/keytag/keytag/internal/telemetry"
)

const schemaText = `
	directive @sensitive on ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION
	input Login { name: String secret: String @sensitive }
	enum Status { ACTIVE REVOKED }
	input Filter { scopes: [String!] limit: Int! status: Status }
	type Query {
		name: String!
		find(id: ID, filter: Filter, filters: [Filter!], limit: Int, status: Status, key: String, on: Boolean): String
		check(secret: String @sensitive, login: Login, logins: [Login!]): String
		nothing: String
		dead: String!
		fails: String!
		panics: String!
		slow: String
	}
	type Mutation { rename(name: String!): String! }
`

func coded(code, message string) *gqlerror.Error {
	return &gqlerror.Error{Message: message, Extensions: map[string]any{"code": code}}
}

// waited is how the context of `slow` ended.
var waited = make(chan error, 1)

// answer executes the first field of the operation.
func answer(ctx context.Context) *graphql.Response {
	oc := graphql.GetOperationContext(ctx)
	field := graphql.CollectFields(oc, oc.Operation.SelectionSet, []string{"Query", "Mutation"})[0]
	switch field.Name {
	case "nothing":
		graphql.AddError(ctx, coded("api_keys.grace_ended", "over"))
		graphql.AddError(ctx, coded("api_keys.revoked", "revoked"))
		graphql.AddError(ctx, coded("api_keys.revoked", "again"))
		return &graphql.Response{Data: []byte(`{"nothing":null}`)}
	case "dead":
		graphql.AddError(ctx, coded("api_keys.grace_ended", "over"))
		return &graphql.Response{Data: []byte(`null`)}
	case "fails":
		graphql.AddError(ctx, errors.New("uncoded"))
		return &graphql.Response{Data: []byte(`null`)}
	case "slow":
		<-ctx.Done()
		waited <- ctx.Err()
		return &graphql.Response{Data: []byte(`null`)}
	case "panics":
		panic("ouch")
	}
	return &graphql.Response{Data: []byte(`{"` + field.Alias + `":"<ok>"}`)}
}

// limited refuses some operations.
func limited(ctx context.Context, op *graphql.OperationContext, _ int64, _ any) (context.Context, error) {
	switch op.Operation.Name {
	case "TooMuch":
		return nil, coded("limits.cost", "too much")
	case "Unavailable":
		return nil, coded("auth.unavailable", "ask later")
	}
	return ctx, nil
}

func newServer(t testing.TB, o Options) *httptest.Server {
	t.Helper()
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: schemaText})
	o.Schema = &graphql.ExecutableSchemaMock{
		SchemaFunc: func() *ast.Schema { return schema },
		ExecFunc: func(context.Context) graphql.ResponseHandler {
			return func(ctx context.Context) *graphql.Response { return answer(ctx) }
		},
	}
	o.Begin, o.Present = limited, graphql.DefaultErrorPresenter
	o.Recover = func(context.Context, any) error { return coded("internal", "masked") }
	server := New(o)
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := telemetry.WithRequest(r.Context(), &telemetry.Request{ID: r.Header.Get("X-Request-Id")})
		if r.Header.Get("X-Test-Cancel") != "" {
			cancelled, cancel := context.WithCancel(ctx)
			cancel()
			ctx = cancelled
		}
		server.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(listener.Close)
	return listener
}

func table(err *gqlerror.Error) int {
	switch err.Extensions["code"] {
	case "api_keys.grace_ended":
		return http.StatusUnauthorized
	case "auth.unavailable":
		return http.StatusServiceUnavailable
	}
	return 0
}

// conversation is one request and what must come back.
type conversation struct {
	name   string
	method string // default POST
	path   string // after /graphql
	header string // `Name: value` lines; POST has Content-Type: application/json unless it is named
	body   string

	status  int
	headers string // `Name: value` lines that must be there; an empty value must be absent
	want    string // the whole body; not compared when empty
}

func (c conversation) run(t *testing.T, server *httptest.Server) {
	t.Helper()
	method := c.method
	if method == "" {
		method = http.MethodPost
	}
	request, err := http.NewRequest(method, server.URL+"/graphql"+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range lines(c.header) {
		if request.Header.Del(name); value != "" {
			request.Header.Set(name, value)
		}
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != c.status {
		t.Errorf("status %d, want %d", response.StatusCode, c.status)
	}
	for name, value := range lines(c.headers) {
		if got := response.Header.Get(name); got != value {
			t.Errorf("header %s: %q, want %q", name, got, value)
		}
	}
	if c.want != "" && string(body) != c.want {
		t.Errorf("body\n got %s\nwant %s", body, c.want)
	}
	if got := response.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %q", got)
	}
	if response.ContentLength != int64(len(body)) && method != http.MethodHead {
		t.Errorf("Content-Length %d of a body of %d bytes", response.ContentLength, len(body))
	}
}

func lines(text string) func(func(name, value string) bool) {
	return func(yield func(string, string) bool) {
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			if name != "" && !yield(name, strings.TrimSpace(value)) {
				return
			}
		}
	}
}

func runAll(t *testing.T, server *httptest.Server, conversations []conversation) {
	t.Helper()
	for _, c := range conversations {
		t.Run(c.name, func(t *testing.T) { c.run(t, server) })
	}
}

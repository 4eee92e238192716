package server

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestCORS(t *testing.T) {
	asked := 0
	graphql := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusTooManyRequests)
	})
	s, _ := newServer(Options{GraphQL: graphql, Origins: []string{"https://app.example", "http://localhost:3000"}})

	preflight := func(origin, method string, headers ...string) http.Header {
		slices.Sort(headers) // as browsers send them
		return ask(s, http.MethodOptions, "/graphql", "Origin", origin, "Access-Control-Request-Method", method,
			"Access-Control-Request-Headers", strings.ToLower(strings.Join(headers, ","))).Header()
	}
	all := []string{"authorization", "content-type", "x-api-key", "keytag-probe", "x-request-id", "apollographql-client-name", "apollographql-client-version", "apollo-require-preflight", "traceparent"}
	for _, c := range []struct {
		origin, method string
		headers        []string
		allowed        bool
	}{
		{"https://app.example", http.MethodPost, all, true},
		{"http://localhost:3000", http.MethodGet, []string{"x-api-key"}, true},
		{"https://app.example", http.MethodDelete, nil, false},
		{"https://app.example", http.MethodPost, []string{"cookie"}, false},
		{"https://app.example.evil", http.MethodPost, nil, false},
		{"https://sub.app.example", http.MethodPost, nil, false},
		{"http://app.example", http.MethodPost, nil, false},
		{"http://localhost:3001", http.MethodPost, nil, false},
		{"null", http.MethodPost, nil, false},
	} {
		h := preflight(c.origin, c.method, c.headers...)
		want := ""
		if c.allowed {
			want = c.origin
		}
		if got := h.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s %s %v: allowed for %q, want %q", c.method, c.origin, c.headers, got, want)
		}
		if h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: credentials are allowed", c.origin)
		}
	}
	if asked != 0 {
		t.Errorf("GraphQL was asked %d preflights", asked)
	}

	h := ask(s, http.MethodPost, "/graphql", "Origin", "https://app.example").Header()
	exposed := strings.Split(h.Get("Access-Control-Expose-Headers"), ", ")
	for _, name := range []string{"Keytag-Key-Id", "Keytag-Key-Expires-At", "Retry-After", "X-Request-Id", "X-Cloud-Error-Codes"} {
		if !slices.Contains(exposed, name) {
			t.Errorf("%s is not exposed: %v", name, exposed)
		}
	}
	if h.Get("Access-Control-Allow-Origin") != "https://app.example" || !strings.Contains(h.Get("Vary"), "Origin") {
		t.Errorf("%v", h)
	}
	for _, origin := range []string{"https://other.example", ""} {
		h := ask(s, http.MethodPost, "/graphql", "Origin", origin).Header()
		if h.Get("Access-Control-Allow-Origin") != "" || !strings.Contains(h.Get("Vary"), "Origin") {
			t.Errorf("%q: %v", origin, h)
		}
	}

	s, _ = newServer(Options{GraphQL: graphql})
	if h := ask(s, http.MethodOptions, "/graphql", "Origin", "https://app.example", "Access-Control-Request-Method", "POST").Header(); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without configuration: %v", h)
	}
}

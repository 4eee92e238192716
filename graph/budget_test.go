package graph_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/keytag/keytag/graph"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
)

// What is refused, and what is let through, cost work that is bounded: the request's line counts it.
func TestHostileDocuments(t *testing.T) {
	bounds := map[string]float64{"document_tokens": 4_001, "document_visits": 22_000, "document_merges": 22_000}
	each(t, func(t *testing.T, s *site) {
		for _, h := range hostiles {
			body := h.body()
			if len(body) > 1<<20 {
				t.Fatalf("%s: a body of %d bytes would not be read", h.name, len(body))
			}
			before := s.log.Len()
			a := s.post(body, with("Authorization", "Bearer "+s.admin))
			code := ""
			if len(a.Errors) > 0 && a.Data == nil {
				code = a.Errors[0].Extensions.Code
			}
			if code != h.code || a.status >= 500 || len(a.text) > 100_000 {
				t.Errorf("%s: %d, %q, want %q: %.400s", h.name, a.status, code, h.code, a.text)
			}
			var line map[string]any
			for text := range strings.Lines(s.log.String()[before:]) {
				if strings.Contains(text, `"msg":"request"`) {
					if err := json.Unmarshal([]byte(text), &line); err != nil {
						t.Fatal(err)
					}
				}
			}
			for name, bound := range bounds {
				if counted, _ := line[name].(float64); counted > bound {
					t.Errorf("%s: %s is %v, more than %v", h.name, name, counted, bound)
				}
			}
		}
	})
}

// Limits at their exact bounds.
func TestLimitsOfADocument(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		for _, c := range []struct {
			within, beyond string
			message        string
		}{
			{`{viewerKey{id}}#` + strings.Repeat("x", 99_984), `{viewerKey{id}}#` + strings.Repeat("x", 99_985), "The document has 100001 bytes; at most 100000 are allowed."},
			{`{viewerKey{` + repeated(500, "...on ApiKey{id id} ") + `id}}` + repeated(494, "#\n"), `{viewerKey{` + repeated(500, "...on ApiKey{id id} ") + `id}}` + repeated(495, "#\n"), "The document has 4001 tokens or more; at most 4000 are allowed."},
			{`{viewerKey{` + repeated(1_999, "id ") + `}}`, `{viewerKey{` + repeated(2_000, "id ") + `}}`, "The document has 2001 selections; at most 2000 are allowed."},
			{`{viewerKey{` + repeated(200, "a%d:id ") + `}}`, `{viewerKey{` + repeated(201, "a%d:id ") + `}}`, "The document has 201 aliases; at most 200 are allowed."},
			{`{viewerKey` + nested(23, "{replaces", "{id}", "}") + `}`, `{viewerKey` + nested(24, "{replaces", "{id}", "}") + `}`, "The operation nests 26 fields; at most 25 are allowed."},
			// 1 + 100 × (1 + 9 + 99 × 10)
			{`{apiKeys(first:100){nodes{` + repeated(99, "a%d:replacedBy{"+repeated(9, "id ")+"}") + `id}}}`, `{apiKeys(first:100){nodes{` + repeated(100, "a%d:replacedBy{"+repeated(9, "id ")+"}") + `}}}`, "The operation costs 100101, counting each field once for each object of its pages and lists; at most 100000 is allowed. Ask for smaller pages or fewer fields."},
		} {
			if a := s.ask(s.admin, c.within, nil); len(a.Errors) > 0 {
				t.Errorf("within: %.300s", a.text)
			}
			if a := s.ask(s.admin, c.beyond, nil); len(a.Errors) != 1 || a.Errors[0].Message != c.message || a.Errors[0].Extensions.Code != tooComplex {
				t.Errorf("want %s: %.300s", c.message, a.text)
			}
		}
	})
}

// Introspection costs at least as much as it answers.
func TestCostOfIntrospection(t *testing.T) {
	s := newSite(t, storetest.Open(t, "sqlite3"))
	standard, err := os.ReadFile("testdata/introspection.graphql")
	if err != nil {
		t.Fatal(err)
	}
	cost := regexp.MustCompile(`"cost":(\d+)`)
	for _, query := range []string{
		string(standard),
		`{__schema{types{description fields{description args{description}} inputFields{description} enumValues{description} interfaces{name} possibleTypes{name}}}}`,
		`{__schema{types{...on __Type{...T}} directives{name args{name description}}}} fragment T on __Type{fields{name args{name type{name ofType{name}}}}}`,
		`{__schema{types{fields{type{fields{name}}}}}}`,
		`{__schema{types{possibleTypes{fields{name}} interfaces{fields{args{name}}}}}}`,
		`{__type(name:"ApiKey"){fields{name type{fields{name args{name}}}}}}`,
		`{__type(name:"CreateApiKeyInput"){inputFields{name description}} e:__type(name:"AuditAction"){enumValues{name}} n:__type(name:"Node"){possibleTypes{name}}}`,
	} {
		before := s.log.Len()
		a := s.ask("", query, nil)
		if len(a.Errors) > 0 {
			t.Fatalf("%s: %.300s", query, a.text)
		}
		counted, err := strconv.Atoi(cost.FindStringSubmatch(s.log.String()[before:])[1])
		if err != nil {
			t.Fatal(err)
		}
		var answer any
		if err := json.Unmarshal([]byte(a.text), &answer); err != nil {
			t.Fatal(err)
		}
		if answered := members(answer) - 1; counted < answered {
			t.Errorf("%.100s costs %d and answers %d fields", query, counted, answered)
		}
	}
}

// members is how many members all objects of a JSON value have.
func members(value any) (n int) {
	switch value := value.(type) {
	case map[string]any:
		n = len(value)
		for _, v := range value {
			n += members(v)
		}
	case []any:
		for _, v := range value {
			n += members(v)
		}
	}
	return n
}

// A page's size decides what its fields cost, wherever it comes from.
func TestCost(t *testing.T) {
	s := newSite(t, storetest.Open(t, "sqlite3"))
	cost := regexp.MustCompile(`"cost":(\d+)`)
	for _, c := range []struct {
		query     string
		variables map[string]any
		want      string
	}{
		{`{viewerKey{id name}}`, nil, "3"},
		{`{viewerKey{...F} b:viewerKey{...F}} fragment F on ApiKey{id name}`, nil, "6"},
		{`{apiKeys(first:10){nodes{id} pageInfo{endCursor}}}`, nil, "41"}, // 1 + 10 × (2 + 2)
		{`{apiKeys{nodes{id}}}`, nil, "101"},
		{`{apiKeys(last:5){edges{node{id}}}}`, nil, "16"},
		{`query($n:Int){apiKeys(first:$n){nodes{id}}}`, map[string]any{"n": 7}, "15"},
		{`query($n:Int){apiKeys(first:$n){nodes{id}}}`, nil, "101"},
		{`query($n:Int){apiKeys(first:$n){nodes{id}}}`, map[string]any{"n": nil}, "101"},
		{`query($n:Int=3){apiKeys(first:$n){nodes{id}}}`, nil, "7"},
		{`query($n:Int){apiKeys(first:$n){...F}} fragment F on ApiKeyConnection{nodes{id auditEvents(first:$n){nodes{id}}}}`, map[string]any{"n": 2}, "15"}, // 1 + 2 × (1 + 1 + 1 + 2 × 2)
		{`{nodes(ids:["a","b","c"]){id}}`, nil, "4"},
		{`query($i:[ID!]!){nodes(ids:$i){id}}`, map[string]any{"i": []string{"a", "b"}}, "3"},
		{`{viewerKey{project{environments{id}}}}`, nil, "13"},
		{`query A{viewerKey{id}} query B{viewerKey{id name}}`, nil, ""},
	} {
		before := s.log.Len()
		s.ask(s.admin, c.query, c.variables)
		got := ""
		if found := cost.FindStringSubmatch(s.log.String()[before:]); found != nil {
			got = found[1]
		}
		if got != c.want {
			t.Errorf("%s costs %s, want %s", c.query, got, c.want)
		}
	}
}

// Each refusal, or each first sight of a document that is let through, in CPU and memory: at most 25 ms and 8 MiB.
func BenchmarkHostileDocuments(b *testing.B) {
	for _, h := range hostiles {
		b.Run(strings.ReplaceAll(h.name, " ", "_"), func(b *testing.B) {
			body := h.body()
			var before, after syscall.Rusage
			b.ReportAllocs()
			runtime.GC()
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
			for b.Loop() {
				// A new handler, which keeps no document.
				b.StopTimer()
				handler := unresolved()
				r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				r = r.WithContext(telemetry.WithRequest(r.Context(), &telemetry.Request{ID: "x"}))
				b.StartTimer()
				handler.ServeHTTP(httptest.NewRecorder(), r)
			}
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
			b.ReportMetric(float64(after.Utime.Nano()+after.Stime.Nano()-before.Utime.Nano()-before.Stime.Nano())/1e6/float64(b.N), "cpu-ms/op")
		})
	}
}

// unresolved answers anonymous requests, whose fields are all refused.
func unresolved() http.Handler {
	return graph.NewHandler(&graph.Resolver{}, graph.Options{
		Authenticate:  nobody,
		Introspection: true,
		Log:           slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

func nobody(r *http.Request) (context.Context, error) { return r.Context(), nil }

// What tools ask of the schema is within the limits, as it is and as the largest that a tool asks.
func TestToolsMayAskForTheSchema(t *testing.T) {
	text, err := os.ReadFile("testdata/introspection.graphql")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, storetest.Open(t, "sqlite3"))
	if a := s.ask("", string(text), nil); len(a.Errors) > 0 || len(a.text) < 100_000 {
		t.Errorf("%.500s", a.text)
	}
}

// Whatever a secret is refused with, the answer and the log hold no piece of it.
func TestLiteralSecretsAreRefused(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		_, key := s.create(s.admin, map[string]any{"name": "bait"})
		for _, document := range []string{
			`mutation { verifyApiKey(input: {secret: "` + key + `"}) { code } }`,
			`mutation { verifyApiKey(input: {secret: """` + key + `"""}) { code } }`,
			`mutation { verifyApiKey(input: {secret: ["` + key + `"]}) { code } }`,
			`mutation { verifyApiKey(input: {secret: ` + key + `}) { code } }`,
			`mutation($s: String! = "` + key + `") { verifyApiKey(input: {secret: $s}) { code } }`,
			`mutation($i: VerifyApiKeyInput! = {secret: "` + key + `"}) { verifyApiKey(input: $i) { code } }`,
			`mutation { claimRotation(input: {claimToken: "` + key + `"}) { secret } }`,
		} {
			a := s.ask(s.admin, document, nil)
			if len(a.Errors) == 0 || !slices.ContainsFunc(a.codes(), func(code string) bool { return code == "graphql.secret_in_document" }) || a.Data != nil {
				t.Errorf("%s: %s", document, a.text)
			}
		}
		s.absent(t, key)
		if code := s.ask(s.admin, `mutation($s: String!) { verifyApiKey(input: {secret: $s}) { code } }`, map[string]any{"s": key}).str(t, "verifyApiKey", "code"); code != "VALID" {
			t.Errorf("as a variable: %s", code)
		}
	})
}

func (a answer) codes() []string {
	var codes []string
	for _, e := range a.Errors {
		codes = append(codes, e.Extensions.Code)
	}
	return codes
}

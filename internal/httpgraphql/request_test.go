package httpgraphql

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
)

func TestDecodeBodyKeepsNumbers(t *testing.T) {
	params, refused := decodeBody([]byte(`{"query":"q","variables":{"n":12345678901234567890,"f":1.10}}`), Limits{Values: 100})
	if refused != nil {
		t.Fatal(refused.message)
	}
	want := map[string]any{"n": json.Number("12345678901234567890"), "f": json.Number("1.10")}
	if !reflect.DeepEqual(params.Variables, want) {
		t.Errorf("variables %#v, want %#v", params.Variables, want)
	}
}

// refusals are all the texts that a decoder may answer with.
var refusals = regexp.MustCompile("^(" + strings.Join([]string{
	`The body must be (valid UTF-8|one JSON object( and nothing after it)?)\.`,
	`The body is not valid JSON after byte \d+\.`,
	`A member of the body is given twice\.`,
	"`query` is required; it holds the GraphQL document\\.",
	"`(query|operationName)` must be a string\\.",
	"`(variables|extensions)` must be an object\\.",
	`The query string must be URL-encoded\.`,
	"The parameter `(query|operationName|variables|extensions)` (is given twice|must be valid UTF-8|must be a JSON object)\\.",
}, "|") + ")$")

func checkOutcome(t *testing.T, params *graphql.RawParams, refused *refusal) {
	t.Helper()
	if (params == nil) == (refused == nil) {
		t.Fatalf("params %v and refusal %v", params, refused)
	}
	if refused != nil {
		if refused.code == CodeTooComplex && refused.status == http.StatusBadRequest && refused.message == "The request holds more than 100 values and names." {
			return
		}
		if refused.status != http.StatusBadRequest || refused.code != CodeMalformed || !refusals.MatchString(refused.message) {
			t.Errorf("refused with %+v", refused)
		}
		return
	}
	if !utf8.ValidString(params.Query) || !utf8.ValidString(params.OperationName) {
		t.Error("accepted text that is not UTF-8")
	}
}

func FuzzDecodeBody(f *testing.F) {
	for _, seed := range []string{
		`{"query":"{name}"}`, `{"query":"q","operationName":"A","variables":{"a":[1,null,{"b":1e400}]},"extensions":{}}`,
		`{"query":null}`, `{"query":"q","variables":{"a":[` + strings.Repeat("0,", 100) + `0]}}`, `{"query":"a","query":"b"}`, `{"QUERY":"a"}`, `[]`, `{} {}`, `{"a":}`, `{,}`, `{"a" 1}`, `{1:2}`,
		"{\"query\":\"\xff\"}", `{"query":"\ud800"}`, "\ufeff{}", `{"query":"a",}`, `{"query":"a"]`, ``, `{"x":[[[[`, `{"\u0071uery":"a"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		params, refused := decodeBody(body, Limits{Values: 100})
		checkOutcome(t, params, refused)
		if refused != nil {
			return
		}
		// What is accepted is what another JSON decoder reads, with exact names.
		var members map[string]any
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		if err := decoder.Decode(&members); err != nil || !json.Valid(body) {
			t.Fatalf("accepted a body that is not one JSON object: %v", err)
		}
		operationName, _ := members["operationName"].(string)
		variables, _ := members["variables"].(map[string]any)
		extensions, _ := members["extensions"].(map[string]any)
		want := &graphql.RawParams{Query: members["query"].(string), OperationName: operationName, Variables: variables, Extensions: extensions}
		if !reflect.DeepEqual(params, want) {
			t.Errorf("read %+v, want %+v", params, want)
		}
	})
}

func FuzzDecodeQueryString(f *testing.F) {
	for _, seed := range []string{
		"query=%7Bname%7D", "query=a&variables=%7B%7D&operationName=A&extensions=null", "query=a&query=b", "query=%ff", "%zz", "a;b", "variables=1&query=", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		params, refused := decodeQueryString(text, Limits{Values: 100})
		checkOutcome(t, params, refused)
	})
}

func FuzzNegotiate(f *testing.F) {
	f.Add("application/json;q=0.1, */*")
	f.Add("application/graphql-response+json;q=NaN")
	f.Fuzz(func(t *testing.T, accept string) {
		media, acceptable := negotiate([]string{accept})
		if media != mediaJSON && (media != mediaResponse || !acceptable) {
			t.Errorf("chose %q, %v", media, acceptable)
		}
	})
}

func BenchmarkDecodeBody(b *testing.B) {
	body := []byte(`{"query":"query Me { viewerKey { id name status scopes effectiveExpiresAt } }","operationName":"Me","variables":{}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, refused := decodeBody(body, Limits{Values: 100}); refused != nil {
			b.Fatal(refused.message)
		}
	}
}

package httpgraphql

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	server := newServer(t, Options{Limits: Limits{
		Tokens: 60, NameBytes: 10, Nesting: 6, Literals: 2,
		Operations: 2, Fragments: 2, Selections: 10, Aliases: 2, Directives: 2, Variables: 2, Visits: 30, Merges: 12, Depth: 1, Cost: 9,
	}})
	for _, c := range []struct{ query, message string }{
		{`{name}`, ""},
		{`{find(id:"")}`, ""},
		{`{` + strings.Repeat("name ", 58) + `}`, "The document has 58 selections"},
		{`{` + strings.Repeat("name ", 60) + `}`, "The document has 61 tokens or more; at most 60 are allowed."},
		{`{ab_3456789}`, `Cannot query field`},
		{`{ab_34567890}`, "The document has 11 bytes in a name; at most 10 are allowed."},
		{`{a{a{a{a{a{a{a}}}}}}}`, "The document has 7 levels of nested brackets or more; at most 6 are allowed."},
		{`{find(filter:{scopes:[[""]]})}`, "The document has 3 levels of nested lists and objects in a value or more; at most 2 are allowed."},
		{`query A{name} query B{name} query C{name}`, "The document has 3 operations; at most 2 are allowed."},
		{`{name} fragment A on Query{name} fragment B on Query{name} fragment C on Query{name}`, "The document has 3 fragments; at most 2 are allowed."},
		{`{` + strings.Repeat("name ", 11) + `}`, "The document has 11 selections; at most 10 are allowed."},
		{`{...on Query{...on Query{` + strings.Repeat("name ", 9) + `}}}`, "The document has 11 selections; at most 10 are allowed."},
		{`{a:name b:name c:name}`, "The document has 3 aliases; at most 2 are allowed."},
		{`{a:name b:name name:name}`, ""},
		{`{name @include(if:true) nothing @include(if:true) dead @include(if:true)}`, "The document has 3 directives; at most 2 are allowed."},
		{`query($a:ID $b:ID $c:ID){name}`, "The document has 3 variables; at most 2 are allowed."},
		{`query A{...F} query B{...F} fragment F on Query{name name name name find(filter:{scopes:["a" "b"] limit:1})}`, "The document has 32 places to validate or more, counting fragments once"}, // 10 three times, and the spreads
		{`{...F ...F ...F ...F} fragment F on Query{...G ...G} fragment G on Query{name}`, ""},
		{`{` + strings.Repeat("name ", 10) + `}`, "The operation costs 10"},
	} {
		errs, body := ask(t, server.URL, c.query, "")
		switch {
		case c.message == "" && len(errs) == 0:
		case len(errs) == 0 || c.message == "" || !strings.HasPrefix(errs[0].Message, c.message):
			t.Errorf("%s: want %q: %s", c.query, c.message, body)
		case strings.HasPrefix(c.message, "The ") && errs[0].Extensions.Code != CodeTooComplex:
			t.Errorf("%s: %s", c.query, body)
		}
	}
}

// Fields that are merged, after the examples of the specification.
func TestMerging(t *testing.T) {
	server := newServer(t, Options{Limits: Limits{Merges: 100}})
	for _, c := range []struct{ query, message string }{
		{`{name name}`, ""},
		{`{find(id:"a", limit:1) find(limit:1, id:"a")}`, ""},
		{`{find(filter:{limit:1, scopes:["a"]}) find(filter:{scopes:["a"], limit:1})}`, ""},
		{`{find(filter:{limit:1, scopes:["a","b"]}) find(filter:{limit:1, scopes:["b","a"]})}`, `Fields "find" conflict because they have differing arguments.`},
		{`query($a:ID){find(id:$a) find(id:"a")}`, `Fields "find" conflict because they have differing arguments.`},
		{`{find find(id:"a")}`, `Fields "find" conflict because they have differing arguments.`},
		{`{a:nothing a:find}`, `Fields "a" conflict because "nothing" and "find" are different fields.`},
		{`{a:nothing a:name}`, `Fields "a" conflict because they return conflicting types "String" and "String!".`},
		{`{...F a:find} fragment F on Query{...on Query{a:nothing}}`, `Fields "a" conflict because "nothing" and "find" are different fields.`},
		{`{...F ...G} fragment F on Query{a:find} fragment G on Query{a:find}`, ""},
		{`{` + strings.Repeat("name ", 101) + `}`, "The document has 101 fields to compare or more"},
	} {
		errs, body := ask(t, server.URL, c.query, "")
		if (len(errs) > 0) != (c.message != "") || len(errs) > 0 && !strings.HasPrefix(errs[0].Message, c.message) {
			t.Errorf("%s: want %q: %s", c.query, c.message, body)
		}
	}
}

// A secret as a literal is refused, wherever it would come to stand, and repeated nowhere.
func TestSecretsAreVariables(t *testing.T) {
	server := newServer(t, Options{})
	for _, c := range []struct {
		query, variables string
		refused          bool
	}{
		{`{check(secret:"sesame")}`, "", true},
		{`{check(secret:"""sesame""")}`, "", true},
		{`{check(secret:sesame)}`, "", true},
		{`{check(login:{secret:"sesame"})}`, "", true},
		{`{check(logins:[{secret:"sesame"}])}`, "", true},
		{`{check(logins:{secret:"sesame"})}`, "", true},
		{`query($s:String="sesame"){check(secret:$s)}`, "", true},
		{`query($l:Login={secret:"sesame"}){check(login:$l)}`, "", true},
		{`{...F} fragment F on Query{check(secret:"sesame")}`, "", true},
		{`query($s:String){check(secret:$s)}`, `{"s":"sesame"}`, false},
		{`query($s:String){check(login:{secret:$s})}`, `{"s":"sesame"}`, false},
		{`query($l:Login){check(login:$l)}`, `{"l":{"secret":"sesame"}}`, false},
		{`{check(secret:null, login:{name:"x"})}`, "", false},
	} {
		errs, body := ask(t, server.URL, c.query, c.variables)
		refused := slices.ContainsFunc(errs, func(err graphQLError) bool { return err.Extensions.Code == CodeSecretInDocument })
		if refused != c.refused || !refused && len(errs) > 0 || strings.Contains(body, "sesame") {
			t.Errorf("%s: %s", c.query, body)
		}
	}
}

// The conversation of Apollo's clients.
func TestPersistedQueries(t *testing.T) {
	server := newServer(t, Options{})
	hash := func(query string) string {
		sum := sha256.Sum256([]byte(query))
		return hex.EncodeToString(sum[:])
	}
	named := func(query string) string {
		return fmt.Sprintf(`{"persistedQuery":{"version":1,"sha256Hash":%q}}`, hash(query))
	}
	secret := `{find(key:"ktg_4fQ9xT2aB1_` + strings.Repeat("0", 38) + `")}`
	for _, c := range []struct{ name, query, extensions, code, message string }{
		{"not known", "", named("{name}"), "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"},
		{"along with its hash", "{name}", named("{name}"), "", ""},
		{"known", "", named("{name}"), "", ""},
		{"asked for before without a hash", "{find}", "", "", ""},
		{"and not by it", "", named("{find}"), "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"},
		{"a hash in its place", hash("{name}"), "", CodeParseFailed, ""},
		{"of another document", "{name nothing}", named("{name}"), CodeMalformed, "The hash of the persisted query is not the SHA-256 of the document."},
		{"an invalid one", "{nme}", named("{nme}"), CodeValidationFailed, `Cannot query field "nme" on type "Query". Did you mean "name"?`},
		{"is not kept", "", named("{nme}"), "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"},
		{"with a key in it", secret, named(secret), "", ""},
		{"is not kept either", "", named(secret), "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"},
		{"of a later version", "", `{"persistedQuery":{"version":2,"sha256Hash":"` + hash("{name}") + `"}}`, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported"},
		{"with something else", "", `{"persistedQuery":{"version":1,"sha256Hash":"{name}"}}`, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported"},
		{"nothing", "", `{"persistedQuery":null}`, CodeMalformed, ""},
	} {
		body := map[string]any{}
		if c.query != "" {
			body["query"] = c.query
		}
		if c.extensions != "" {
			body["extensions"] = json.RawMessage(c.extensions)
		}
		encoded, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.Post(server.URL, "application/json", strings.NewReader(string(encoded)))
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Errors []graphQLError }
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		switch {
		case c.code == "" && len(answer.Errors) == 0:
		case len(answer.Errors) == 0 || answer.Errors[0].Extensions.Code != c.code || c.message != "" && answer.Errors[0].Message != c.message:
			t.Errorf("%s: %+v", c.name, answer.Errors)
		}
	}
	response, err := http.Get(server.URL + "?extensions=" + strings.NewReplacer(`"`, "%22", "{", "%7B", "}", "%7D").Replace(named("{name}")))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.ContentLength < 10 {
		t.Errorf("by GET: %s", response.Status)
	}
}

// A query ends when its time is over, and when its client leaves.
func TestWhatTakesTooLongEnds(t *testing.T) {
	server := newServer(t, Options{Timeout: 20 * time.Millisecond})
	ask(t, server.URL, `{slow `+strings.Repeat("name ", cheap)+`}`, "")
	if err := <-waited; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("over its time: %v", err)
	}
	ctx, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer leave()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader(`{"query":"{slow}"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if response, err := http.DefaultClient.Do(r); err == nil {
		response.Body.Close()
		t.Error("answered")
	}
	select {
	case err := <-waited:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("without a client: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the query runs on without a client")
	}
}

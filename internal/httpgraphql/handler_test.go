package httpgraphql

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const (
	asJSON     = "Content-Type: application/json; charset=utf-8"
	asResponse = "Content-Type: application/graphql-response+json; charset=utf-8"
	wantNew    = "Accept: application/graphql-response+json"
)

func get(query ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Add(query[i], query[i+1])
	}
	return "?" + values.Encode()
}

func errorBody(code, message string) string {
	return `{"errors":[{"message":"` + message + `","extensions":{"code":"` + code + `"}}]}`
}

const (
	ok           = `{"data":{"name":"<ok>"}}`
	noJSONObject = "The body must be one JSON object."
)

func TestPost(t *testing.T) {
	runAll(t, newServer(t, Options{}), []conversation{
		{name: "query", body: `{"query":"{name}"}`, status: 200, headers: asJSON, want: ok},
		{name: "mutation", body: `{"query":"mutation{rename(name:\"a\")}"}`, status: 200, want: `{"data":{"rename":"<ok>"}}`},
		{name: "charset", header: "Content-Type: application/json;charset=UTF-8", body: `{"query":"{name}"}`, status: 200, want: ok},
		{name: "all members", body: `{"query":"query A{name} query B{nothing}","operationName":"A","variables":{"a":1},"extensions":{"b":2}}`, status: 200, want: ok},
		{name: "nulls", body: `{"query":"{name}","operationName":null,"variables":null,"extensions":null}`, status: 200, want: ok},
		{name: "unknown member ignored", body: `{"query":"{name}","id":"x"}`, status: 200, want: ok},
		{name: "white space around", body: " \n{\"query\":\"{name}\"}\r\n ", status: 200, want: ok},
		{name: "no body", status: 400, headers: asJSON, want: errorBody(CodeMalformed, noJSONObject)},
		{name: "no JSON", body: `{ "query`, status: 400, want: errorBody(CodeMalformed, "The body is not valid JSON after byte 1.")},
		{name: "JSON of another kind", body: `"{name}"`, status: 400, want: errorBody(CodeMalformed, noJSONObject)},
		{name: "batch", body: `[{"query":"{name}"}]`, status: 400, want: errorBody(CodeMalformed, noJSONObject)},
		{name: "two objects", body: `{"query":"{name}"}{}`, status: 400, want: errorBody(CodeMalformed, "The body must be one JSON object and nothing after it.")},
		{name: "rubbish after", body: `{"query":"{name}"} x`, status: 400, want: errorBody(CodeMalformed, "The body must be one JSON object and nothing after it.")},
		{name: "member twice", body: `{"query":"{name}","query":"{nothing}"}`, status: 400, want: errorBody(CodeMalformed, "A member of the body is given twice.")},
		{name: "query missing", body: `{}`, status: 400, want: errorBody(CodeMalformed, "`query` is required; it holds the GraphQL document.")},
		{name: "names to the letter", body: `{"Query":"{name}"}`, status: 400, want: errorBody(CodeMalformed, "`query` is required; it holds the GraphQL document.")},
		{name: "query null", body: `{"query":null}`, status: 400, want: errorBody(CodeMalformed, "`query` must be a string.")},
		{name: "operationName a number", body: `{"query":"{name}","operationName":1}`, status: 400, want: errorBody(CodeMalformed, "`operationName` must be a string.")},
		{name: "variables a list", body: `{"query":"{name}","variables":[]}`, status: 400, want: errorBody(CodeMalformed, "`variables` must be an object.")},
		{name: "extensions a string", body: `{"query":"{name}","extensions":"{}"}`, status: 400, want: errorBody(CodeMalformed, "`extensions` must be an object.")},
		{name: "not UTF-8", body: "{\"query\":\"{name}\xff\"}", status: 400, want: errorBody(CodeMalformed, "The body must be valid UTF-8.")},
		{name: "media type missing", header: "Content-Type:", body: `{"query":"{name}"}`, status: 415, want: errorBody(CodeMediaType, wrongMedia.message)},
		{name: "form", header: "Content-Type: application/x-www-form-urlencoded", body: `query={name}`, status: 415},
		{name: "multipart", header: "Content-Type: multipart/form-data; boundary=x", body: "--x--", status: 415},
		{name: "plain text", header: "Content-Type: text/plain", body: `{"query":"{name}"}`, status: 415},
		{name: "application/graphql", header: "Content-Type: application/graphql", body: `{name}`, status: 415},
		{name: "other charset", header: "Content-Type: application/json; charset=utf-16", body: `{"query":"{name}"}`, status: 415},
		{name: "compressed", header: "Content-Encoding: gzip", body: "\x1f\x8b", status: 415},
		{name: "largest body", body: `{"query":"{name}","x":"` + strings.Repeat("a", MaxBody-25) + `"}`, status: 200, want: ok},
		{name: "body too large", body: `{"query":"{name}","x":"` + strings.Repeat("a", MaxBody-24) + `"}`, status: 413, headers: asJSON, want: errorBody(CodeTooLarge, "The body must not be larger than 1048576 bytes.")},
		{name: "a name twice in the variables", body: `{"query":"{name}","variables":{"a":{"b":1,"b":2}}}`, status: 400, want: errorBody(CodeMalformed, "A member of the body is given twice.")},
		{name: "deep nesting", body: `{"query":"{name}","x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, status: 400, want: errorBody(CodeMalformed, "The body is not valid JSON after byte 21.")},
	})
}

func TestGet(t *testing.T) {
	runAll(t, newServer(t, Options{}), []conversation{
		{name: "query", method: "GET", path: get("query", "{name}"), status: 200, headers: asJSON, want: ok},
		{name: "head", method: "HEAD", path: get("query", "{name}"), status: 200, headers: asJSON},
		{name: "all parameters", method: "GET", path: get("query", "query A($i:ID){find(id:$i)} query B{name}", "operationName", "A", "variables", `{"i":"1"}`, "extensions", "{}"), status: 200, want: `{"data":{"find":"<ok>"}}`},
		{name: "empty and null", method: "GET", path: get("query", "{name}", "operationName", "", "variables", "null", "extensions", ""), status: 200, want: ok},
		{name: "key ignored", method: "GET", path: get("query", "{name}", "access_token", "x", "apiKey", "y"), status: 200, want: ok},
		{name: "content type ignored", method: "GET", header: "Content-Type: text/plain", path: get("query", "{name}"), status: 200, want: ok},
		{name: "query missing", method: "GET", status: 400, want: errorBody(CodeMalformed, "`query` is required; it holds the GraphQL document.")},
		{name: "query twice", method: "GET", path: get("query", "{name}", "query", "{name}"), status: 400, want: errorBody(CodeMalformed, "The parameter `query` is given twice.")},
		{name: "bad escape", method: "GET", path: "?query=%zz", status: 400, want: errorBody(CodeMalformed, "The query string must be URL-encoded.")},
		{name: "not UTF-8", method: "GET", path: "?query=%ff", status: 400, want: errorBody(CodeMalformed, "The parameter `query` must be valid UTF-8.")},
		{name: "variables no JSON", method: "GET", path: get("query", "{name}", "variables", "{"), status: 400, want: errorBody(CodeMalformed, "The parameter `variables` must be a JSON object.")},
		{name: "variables two values", method: "GET", path: get("query", "{name}", "variables", "{} {}"), status: 400, want: errorBody(CodeMalformed, "The parameter `variables` must be a JSON object.")},
		{name: "extensions a list", method: "GET", path: get("query", "{name}", "extensions", "[]"), status: 400, want: errorBody(CodeMalformed, "`extensions` must be an object.")},
		{name: "mutation", method: "GET", path: get("query", `mutation{rename(name:"a")}`), status: 405, headers: "Allow: POST", want: errorBody(CodeMethod, queriesOnly.message)},
		{name: "mutation by head", method: "HEAD", path: get("query", `mutation{rename(name:"a")}`), status: 405, headers: "Allow: POST"},
		{name: "mutation chosen by name", method: "GET", path: get("query", `query A{name} mutation B{rename(name:"a")}`, "operationName", "B"), status: 405, headers: "Allow: POST"},
		{name: "query beside a mutation", method: "GET", path: get("query", `query A{name} mutation B{rename(name:"a")}`, "operationName", "A"), status: 200, want: ok},
		{name: "put", method: "PUT", status: 405, headers: "Allow: GET, HEAD, POST", want: errorBody(CodeMethod, wrongMethod.message)},
		{name: "delete", method: "DELETE", status: 405, headers: "Allow: GET, HEAD, POST"},
	})
}

func TestAccept(t *testing.T) {
	const query = `{"query":"{name}"}`
	accepts := func(name, header, headers string) conversation {
		return conversation{name: name, header: "Accept: " + header, body: query, status: 200, headers: headers, want: ok}
	}
	runAll(t, newServer(t, Options{}), []conversation{
		accepts("none", "", asJSON),
		accepts("anything", "*/*", asJSON),
		accepts("any application", "application/*", asJSON),
		accepts("json", "application/json", asJSON),
		accepts("response", "application/graphql-response+json", asResponse),
		accepts("upper case", "Application/GraphQL-Response+JSON", asResponse),
		accepts("first of two", "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8", asResponse),
		accepts("first of two, turned", "application/json, application/graphql-response+json", asJSON),
		accepts("quality", "application/json;q=0.8, application/graphql-response+json;q=0.9", asResponse),
		accepts("named before any", "*/*, application/graphql-response+json", asResponse),
		accepts("named with less quality than any", "application/graphql-response+json;q=0.5, */*", asJSON),
		accepts("json refused", "application/json;q=0, */*;q=0.1", asResponse),
		accepts("stream listed last", "application/graphql-response+json, application/json, text/event-stream, multipart/mixed", asResponse),
		accepts("browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", asJSON),
		accepts("one element broken", "application/;;, application/graphql-response+json", asResponse),
		{name: "another type", header: "Accept: text/html", body: query, status: 406, headers: asJSON, want: errorBody(CodeNotAcceptable, notAcceptable.message)},
		{name: "another charset", header: "Accept: application/json; charset=utf-16", body: query, status: 406},
		{name: "quality 0", header: "Accept: */*;q=0", body: query, status: 406},
		{name: "quality no number", header: "Accept: application/json;q=x", body: query, status: 406},
		{name: "by GET", method: "GET", header: "Accept: image/png", path: get("query", "{name}"), status: 406},
	})
}

func TestStatus(t *testing.T) {
	runAll(t, newServer(t, Options{Status: table}), []conversation{
		{name: "parse error", body: `{"query":"{"}`, status: 200, headers: asJSON + "\nX-Cloud-Error-Codes: graphql.parse_failed"},
		{name: "parse error, new type", header: wantNew, body: `{"query":"{"}`, status: 400, headers: asResponse},
		{name: "refused by an extension", body: `{"query":"query TooMuch{name}"}`, status: 200, want: errorBody("limits.cost", "too much")},
		{name: "refused by an extension, new type", header: wantNew, body: `{"query":"query TooMuch{name}"}`, status: 400, want: errorBody("limits.cost", "too much")},
		{name: "in the table, before execution", body: `{"query":"query Unavailable{name}"}`, status: 503, headers: "WWW-Authenticate:", want: errorBody("auth.unavailable", "ask later")},
		{name: "in the table, data null", body: `{"query":"{dead}"}`, status: 401, headers: "WWW-Authenticate: Bearer\nX-Cloud-Error-Codes: api_keys.grace_ended",
			want: `{"errors":[{"message":"over","extensions":{"code":"api_keys.grace_ended"}}],"data":null}`},
		{name: "in the table, but with data", body: `{"query":"{nothing}"}`, status: 200, headers: "WWW-Authenticate:\nX-Cloud-Error-Codes: api_keys.grace_ended,api_keys.revoked"},
		{name: "not in the table, data null", header: wantNew, body: `{"query":"{fails}"}`, status: 200, headers: "X-Cloud-Error-Codes:", want: `{"errors":[{"message":"uncoded"}],"data":null}`},
		{name: "no error", body: `{"query":"{name}"}`, status: 200, headers: "X-Cloud-Error-Codes:"},
		{name: "given up", header: "X-Test-Cancel: 1", body: `{"query":"{name}"}`, status: 503, want: errorBody(CodeInterrupted, interrupted.message)},
		{name: "with request id", header: "X-Request-Id: r1", body: `{`, status: 400, want: `{"errors":[{"message":"The body is not valid JSON after byte 1.","extensions":{"code":"request.malformed","requestId":"r1"}}]}`},
	})
}

func TestBeforeWrite(t *testing.T) {
	calls := 0
	server := newServer(t, Options{BeforeWrite: func(ctx context.Context, header http.Header) {
		calls++
		if header.Get("Content-Length") == "" || ctx.Err() != nil {
			t.Errorf("called too early or with another context: %v", header)
		}
		header.Set("Keytag-Key-Id", "key_1")
	}})
	runAll(t, server, []conversation{
		{name: "answer", body: `{"query":"{name}"}`, status: 200, headers: "Keytag-Key-Id: key_1"},
		{name: "refusal", body: `{`, status: 400, headers: "Keytag-Key-Id: key_1"},
	})
	if calls != 2 {
		t.Errorf("called %d times for 2 responses", calls)
	}
}

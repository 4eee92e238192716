package httpgraphql

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

type graphQLError struct {
	Message    string          `json:"message"`
	Path       []any           `json:"path"`
	Locations  json.RawMessage `json:"locations"`
	Extensions struct {
		Code   string   `json:"code"`
		Fields []string `json:"fields"`
	} `json:"extensions"`
}

// ask posts a request and returns its errors and the whole body.
func ask(t *testing.T, url, query, variables string) ([]graphQLError, string) {
	t.Helper()
	if variables == "" {
		variables = "null"
	}
	request, err := json.Marshal(map[string]any{"query": query, "variables": json.RawMessage(variables)})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(url, "application/json", strings.NewReader(string(request)))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var decoded struct {
		Errors []graphQLError             `json:"errors"`
		Data   map[string]json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &decoded); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return decoded.Errors, string(body)
}

func TestDocumentErrors(t *testing.T) {
	server := newServer(t, Options{})
	cases := []struct{ query, code, message, locations string }{
		{``, CodeValidationFailed, "The document holds no operation.", ""},
		{`{`, CodeParseFailed, "Expected Name, found <EOF>", "1:2"},
		{`{name`, CodeParseFailed, "Expected Name, found <EOF>", "1:6"},
		{`quer {name}`, CodeParseFailed, `Unexpected Name "quer"`, "1:1"},
		{`{find(key "sesame")}`, CodeParseFailed, "Expected :, found String", "1:12"},
		{`"sesame" {name}`, CodeParseFailed, "Unexpected String", "1:2"},
		{`query A "sesame"`, CodeParseFailed, "Expected {, found String", "1:10"},
		{`{find(key:"\sesame")}`, CodeParseFailed, "Unexpected character, or a string that is not closed or has a wrong escape", "1:13"},
		{`{find(key:"\u{sesame")}`, CodeParseFailed, "Unexpected character, or a string that is not closed or has a wrong escape", "1:13"},
		{`{find(key:"\usesame")}`, CodeParseFailed, "Unexpected character, or a string that is not closed or has a wrong escape", "1:13"},
		{`{find(key:"sesame)}`, CodeParseFailed, "Unexpected character, or a string that is not closed or has a wrong escape", "1:20"},
		{`{nme}`, CodeValidationFailed, `Cannot query field "nme" on type "Query". Did you mean "name"?`, "1:2"},
		{`{find(kee:"sesame")}`, CodeValidationFailed, `Unknown argument "kee" on field "Query.find". Did you mean "key"?`, "1:2"},
		{`{find(limit:"sesame")}`, CodeValidationFailed, "Int cannot represent non-integer value.", "1:14"},
		{`{find(key:sesame)}`, CodeValidationFailed, "String cannot represent a non string value.", "1:11"},
		{`{find(key:{a:"sesame"})}`, CodeValidationFailed, `Field "a" is not defined by type "String".`, "1:12"},
		{`{find(status:"sesame")}`, CodeValidationFailed, `Enum "Status" cannot represent non-enum value.`, "1:15"},
		{`{find(status:ACTIV)}`, CodeValidationFailed, `Value "ACTIV" does not exist in "Status" enum. Did you mean the enum value "ACTIVE"?`, "1:14"},
		{`{find(filter:"sesame")}`, CodeValidationFailed, `Expected value of type "Filter".`, "1:15"},
		{`{find(filter:{limit:null})}`, CodeValidationFailed, `Expected value of type "Int!".`, "1:21"},
		{`query($v:String){find(limit:$v)}`, CodeValidationFailed, `Variable "$v" of type "String" used in position expecting type "Int".`, "1:29"},
		{`query A{name} query B{name}`, CodeValidationFailed, "The document holds several operations; choose one with `operationName`.", ""},
	}
	for _, c := range cases {
		t.Run(c.query, func(t *testing.T) {
			errs, body := ask(t, server.URL, c.query, "")
			if len(errs) == 0 {
				t.Fatalf("no error in %s", body)
			}
			if errs[0].Message != c.message || errs[0].Extensions.Code != c.code {
				t.Errorf("got  %s %s\nwant %s %s", errs[0].Extensions.Code, errs[0].Message, c.code, c.message)
			}
			var line, column int
			if _, err := fmt.Sscanf(c.locations, "%d:%d", &line, &column); err == nil {
				if want := fmt.Sprintf(`[{"line":%d,"column":%d}]`, line, column); string(errs[0].Locations) != want {
					t.Errorf("locations %s, want %s", errs[0].Locations, want)
				}
			}
			if strings.Contains(body, "sesame") {
				t.Errorf("a literal is repeated: %s", body)
			}
			if strings.Contains(body, `"data"`) || strings.Contains(body, `"path"`) {
				t.Errorf("a request error has neither data nor path: %s", body)
			}
		})
	}
}

func TestVariableErrors(t *testing.T) {
	server := newServer(t, Options{})
	cases := []struct{ definition, variables, message, field string }{
		{"$v:ID!", `{}`, "Variable `$v` is required.", "v"},
		{"$v:ID!", `{"v":null}`, "Variable `$v` must not be null.", "v"},
		{"$v:Int", `{"v":"sesame"}`, "Variable `$v` must be of type Int.", "v"},
		{"$v:Int", `{"v":12345678901234567890123}`, "Variable `$v` must be of type Int.", "v"},
		{"$v:Boolean", `{"v":"sesame"}`, "Variable `$v` must be of type Boolean.", "v"},
		{"$v:String", `{"v":{"sesame":1}}`, "Variable `$v` must be of type String.", "v"},
		{"$v:String", `{"v":["sesame"]}`, "Variable `$v` must be of type String.", "v"},
		{"$v:Status", `{"v":"sesame"}`, "Variable `$v` must be a value of the enum Status.", "v"},
		{"$v:Status", `{"v":"cannot use sesame as\nid\" is not a valid x"}`, "Variable `$v` must be a value of the enum Status.", "v"},
		{"$v:Status", `{"v":{}}`, "Variable `$v` must be a value of its enum.", "v"},
		{"$v:Filter", `{"v":"sesame"}`, "Variable `$v` must be an object of type Filter.", "v"},
		{"$v:Filter", `{"v":{}}`, "Variable `$v.limit` is required.", "v.limit"},
		{"$v:Filter", `{"v":{"limit":1,"scopes":["a",null]}}`, "Variable `$v.scopes[1]` must not be null.", "v.scopes[1]"},
		{"$v:Filter", `{"v":{"limit":1,"status":"sesame"}}`, "Variable `$v.status` must be a value of the enum Status.", "v.status"},
		{"$v:Filter", `{"v":{"limt":1}}`, "Variable `$v.limt` is no field of its input type.", "v.limt"},
		{"$v:Filter", `{"v":{"open sesame":1}}`, "Variable `$v.…` is no field of its input type.", "v.…"},
		{"$v:[Filter!]", `{"v":[{"limit":1},{"limit":"sesame"}]}`, "Variable `$v[1].limit` must be of type Int.", "v[1].limit"},
	}
	for _, c := range cases {
		t.Run(c.definition+" "+c.variables, func(t *testing.T) {
			query := "query(" + c.definition + "){" + use(c.definition) + "}"
			errs, body := ask(t, server.URL, query, c.variables)
			if len(errs) != 1 {
				t.Fatalf("want one error: %s", body)
			}
			err := errs[0]
			if err.Message != c.message || err.Extensions.Code != CodeValidationFailed ||
				len(err.Extensions.Fields) != 1 || err.Extensions.Fields[0] != c.field {
				t.Errorf("got  %s\nwant %q, %s, [%q]", body, c.message, CodeValidationFailed, c.field)
			}
			if strings.Contains(body, "sesame") {
				t.Errorf("a value is repeated: %s", body)
			}
		})
	}
}

// use is a selection in which a variable of the type may stand.
func use(definition string) string {
	switch strings.TrimRight(strings.TrimPrefix(definition, "$v:"), "!") {
	case "ID":
		return "find(id:$v)"
	case "Int":
		return "find(limit:$v)"
	case "String":
		return "find(key:$v)"
	case "Status":
		return "find(status:$v)"
	case "Boolean":
		return "find(on:$v)"
	case "[Filter!]":
		return "find(filters:$v)"
	}
	return "find(filter:$v)"
}

func TestUnknownOperationNameIsNotRepeated(t *testing.T) {
	c := conversation{
		body: `{"query":"query A{name}","operationName":"sesame"}`, status: 200,
		want: errorBody(CodeValidationFailed, "The document holds no operation with the name given in `operationName`."),
	}
	c.run(t, newServer(t, Options{}))
}

func TestManyAndLongErrorsAreCut(t *testing.T) {
	server := newServer(t, Options{})
	var many strings.Builder
	for i := range 500 {
		fmt.Fprintf(&many, "x%d ", i)
	}
	errs, _ := ask(t, server.URL, "{"+many.String()+"}", "")
	if len(errs) != maxErrors {
		t.Errorf("%d errors, want %d", len(errs), maxErrors)
	}
	_, body := ask(t, server.URL, "{"+strings.Repeat("x", 10000)+"}", "")
	if len(body) > maxMessage+200 {
		t.Errorf("%d bytes of answer", len(body))
	}
}

// A key in a place where names are repeated is masked like in the log.
func TestKeyAsNameIsMasked(t *testing.T) {
	const hidden = "0123456789abcdefghijABCDEFGHIJ01crc32X"
	server := newServer(t, Options{})
	for _, query := range []string{
		"{ktg_4fQ9xT2aB1_" + hidden + "}",
		"ktg_4fQ9xT2aB1_" + hidden,
		"{find(status:ktg_4fQ9xT2aB1_" + hidden + ")}",
		"{find(ktg_4fQ9xT2aB1_" + hidden + ":1)}",
	} {
		errs, body := ask(t, server.URL, query, "")
		if len(errs) == 0 || strings.Contains(body, hidden) {
			t.Errorf("%s\nanswered %s", query, body)
		}
	}
	_, body := ask(t, server.URL, "query($v:Filter){find(filter:$v)}", `{"v":{"ktg_4fQ9xT2aB1_`+hidden+`":1}}`)
	if strings.Contains(body, hidden) {
		t.Errorf("answered %s", body)
	}
}

func TestParserMessagesLoseTheirLiterals(t *testing.T) {
	for message, want := range map[string]string{
		`Unexpected Name "nme"`:                            `Unexpected Name "nme"`,
		`Unexpected String "ses\"ame"`:                     `Unexpected String`,
		`Expected "on", found BlockString "sesame"`:        `Expected "on", found BlockString`,
		`Expected "on", found Int "1"`:                     `Expected "on", found Int`,
		"Invalid character escape sequence: \\usesame\n}.": `Invalid character escape sequence.`,
		`Cannot parse the unexpected character "?".`:       `Cannot parse the unexpected character "?".`,
		`Invalid number, expected digit but got: "x".`:     `Invalid number, expected digit but got: "x".`,
	} {
		if got := withoutTokens(message); got != want {
			t.Errorf("%s\n got %s\nwant %s", message, got, want)
		}
	}
}

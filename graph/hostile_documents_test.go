package graph_test

import (
	"encoding/json"
	"fmt"
	"strings"
)

// hostile is a request that is made to cost much, and what it is answered with.
type hostile struct {
	name      string
	query     string
	variables string // JSON
	code      string // empty: it is let through, since it is within the limits
}

const (
	tooComplex = "query.too_complex"
	invalid    = "graphql.validation_failed"
	unparsed   = "graphql.parse_failed"
	megabyte   = 1<<20 - 100 // of a body that is just accepted
)

// repeated is n times what format makes of the number.
func repeated(n int, format string) string {
	var text strings.Builder
	for i := range n {
		if strings.Contains(format, "%") {
			fmt.Fprintf(&text, format, i)
		} else {
			text.WriteString(format)
		}
	}
	return text.String()
}

func nested(n int, before, middle, after string) string {
	return strings.Repeat(before, n) + middle + strings.Repeat(after, n)
}

// chain is fragments of which each is made of the next two times, as format says.
func chain(n int, format, last string) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(strings.ReplaceAll(strings.ReplaceAll(format, "THIS", fmt.Sprint("F", i)), "NEXT", fmt.Sprint("F", i+1)))
	}
	text.WriteString(strings.ReplaceAll(last, "THIS", fmt.Sprint("F", n)))
	return text.String()
}

var hostiles = []hostile{
	// Fragments.
	{"fragments that double", `{viewerKey{...F0}} ` + chain(90, "fragment THIS on ApiKey{...NEXT ...NEXT} ", "fragment THIS on ApiKey{id}"), "", tooComplex},
	{"fields that double", `{viewerKey{...F0}} ` + chain(20, "fragment THIS on ApiKey{a:replaces{...NEXT} b:replaces{...NEXT}} ", "fragment THIS on ApiKey{id}"), "", tooComplex},
	{"the same fields that double", `{viewerKey{...F0}} ` + chain(20, "fragment THIS on ApiKey{replaces{...NEXT} replaces{...NEXT}} ", "fragment THIS on ApiKey{id}"), "", tooComplex},
	{"introspection that doubles", `{__schema{queryType{...F0}}} ` + chain(20, "fragment THIS on __Type{a:ofType{...NEXT} b:ofType{...NEXT}} ", "fragment THIS on __Type{name}"), "", tooComplex},
	{"a ring of fragments", `{viewerKey{...F0}} ` + chain(90, "fragment THIS on ApiKey{...NEXT ...NEXT} ", "fragment THIS on ApiKey{...F0}"), "", invalid},
	{"rings of fields", `{viewerKey{...F0}} ` + chain(90, "fragment THIS on ApiKey{replaces{...NEXT} replaces{...F0}} ", "fragment THIS on ApiKey{...F0}"), "", tooComplex},
	{"every fragment in every fragment", `{viewerKey{...F0}} ` + strings.ReplaceAll(repeated(40, "fragment F%d on ApiKey{ALL} "), "ALL", repeated(40, "...F%d ")), "", tooComplex},
	{"a fragment spread often", `{viewerKey{` + repeated(1_900, "...F ") + `}} fragment F on ApiKey{id}`, "", ""},
	{"a thousand fragments", `{viewerKey{id}} ` + repeated(300, "fragment F%d on ApiKey{id} "), "", tooComplex},
	{"unused fragments", `{viewerKey{id}} ` + repeated(100, "fragment F%d on ApiKey{id} "), "", invalid},

	// Wide and deep.
	{"repeated fields", `{viewerKey{` + repeated(1_990, "id ") + `}}`, "", ""},
	{"repeated objects", `{` + repeated(550, "viewerKey{owner{login}}") + `}`, "", ""},
	{"16 000 repeated fields", `{viewerKey{` + repeated(16_000, "id ") + `}}`, "", tooComplex},
	{"aliases × 1 000", `{viewerKey{` + repeated(1_000, "a%d:id ") + `}}`, "", tooComplex},
	{"lists × 200", `{` + repeated(200, "a%d:apiKeys(first:100){nodes{id name status owner{login}}}") + `}`, "", tooComplex},
	{"conflicts × 200", `{viewerKey{` + repeated(200, "a:name ") + repeated(200, "a:id ") + `}}`, "", tooComplex},
	{"conflicts", `{viewerKey{` + repeated(100, "a:name ") + repeated(100, "a:id ") + `}}`, "", invalid},
	{"directives × 1 000", `{viewerKey{id ` + repeated(1_000, "@a ") + `}}`, "", tooComplex},
	{"directives × 200", `{viewerKey{id ` + repeated(200, "@include(if:true)") + `}}`, "", invalid},
	{"directives everywhere", `{viewerKey{` + repeated(200, "id@include(if:true)") + `}}`, "", ""},
	{"operations × 1 000", repeated(1_000, "query Q%d{viewerKey{id}}"), "", tooComplex},
	{"operations with all fragments", strings.ReplaceAll(repeated(50, "query Q%d{viewerKey{ALL}} "), "ALL", repeated(10, "...F%d ")) + repeated(10, "fragment F%d on ApiKey{"+repeated(100, "id ")+"} "), "", tooComplex},
	{"as much validation as is let through", strings.ReplaceAll(repeated(19, "query Q%d{viewerKey{ALL}} "), "ALL", repeated(10, "...F%d ")) + repeated(10, "fragment F%d on ApiKey{"+repeated(95, "id ")+"} "), "", invalid},
	{"as much cost as is let through", `{apiKeys(first:100){nodes{` + repeated(99, "a%d:replacedBy{"+repeated(9, "id ")+"}") + `id}}}`, "", ""},
	{"inline fragments", `{viewerKey{` + repeated(650, "...on ApiKey{id}") + `}}`, "", ""},
	{"deep", `{viewerKey` + nested(49, "{replaces", "{id}", "}") + `}`, "", tooComplex},
	{"deep, within the syntax", `{viewerKey` + nested(40, "{replaces", "{id}", "}") + `}`, "", tooComplex},
	{"deep inline fragments", `{viewerKey` + nested(45, "{...on ApiKey", "{id}", "}") + `}`, "", ""},
	{"pages in pages", `{users(first:100){nodes{apiKeys(first:100){nodes{auditEvents(first:100){nodes{id}}}}}}}`, "", tooComplex},
	{"pages in pages by variables", `query($n:Int){users(first:$n){nodes{apiKeys(first:$n){nodes{auditEvents(first:$n){nodes{id}}}}}}}`, `{"n":100}`, tooComplex},
	{"pages in pages by default", `query($n:Int=100){users(first:$n){nodes{apiKeys(first:$n){nodes{auditEvents(first:$n){nodes{id}}}}}}}`, "", tooComplex},
	{"circular introspection", `{__schema{types{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}`, "", invalid},
	{"introspection many times", `{` + repeated(64, "a%d:__schema{types{...F}}") + `} fragment F on __Type{` + repeated(135, "b%d:description ") + `}`, "", tooComplex},
	{"introspection of large types", `{__type(name:"ApiKey"){` + repeated(40, "a%d:fields{type{fields{args{name}}}}") + `}}`, "", tooComplex},
	{"wide introspection", `{__schema{types{` + repeated(200, "a%d:fields{type{fields{name}}}") + `}}}`, "", tooComplex},

	// What is wrong everywhere.
	{"unknown fields", `{viewerKey{` + repeated(1_990, "expiresAtt ") + `}}`, "", invalid},
	{"unknown long fields", `{viewerKey{` + repeated(700, strings.Repeat("expiresAtt", 12)+" ") + `}}`, "", invalid},
	{"unknown types", `{viewerKey{` + repeated(650, "...on ApiKeyy{id}") + `}}`, "", invalid},
	{"unknown arguments", `{viewerKey{` + repeated(900, "state(att:1){at}") + `}}`, "", tooComplex},
	{"unknown directives", `{viewerKey{` + repeated(200, "id@incldue(if:true)") + `}}`, "", invalid},
	{"unknown enum values", `{apiKeys(filter:{statuses:[` + repeated(3_900, "ACTIV ") + `]}){nodes{id}}}`, "", invalid},
	{"unknown input fields", `{apiKeys(filter:{` + repeated(1_200, "statusess:1 ") + `}){nodes{id}}}`, "", invalid},
	{"undefined variables", `{` + repeated(190, "a%d:apiKey(id:$a%[1]d){id}") + `}`, "", invalid},
	{"a variable × 1 900", `query($a:ID!){nodes(ids:[` + repeated(1_900, "$a ") + `]){id}}`, `{"a":"x"}`, "input.invalid"},
	{"unused variables", `query(` + repeated(100, "$a%d:ID ") + `){viewerKey{id}}`, "", invalid},

	// Text.
	{"1 MiB of braces", strings.Repeat("{", megabyte), "", tooComplex},
	{"100 kB of braces", strings.Repeat("{", 100_000), "", tooComplex},
	{"1 MiB of selections", "{a" + strings.Repeat("{a", megabyte/2), "", tooComplex},
	{"brackets", "{a(b:" + strings.Repeat("[", 3_000), "", tooComplex},
	{"list types", "query($a:" + nested(60, "[", "ID", "]") + "){viewerKey{id}}", "", tooComplex},
	{"1 MiB of comments", strings.Repeat("#\n", megabyte/3), "", tooComplex},
	{"100 kB of comments", strings.Repeat("#\n", 50_000), "", tooComplex},
	{"100 kB of commas", "{viewerKey{id}}" + strings.Repeat(",", 99_000), "", ""},
	{"a long name", "{" + strings.Repeat("a", 99_000) + "}", "", tooComplex},
	{"a long number", `{apiKeys(first:` + strings.Repeat("1", 99_000) + `){nodes{id}}}`, "", invalid},
	{"a long string", `{apiKeys(first:"` + strings.Repeat("x", 99_000) + `"){nodes{id}}}`, "", invalid},
	{"a long string deep in lists", `{apiKeys(first:` + nested(10, "[", `"`+strings.Repeat("x", 99_000)+`"`, "]") + `){nodes{id}}}`, "", invalid},
	{"a long string deep in objects", `{apiKeys(filter:` + nested(10, "{scopes:", `"`+strings.Repeat("x", 99_000)+`"`, "}") + `){nodes{id}}}`, "", invalid},
	{"escapes", `{apiKeys(after:"` + strings.Repeat(`\u0041`, 16_000) + `"){nodes{id}}}`, "", ""},
	{"a string that is not closed", `{apiKeys(after:"` + strings.Repeat(`x`, 99_000), "", unparsed},
	{"a block string", `{apiKeys(after:"""` + strings.Repeat(" x\n", 33_000) + `"""){nodes{id}}}`, "", ""},
	{"lists in lists", `{nodes(ids:` + nested(11, "[", `"x"`, "]") + `){id}}`, "", tooComplex},
	{"a wide list", `{nodes(ids:[` + repeated(3_900, `"x" `) + `]){id}}`, "", "input.invalid"},
	{"a wide object", `{apiKeys(filter:{` + repeated(1_300, `nameStartsWith:"" `) + `}){nodes{id}}}`, "", invalid},

	// Variables.
	{"1 MiB of numbers", `query($a:[ID!]!){nodes(ids:$a){id}}`, `{"a":[` + strings.Repeat("1,", megabyte/2-100) + `1]}`, tooComplex},
	{"1 MiB of lists", `query($a:[ID!]!){nodes(ids:$a){id}}`, `{"a":` + nested(9_000, "[", "1", "]") + `}`, tooComplex},
	{"deep lists", `query($a:[ID!]!){nodes(ids:$a){id}}`, `{"a":` + nested(1_900, "[", "1", "]") + `}`, invalid},
	{"deep objects", `query($a:ApiKeyFilter){apiKeys(filter:$a){nodes{id}}}`, `{"a":` + nested(900, `{"scopes":`, "1", "}") + `}`, invalid},
	{"many members", `query($a:ApiKeyFilter){apiKeys(filter:$a){nodes{id}}}`, `{"a":{` + repeated(50_000, `"a%d":1,`) + `"b":1}}`, tooComplex},
	{"many variables", `{viewerKey{id}}`, `{` + repeated(1_900, `"a%d":1,`) + `"b":1}`, ""},
	{"a long text", `query($a:String){apiKeys(after:$a){nodes{id}}}`, `{"a":"` + strings.Repeat("x", 900_000) + `"}`, ""},
	{"a long text that fits nowhere", `query($a:Int){apiKeys(first:$a){nodes{id}}}`, `{"a":"` + strings.Repeat("x", 900_000) + `"}`, invalid},
	{"a long number in a variable", `query($a:Int){apiKeys(first:$a){nodes{id}}}`, `{"a":` + strings.Repeat("1", 900_000) + `}`, invalid},
	{"a name in the variables", `query($a:ApiKeyFilter){apiKeys(filter:$a){nodes{id}}}`, `{"a":{"` + strings.Repeat("x", 900_000) + `":1}}`, invalid},
}

func (h hostile) body() string {
	variables := h.variables
	if variables == "" {
		variables = "null"
	}
	query, _ := json.Marshal(h.query)
	return `{"query":` + string(query) + `,"variables":` + variables + `}`
}

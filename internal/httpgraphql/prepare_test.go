package httpgraphql

import (
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// Whatever the text, work stays within the limits, and what comes of it is a document or an error.
func FuzzPrepare(f *testing.F) {
	for _, seed := range []string{
		`{name}`, `query A($s:String,$l:Login){check(secret:$s,login:$l)} query B{...F} fragment F on Query{a:name b:find(filters:[{limit:1}])}`,
		`{...F ...F} fragment F on Query{...G ...G} fragment G on Query{...F name}`, `{a{a{a{a{a`, `{find(filter:{scopes:[[[`, `{check(secret:"x")}`,
		`mutation{rename(name:"""x""")}`, `{name @include(if:true) name @skip(if:$a)}`, `{a:name a:nothing}`, "#\n#\n{", `{__schema{types{fields{type{fields{type{fields{name}}}}}}}}`,
	} {
		f.Add(seed)
	}
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: schemaText})
	l := Limits{Bytes: 2_000, Tokens: 200, NameBytes: 20, Nesting: 10, Literals: 4, Operations: 5, Fragments: 5, Selections: 50, Aliases: 10,
		Directives: 10, Variables: 5, Visits: 300, Merges: 300, Depth: 5, Cost: 1_000, Page: 50, MaxPage: 100}
	h := &handler{Options: Options{Limits: l, Schema: &graphql.ExecutableSchemaMock{SchemaFunc: func() *ast.Schema { return schema }}}}
	f.Fuzz(func(t *testing.T, text string) {
		var w work
		d, errs := h.prepare(text, &w)
		if (d == nil) == (len(errs) == 0) || len(errs) > maxErrors {
			t.Fatalf("%v and %d errors", d, len(errs))
		}
		// The step that exceeds a limit is the last, and no step is larger than the document.
		if w.tokens > l.Tokens+1 || w.visits > l.Visits+l.Tokens || w.merges > l.Merges+l.Tokens {
			t.Errorf("%+v", w)
		}
		for _, err := range errs {
			if len(err.Message) > maxMessage+len("…") || strings.Contains(err.Message, "\n") && !strings.Contains(text, "\n") {
				t.Errorf("%q", err.Message)
			}
		}
		if d == nil {
			return
		}
		for _, e := range d.estimates {
			if cost := e.cost(nil, l); cost < 1 || e.depth < 1 {
				t.Errorf("cost %d, depth %d", cost, e.depth)
			}
		}
	})
}

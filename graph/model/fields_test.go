package model

import (
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

func parsed(t *testing.T, text string) *ast.QueryDocument {
	t.Helper()
	d, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// collectAll collects what an operation selects, and all that stands within, as an execution does.
func collectAll(f *Fields, oc *graphql.OperationContext, selections ast.SelectionSet) {
	for _, field := range f.Collect(oc, selections, []string{"T"}) {
		collectAll(f, oc, field.Selections)
	}
}

func (f *Fields) weight() (n int) {
	if all := f.collected.Load(); all != nil {
		for _, fields := range *all {
			n += len(fields)
			for _, field := range fields {
				n += len(field.Selections)
			}
		}
	}
	return n
}

func TestFieldsKeptAreBoundedByTheDocument(t *testing.T) {
	for name, text := range map[string]string{
		"usual":     `{a{b c{d e f}}g h}`,
		"fragments": `{a{...F ...G}} fragment F on T{b{c}} fragment G on T{b{d}}`,
		"repeated":  `{` + strings.Repeat("...F ", 200) + `} fragment F on T{` + strings.Repeat("a{b} ", 200) + `}`,
		"wide":      `{` + strings.Repeat("a{b c d} ", 500) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			d := parsed(t, text)
			f := FieldsOf(d)
			var all tally
			for _, o := range d.Operations {
				all.add(o.SelectionSet)
			}
			for _, fragment := range d.Fragments {
				all.add(fragment.SelectionSet)
			}
			oc := &graphql.OperationContext{Doc: d}
			for range 2 {
				collectAll(f, oc, d.Operations[0].SelectionSet)
			}
			kept, most := f.weight(), roomPerSelection*all.selections
			if kept > most {
				t.Errorf("%d are kept of a document of %d selections", kept, all.selections)
			}
			if name != "repeated" && kept == 0 {
				t.Error("nothing is kept")
			}
			if f.room != most-kept {
				t.Errorf("room for %d, want %d", f.room, most-kept)
			}
		})
	}
}

func TestFieldsThatDependOnVariablesAreNotKept(t *testing.T) {
	for text, kept := range map[string]bool{
		`query($v:Boolean!){a{b @skip(if:$v)}}`:        false,
		`query($v:Boolean!){a{...@include(if:$v){b}}}`: false,
		`query{a{b @skip(if:false)}}`:                  true,
		`query($v:Int){a(b:$v){c}}`:                    true,
	} {
		if got := FieldsOf(parsed(t, text)) != nil; got != kept {
			t.Errorf("%s: kept %v", text, got)
		}
	}
}

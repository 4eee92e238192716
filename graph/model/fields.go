package model

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// Fields are those that the selections of a document make of each type of object, collected once for all
// who ask with the same document. A nil one keeps nothing.
type Fields struct {
	collected atomic.Pointer[map[selected][]graphql.CollectedField]
	mu        sync.Mutex // of changing it
	room      int        // for fields and what they select, under mu
}

// selected is a selection with what it is made of, both by where they begin.
type selected struct {
	selection  *ast.Selection
	implements *string
}

const (
	// maxSelected is how many are kept, since each is added to a copy of the others.
	maxSelected = 64
	// roomPerSelection is how many fields are kept, with what they select in all, for each selection of the
	// document: each of a usual one is collected once, but fragments may repeat them without end.
	roomPerSelection = 4
)

// FieldsOf has the fields of a valid document: none if they depend on variables.
func FieldsOf(d *ast.QueryDocument) *Fields {
	var t tally
	for _, o := range d.Operations {
		t.add(o.SelectionSet)
	}
	for _, f := range d.Fragments {
		t.add(f.SelectionSet)
	}
	if t.vary {
		return nil
	}
	return &Fields{room: roomPerSelection * t.selections}
}

// tally is how many selections there are, and whether a directive of one takes a variable.
type tally struct {
	selections int
	vary       bool
}

func (t *tally) add(selections ast.SelectionSet) {
	t.selections += len(selections)
	for _, s := range selections {
		var directives ast.DirectiveList
		switch s := s.(type) {
		case *ast.Field:
			directives = s.Directives
			t.add(s.SelectionSet)
		case *ast.InlineFragment:
			directives = s.Directives
			t.add(s.SelectionSet)
		case *ast.FragmentSpread:
			directives = s.Directives
		}
		for _, d := range directives {
			for _, a := range d.Arguments {
				t.vary = t.vary || a.Value.Kind == ast.Variable
			}
		}
	}
}

// Collect is graphql.CollectFields.
func (f *Fields) Collect(oc *graphql.OperationContext, selections ast.SelectionSet, implements []string) []graphql.CollectedField {
	if f == nil || len(selections) == 0 {
		return graphql.CollectFields(oc, selections, implements)
	}
	key := selected{&selections[0], &implements[0]}
	if kept := f.collected.Load(); kept != nil {
		if fields, ok := (*kept)[key]; ok {
			return fields
		}
	}
	return f.keep(key, graphql.CollectFields(oc, selections, implements))
}

// keep answers what is kept, since selections within it are known by where they are.
func (f *Fields) keep(key selected, fields []graphql.CollectedField) []graphql.CollectedField {
	takes := len(fields)
	for _, field := range fields {
		takes += len(field.Selections)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[selected][]graphql.CollectedField{}
	if kept := f.collected.Load(); kept != nil {
		if others, ok := (*kept)[key]; ok {
			return others
		}
		maps.Copy(all, *kept)
	}
	if len(all) == maxSelected || takes > f.room {
		return fields
	}
	f.room -= takes
	all[key] = fields
	f.collected.Store(&all)
	return fields
}

type fieldsKey struct{}

// NewContext binds an operation to the fields of its document.
func NewContext(ctx context.Context, f *Fields) context.Context {
	return context.WithValue(ctx, fieldsKey{}, f)
}

// FieldsFrom is what NewContext bound, nil for nothing.
func FieldsFrom(ctx context.Context) *Fields {
	f, _ := ctx.Value(fieldsKey{}).(*Fields)
	return f
}

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
}

// selected is a selection with what it is made of, both by where they begin.
type selected struct {
	selection  *ast.Selection
	implements *string
}

// maxSelected is how many are kept, since each is added to a copy of the others.
const maxSelected = 64

// FieldsOf has the fields of a valid document: none if they depend on variables.
func FieldsOf(d *ast.QueryDocument) *Fields {
	varies := false
	for _, o := range d.Operations {
		varies = varies || vary(o.SelectionSet)
	}
	for _, f := range d.Fragments {
		varies = varies || vary(f.SelectionSet)
	}
	if varies {
		return nil
	}
	return new(Fields)
}

// vary reports that a directive within a selection takes a variable.
func vary(selections ast.SelectionSet) bool {
	for _, s := range selections {
		var directives ast.DirectiveList
		var within ast.SelectionSet
		switch s := s.(type) {
		case *ast.Field:
			directives, within = s.Directives, s.SelectionSet
		case *ast.InlineFragment:
			directives, within = s.Directives, s.SelectionSet
		case *ast.FragmentSpread:
			directives = s.Directives
		}
		for _, d := range directives {
			for _, a := range d.Arguments {
				if a.Value.Kind == ast.Variable {
					return true
				}
			}
		}
		if vary(within) {
			return true
		}
	}
	return false
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
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[selected][]graphql.CollectedField{}
	if kept := f.collected.Load(); kept != nil {
		if others, ok := (*kept)[key]; ok {
			return others
		}
		if len(*kept) == maxSelected {
			return fields
		}
		maps.Copy(all, *kept)
	}
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

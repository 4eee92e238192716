package httpgraphql

import (
	"fmt"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// merges refuses a document, valid but for that, in which fields of one response name differ:
// https://spec.graphql.org/October2021/#sec-Field-Selection-Merging. The rule there compares pairs; this
// compares all fields of a name at once, with what they all select, as Simon Adameit found out to be the
// same. It does so for both halves of the rule: fields of a name have the same shape wherever they
// stand, and are the same field where both can apply to one object. Its time is that of spreading the
// fragments, which limit bounds.
func merges(schema *ast.Schema, d *ast.QueryDocument, limit int, w *work) *gqlerror.Error {
	m := &merger{schema: schema, limit: limit, work: w}
	for _, o := range d.Operations {
		if err := m.check(m.spread([]ast.SelectionSet{o.SelectionSet}), true, true); err != nil {
			return err
		}
	}
	return nil
}

type merger struct {
	schema *ast.Schema
	limit  int
	*work
}

// check looks for fields that differ among those that apply to one place of the response: in shape, in
// what they are, or both.
func (m *merger) check(fields []*ast.Field, shape, same bool) *gqlerror.Error {
	m.merges += len(fields)
	if err := check("fields to compare or more, counting fragments wherever they are spread", m.merges, m.limit); err != nil {
		return err
	}
	for _, group := range byName(fields) {
		if len(group) == 1 {
			if err := m.below(group, shape, same); err != nil {
				return err
			}
			continue
		}
		if shape {
			for _, other := range group[1:] {
				if !m.sameShape(group[0].Definition.Type, other.Definition.Type) {
					return conflict(group[0], other, fmt.Sprintf("they return conflicting types %q and %q", group[0].Definition.Type, other.Definition.Type))
				}
			}
		}
		parts := [][]*ast.Field{group}
		if same {
			if parts = byObject(group); len(parts) == 1 {
				if err := allSame(group); err != nil {
					return err
				}
				if err := m.below(group, shape, same); err != nil {
					return err
				}
				continue
			}
			for _, part := range parts {
				if err := first(allSame(part), m.below(part, false, true)); err != nil {
					return err
				}
			}
		}
		if shape {
			if err := m.below(group, true, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// below checks what fields select together.
func (m *merger) below(fields []*ast.Field, shape, same bool) *gqlerror.Error {
	sets := make([]ast.SelectionSet, 0, len(fields))
	for _, f := range fields {
		if len(f.SelectionSet) > 0 {
			sets = append(sets, f.SelectionSet)
		}
	}
	if len(sets) == 0 {
		return nil
	}
	return m.check(m.spread(sets), shape, same)
}

// spread is all fields of selections and of the fragments in them, each fragment once.
func (m *merger) spread(sets []ast.SelectionSet) []*ast.Field {
	var fields []*ast.Field
	var seen []*ast.FragmentDefinition
	var add func(ast.SelectionSet)
	add = func(selections ast.SelectionSet) {
		for _, selection := range selections {
			switch selection := selection.(type) {
			case *ast.Field:
				fields = append(fields, selection)
			case *ast.InlineFragment:
				add(selection.SelectionSet)
			case *ast.FragmentSpread:
				m.merges++
				if !slices.Contains(seen, selection.Definition) {
					seen = append(seen, selection.Definition)
					add(selection.Definition.SelectionSet)
				}
			}
		}
	}
	for _, set := range sets {
		add(set)
	}
	return fields
}

// byName groups fields by response name, in the order of their first.
func byName(fields []*ast.Field) [][]*ast.Field {
	groups := make([][]*ast.Field, 0, len(fields))
	places := make(map[string]int, len(fields))
	for i, f := range fields {
		if at, known := places[f.Alias]; known {
			groups[at] = append(groups[at], f)
			continue
		}
		places[f.Alias] = len(groups)
		groups = append(groups, fields[i:i+1:i+1])
	}
	return groups
}

// byObject groups fields by the type of object that they apply to; those of an interface or a union
// may apply to each.
func byObject(fields []*ast.Field) [][]*ast.Field {
	var anywhere []*ast.Field
	var types []*ast.Definition
	var groups [][]*ast.Field
	for _, f := range fields {
		if f.ObjectDefinition.Kind != ast.Object {
			anywhere = append(anywhere, f)
			continue
		}
		at := slices.Index(types, f.ObjectDefinition)
		if at < 0 {
			at = len(types)
			types, groups = append(types, f.ObjectDefinition), append(groups, nil)
		}
		groups[at] = append(groups[at], f)
	}
	if len(groups) == 0 {
		return [][]*ast.Field{anywhere}
	}
	for i := range groups {
		groups[i] = append(groups[i], anywhere...)
	}
	return groups
}

func allSame(fields []*ast.Field) *gqlerror.Error {
	for _, other := range fields[1:] {
		if fields[0].Name != other.Name {
			return conflict(fields[0], other, fmt.Sprintf("%q and %q are different fields", fields[0].Name, other.Name))
		}
		if !sameArguments(fields[0].Arguments, other.Arguments) {
			return conflict(fields[0], other, "they have differing arguments")
		}
	}
	return nil
}

func sameArguments(a, b ast.ArgumentList) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(given *ast.Argument) bool {
		other := b.ForName(given.Name)
		return other == nil || !sameValue(given.Value, other.Value)
	})
}

// sameValue reports whether two literals are the same, whatever the order of members.
func sameValue(a, b *ast.Value) bool {
	if a.Kind != b.Kind || a.Raw != b.Raw || len(a.Children) != len(b.Children) {
		return false
	}
	for i, child := range a.Children {
		other := b.Children[i].Value
		if a.Kind == ast.ObjectValue {
			other = b.Children.ForName(child.Name)
		}
		if other == nil || !sameValue(child.Value, other) {
			return false
		}
	}
	return true
}

// sameShape reports whether values of two types look alike: lists, nulls and scalars do.
func (m *merger) sameShape(a, b *ast.Type) bool {
	if a.NonNull != b.NonNull || (a.Elem == nil) != (b.Elem == nil) {
		return false
	}
	if a.Elem != nil {
		return m.sameShape(a.Elem, b.Elem)
	}
	return a.NamedType == b.NamedType || m.schema.Types[a.NamedType].IsCompositeType() && m.schema.Types[b.NamedType].IsCompositeType()
}

func conflict(a, b *ast.Field, why string) *gqlerror.Error {
	at := []gqlerror.Location{{Line: a.Position.Line, Column: a.Position.Column}, {Line: b.Position.Line, Column: b.Position.Column}}
	return invalid(at, fmt.Sprintf("Fields %q conflict because %s. Use different aliases on the fields to fetch both if this was intentional.", a.Alias, why))
}

package httpgraphql

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// census is how long the lists are that introspection finds in a schema.
type census struct {
	types, directives int64
	// most is the longest list of a field's name. mean is what such lists have on average, rounded up, where all
	// types are looked at.
	most, mean map[string]int64
}

func takeCensus(schema *ast.Schema) census {
	c := census{
		types: int64(len(schema.Types)), directives: int64(len(schema.Directives)),
		most: map[string]int64{}, mean: map[string]int64{},
	}
	lists, sums := map[string]int64{}, map[string]int64{}
	add := func(name string, length int) {
		c.most[name] = max(c.most[name], int64(length))
		lists[name]++
		sums[name] += int64(length)
	}
	for _, t := range schema.Types {
		if t.Kind == ast.InputObject {
			add("inputFields", len(t.Fields))
			add("fields", 0)
		} else {
			add("inputFields", 0)
			add("fields", len(t.Fields))
			for _, f := range t.Fields {
				add("args", len(f.Arguments))
			}
		}
		add("enumValues", len(t.EnumValues))
		add("interfaces", len(t.Interfaces))
		add("possibleTypes", len(schema.PossibleTypes[t.Name]))
	}
	for _, d := range schema.Directives {
		add("args", len(d.Arguments))
	}
	for name, n := range lists {
		c.mean[name] = (sums[name] + n - 1) / n
	}
	return c
}

// among are the lists whose objects, in all types together, are each there once.
var among = []string{"fields", "inputFields", "enumValues", "args"}

// list is how many objects a field of introspection answers, and whether those of all types are looked at beneath, given
// whether they are here. known is false of other fields.
func (c census) list(field *ast.Field, all bool) (objects int64, beneath, known bool) {
	on := field.ObjectDefinition.Name
	switch {
	case on == "__Schema" && field.Name == "types":
		return c.types, true, true
	case on == "__Schema" && field.Name == "directives":
		return c.directives, false, true
	case on != "__Type" && on != "__Field" && on != "__Directive":
		return 0, false, false
	}
	longest, known := c.most[field.Name]
	if known && all {
		return c.mean[field.Name], slices.Contains(among, field.Name), true
	}
	return longest, false, known
}

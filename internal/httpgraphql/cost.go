package httpgraphql

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// listed is how many objects a list counts for that says nothing about its length. Those of introspection are counted.
const listed = 10

// estimate is what an operation costs, prepared once for its document. Each field costs 1; what is
// selected of the objects of a connection or a list costs as many times as objects are asked for.
type estimate struct {
	depth int
	// fixed is the cost, unless terms depend on variables. Each term may use those before it; the last
	// one is the operation.
	fixed int64
	terms []term
}

// term is fixed + the sum of its parts.
type term struct {
	fixed int64
	parts []part
}

// part is as many times another term as a size says.
type part struct {
	size size64
	of   int
}

// size64 is a number of objects: fixed, unless arguments take it from variables.
type size64 struct {
	fixed     int64
	variables []string
}

// cost is what the operation costs with these variables, which were coerced.
func (e *estimate) cost(variables map[string]any, l Limits) int64 {
	if len(e.terms) == 0 {
		return e.fixed
	}
	values := make([]int64, len(e.terms))
	for i, t := range e.terms {
		values[i] = t.fixed
		for _, p := range t.parts {
			values[i] = plus(values[i], times(p.size.given(variables, l), values[p.of]))
		}
	}
	return values[len(values)-1]
}

// given is the largest of what is fixed and what the variables say.
func (s size64) given(variables map[string]any, l Limits) int64 {
	size := s.fixed
	for _, name := range s.variables {
		given, known := numberOf(variables[name])
		if !known {
			given = int64(l.Page)
		}
		size = max(size, given)
	}
	return min(size, int64(l.MaxPage))
}

// numberOf is a number, or the length of a list.
func numberOf(value any) (int64, bool) {
	switch value := value.(type) {
	case int64:
		return value, true
	case int:
		return int64(value), true
	case json.Number:
		n, err := value.Int64()
		return n, err == nil
	case []any:
		return int64(len(value)), true
	}
	return 0, false
}

// estimator knows the fragments of a document that it met.
type estimator struct {
	Limits
	schema    *ast.Schema
	census    census
	terms     []term
	fragments map[spread]subtotal
}

// spread is a fragment, and whether it stands where introspection looks at all types.
type spread struct {
	of  *ast.FragmentDefinition
	all bool
}

// subtotal is the cost of selections: of the term, if it is not -1, and fixed.
type subtotal struct {
	fixed int64
	term  int
	depth int
}

// estimates are those of the operations of a valid document, in their order.
func estimates(schema *ast.Schema, c census, d *ast.QueryDocument, l Limits) []estimate {
	all := make([]estimate, 0, len(d.Operations))
	e := &estimator{Limits: l, schema: schema, census: c, fragments: map[spread]subtotal{}}
	for _, o := range d.Operations {
		total := e.selections(o.SelectionSet, false)
		one := estimate{depth: total.depth, fixed: total.fixed}
		if total.term >= 0 {
			one.terms = e.terms[: total.term+1 : total.term+1]
		}
		all = append(all, one)
	}
	return all
}

// selections adds up what is selected, perhaps where introspection looks at all types. What depends on variables becomes a
// term.
func (e *estimator) selections(selections ast.SelectionSet, all bool) subtotal {
	sum, depth := term{}, 0
	add := func(s subtotal, size size64) {
		depth = max(depth, s.depth)
		switch {
		case s.term >= 0:
			sum.parts = append(sum.parts, part{size: size, of: s.term})
		case len(size.variables) > 0:
			e.terms = append(e.terms, term{fixed: s.fixed})
			sum.parts = append(sum.parts, part{size: size, of: len(e.terms) - 1})
		default:
			sum.fixed = plus(sum.fixed, times(size.fixed, s.fixed))
		}
	}
	for _, selection := range selections {
		switch selection := selection.(type) {
		case *ast.Field:
			sum.fixed = plus(sum.fixed, 1)
			objects, beneath := e.objects(selection, all)
			below := e.selections(selection.SelectionSet, beneath)
			below.depth++
			add(below, objects)
		case *ast.InlineFragment:
			add(e.selections(selection.SelectionSet, all), size64{fixed: 1})
		case *ast.FragmentSpread:
			here := spread{selection.Definition, all}
			below, known := e.fragments[here]
			if !known {
				below = e.selections(selection.Definition.SelectionSet, all)
				e.fragments[here] = below
			}
			add(below, size64{fixed: 1})
		}
	}
	if len(sum.parts) == 0 {
		return subtotal{fixed: sum.fixed, term: -1, depth: depth}
	}
	e.terms = append(e.terms, sum)
	return subtotal{term: len(e.terms) - 1, depth: depth}
}

// objects is how many objects a field answers: of a connection those of its page, which its lists then
// do not count again. beneath says whether introspection looks at all types there.
func (e *estimator) objects(field *ast.Field, all bool) (size size64, beneath bool) {
	named := e.schema.Types[field.Definition.Type.Name()]
	switch {
	case named == nil || !named.IsCompositeType():
		return size64{fixed: 1}, false
	case isConnection(named):
		return e.size(field, "first", "last"), false
	case field.Definition.Type.Elem == nil || isConnection(field.ObjectDefinition):
		return size64{fixed: 1}, false
	case field.Definition.Arguments.ForName("ids") != nil:
		return e.size(field, "ids"), false
	}
	if objects, beneath, known := e.census.list(field, all); known {
		return size64{fixed: objects}, beneath
	}
	return size64{fixed: listed}, false
}

// isConnection knows a connection by its name, as Relay does.
func isConnection(d *ast.Definition) bool {
	return d.Kind == ast.Object && strings.HasSuffix(d.Name, "Connection")
}

// size is what the arguments say, the largest if there are several, and Page if none does.
func (e *estimator) size(field *ast.Field, arguments ...string) size64 {
	var size size64
	said := false
	for _, name := range arguments {
		given := field.Arguments.ForName(name)
		if given == nil || given.Value.Kind == ast.NullValue {
			continue
		}
		said = true
		switch given.Value.Kind {
		case ast.Variable:
			size.variables = append(size.variables, given.Value.Raw)
		case ast.ListValue:
			size.fixed = max(size.fixed, int64(len(given.Value.Children)))
		default:
			n, err := strconv.ParseInt(given.Value.Raw, 10, 64)
			if err != nil {
				n = int64(e.Page)
			}
			size.fixed = max(size.fixed, n)
		}
	}
	if !said {
		size.fixed = int64(e.Page)
	}
	size.fixed = min(size.fixed, int64(e.MaxPage)) // a larger one is refused by who reads the page
	size.variables = slices.Clip(size.variables)
	return size
}

// plus and times saturate. Neither operand is negative.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func times(a, b int64) int64 {
	if a != 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}

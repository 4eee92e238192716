package graph_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// rules are the rows by field, such as "ApiKey.id".
var rules = func() map[string]row {
	found := map[string]row{}
	for _, line := range matrix {
		for _, field := range strings.Fields(line.fields) {
			found[line.object+"."+field] = line.row
		}
	}
	return found
}()

// objectFields are the fields of every object type of the schema, by name.
var objectFields = func() map[string]*ast.FieldDefinition {
	found := map[string]*ast.FieldDefinition{}
	for _, d := range schema.Types {
		for _, f := range d.Fields {
			if d.Kind == ast.Object && !strings.HasPrefix(d.Name, "__") && !strings.HasPrefix(f.Name, "__") {
				found[d.Name+"."+f.Name] = f
			}
		}
	}
	return found
}()

func TestTheMatrixIsWhole(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(objectFields)) {
		f := objectFields[name]
		r, is := rules[name]
		object, field, _ := strings.Cut(name, ".")
		_, isAsked := asked[name]
		switch {
		case !is:
			t.Errorf("%s has no entry: add {%q, %q, <the row that says who gets it>} to matrix in matrix_rules_test.go", name, object, field)
		case r.inPayload && len(mutationsWith(object)) == 0:
			t.Errorf("%s: no mutation answers %s, so its row cannot be one of payloads", name, object)
		case object == "Mutation" && !isAsked:
			t.Errorf("%s is asked for by nobody: give asked an input with which right alone decides", name)
		case !r.inPayload && object != "Mutation" && ways[object].document == "":
			t.Errorf("%s: add a document that leads to a %s to ways in matrix_ways_test.go", name, object)
		case r.asParent && objectFields[ways[object].under] == nil:
			t.Errorf("%s is asParent: the way to %s must be under a field, not %q", name, object, ways[object].under)
		case !isAsked && slices.ContainsFunc(f.Arguments, func(a *ast.ArgumentDefinition) bool { return a.Type.NonNull && a.DefaultValue == nil }):
			t.Errorf("%s needs arguments: add it to asked in matrix_rules_test.go", name)
		}
	}
	seen := map[string]bool{}
	for _, line := range matrix {
		for _, field := range strings.Fields(line.fields) {
			if name := line.object + "." + field; seen[name] {
				t.Errorf("%s has two entries", name)
			} else {
				seen[name] = true
			}
		}
		if slices.Contains(line.cells[:], "") && !line.asParent && !line.inPayload {
			t.Errorf("%s %s: a row has a cell for each of %q", line.object, line.fields, callers)
		}
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(rules)), slices.Collect(maps.Keys(asked))) {
		if objectFields[name] == nil {
			t.Errorf("%s has an entry and is not in the schema", name)
		}
	}
	for name := range ways {
		if schema.Types[name] == nil && objectFields[name] == nil {
			t.Errorf("%s has a way and is not in the schema", name)
		}
	}
}

func mutationsWith(payload string) []string {
	var names []string
	for _, f := range schema.Mutation.Fields {
		if f.Type.Name() == payload {
			names = append(names, f.Name)
		}
	}
	return names
}

// ruleOf is the row of a field with its cells, also where they follow from those of its parent.
func ruleOf(t *testing.T, name string) row {
	t.Helper()
	r := rules[name]
	if !r.asParent {
		return r
	}
	object, _, _ := strings.Cut(name, ".")
	parent := ruleOf(t, ways[object].under)
	for c, got := range parent.cells {
		switch got {
		case ok:
		case empty:
			parent.cells[c] = r.whenEmpty
		default:
			parent.cells[c] = unreachable
		}
	}
	return parent
}

// Every field of every object, as each caller gets it.
func TestTheMatrixOfFields(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		w := newWorld(s)
		for _, name := range slices.Sorted(maps.Keys(objectFields)) {
			object, field, _ := strings.Cut(name, ".")
			if rule, known := rules[name]; object == "Mutation" || !known || rule.inPayload {
				continue // left to the other two tests
			}
			r := ruleOf(t, name)
			to, is := ways[name]
			if !is {
				to = ways[object]
			}
			document := w.fill(fmt.Sprintf(to.document, "it: "+askedAs(name, field)+whatOf(objectFields[name])))
			for c, want := range r.cells {
				a := s.ask(w.keyOf(caller(c), r), document, nil)
				if got := outcomeOf(a); got != want {
					t.Errorf("%s, %s: got %s, want %s\n%s\n%.600s", name, callers[c], got, want, document, a.text)
				}
				if caller(c) == outsider || want != ok {
					w.tellsNothing(t, name, caller(c), a)
				}
			}
		}
	})
}

func askedAs(name, field string) string {
	if text := asked[name]; text != "" {
		return text
	}
	return field
}

// whatOf selects enough of a field to see that there is something.
func whatOf(f *ast.FieldDefinition) string {
	d := schema.Types[f.Type.Name()]
	switch {
	case !d.IsCompositeType():
		return ""
	case strings.HasSuffix(d.Name, "Connection"):
		return " { nodes" + whatOf(d.Fields.ForName("nodes")) + " }"
	case d.Fields.ForName("id") != nil:
		return " { id }"
	}
	return " { __typename }"
}

// outcomeOf reads the answer to a document that asks for one field, named `it`.
func outcomeOf(a answer) outcome {
	if len(a.Errors) > 0 {
		code := a.Errors[0].Extensions.Code
		if slices.Contains(a.Errors[0].Path, any("it")) || code != "auth.unauthenticated" && code != "auth.forbidden" {
			return outcome(code[strings.LastIndexByte(code, '.')+1:])
		}
		return unreachable
	}
	it, is := reach(a.Data)
	if !is {
		return unreachable
	}
	if object, is := it.(map[string]any); is && object["nodes"] != nil {
		it = object["nodes"]
	}
	switch it := it.(type) {
	case nil:
		return null
	case []any:
		if len(it) == 0 {
			return empty
		}
		if !slices.ContainsFunc(it, func(v any) bool { return v != nil }) {
			return null
		}
	}
	return ok
}

// reach finds `it` in data of which every object has one member.
func reach(data any) (any, bool) {
	switch data := data.(type) {
	case map[string]any:
		if it, is := data["it"]; is {
			return it, true
		}
		for _, member := range data {
			return reach(member)
		}
	case []any:
		for _, entry := range data {
			if it, is := reach(entry); is {
				return it, true
			}
		}
	}
	return nil, false
}

// Every mutation, by each caller, on things of its own. What is refused changes nothing; what is
// answered as done is done, and not by another organization.
func TestTheMatrixOfMutations(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		w := newWorld(s)
		for _, f := range schema.Mutation.Fields {
			r, name := rules["Mutation."+f.Name], "Mutation."+f.Name
			for c, want := range r.cells {
				s.pass(time.Second)
				w.begin()
				key := w.keyOf(caller(c), r)
				w.caller = key
				document, variables := hidden(w.fill("mutation { it: " + asked[name] + " {" + payloadOf(f) + " } }"))
				before := w.dump()
				a := s.ask(key, document, variables)
				got := done(a)
				if got != want {
					t.Errorf("%s, %s: got %s, want %s\n%s\n%.600s", name, callers[c], got, want, document, a.text)
				}
				payloadAgrees(t, f, callers[c], got, a)
				if caller(c) == outsider || want != ok {
					w.tellsNothing(t, name, caller(c), a)
				}
				changed := w.dump() != before
				if must := want == ok && caller(c) != outsider; changed != must {
					t.Errorf("%s, %s: %s; something of the organization is changed: %t, want %t\n%s", name, callers[c], got, changed, must, document)
				}
			}
		}
	})
}

func payloadOf(f *ast.FieldDefinition) string {
	var text strings.Builder
	for _, of := range schema.Types[f.Type.Name()].Fields {
		text.WriteString(" " + of.Name)
		switch {
		case of.Name == "userErrors":
			text.WriteString(" { code }")
		case schema.Types[of.Type.Name()].IsCompositeType():
			text.WriteString(" { __typename }")
		}
	}
	return text.String()
}

// done reads the answer to a mutation named `it`.
func done(a answer) outcome {
	payload, is := a.Data["it"].(map[string]any)
	if !is {
		return outcomeOf(a)
	}
	if payload["code"] == "NOT_FOUND" {
		return notFound
	}
	faults, _ := payload["userErrors"].([]any)
	if len(faults) == 0 {
		return ok
	}
	switch code := faults[0].(map[string]any)["code"].(string); code {
	case "not_found", "api_keys.user_not_found":
		return notFound
	case "auth.forbidden":
		return refused
	default:
		return outcome(code)
	}
}

func payloadAgrees(t *testing.T, f *ast.FieldDefinition, who string, got outcome, a answer) {
	t.Helper()
	payload, is := a.Data["it"].(map[string]any)
	if is != (got == ok || got == notFound || got == refused) {
		t.Errorf("%s, %s: a payload %t with %s\n%s", f.Name, who, is, got, a.text)
	}
	for field, value := range payload {
		r := rules[f.Type.Name()+"."+field]
		if must := r.always || got == ok && (r.by == nil || slices.Contains(r.by, f.Name)); (value != nil) != must {
			t.Errorf("%s.%s of %s, %s: there %t, want %t\n%s", f.Type.Name(), field, f.Name, who, value != nil, must, a.text)
		}
	}
}

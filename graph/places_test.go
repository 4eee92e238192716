package graph_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// place is one input value that callers choose: a path in the arguments of a field.
type place struct {
	field *ast.FieldDefinition
	path  []string // the argument and then members of input objects; a list stands for its one entry
	leaf  *ast.Type
}

func (p place) String() string { return p.field.Name + "(" + strings.Join(p.path, ".") + ":)" }

// named reports whether an error's field names p: the whole path or one without the `input` around
// it, with the entry of a list or a member of what stands there.
func (p place) named(field string) bool {
	field = position.ReplaceAllString(field, "")
	for _, path := range [][]string{p.path, p.path[min(1, len(p.path)-1):]} {
		if name := strings.Join(path, "."); field == name || strings.HasPrefix(field, name+".") {
			return true
		}
	}
	return false
}

var position = regexp.MustCompile(`\[\d+\]`)

func placesOf(f *ast.FieldDefinition) []place {
	var found []place
	var walk func(path []string, t *ast.Type)
	walk = func(path []string, t *ast.Type) {
		found = append(found, place{f, slices.Clone(path), t})
		if d := schema.Types[t.Name()]; d.Kind == ast.InputObject {
			for _, member := range d.Fields {
				walk(append(path, member.Name), member.Type)
			}
		}
	}
	for _, a := range f.Arguments {
		walk([]string{a.Name}, a.Type)
	}
	return found
}

// hosts are the ways to the objects whose fields take arguments.
var hosts = map[string]string{
	"Query":        "query%s { it: %s }",
	"Mutation":     "mutation%s { it: %s }",
	"ApiKey":       "query%s { viewerKey { it: %s } }",
	"User":         "query%s { viewer { it: %s } }",
	"Organization": "query%s { organization { it: %s } }",
	"Project":      "query%s { viewerKey { project { it: %s } } }",
	"Environment":  "query%s { projects { nodes { environments { it: %s } } } }",
}

// given puts a raw value at the path of p into a copy of the arguments. Missing objects on the way
// are made, with the members that they must have.
func (p place) given(arguments map[string]any, value json.RawMessage) map[string]any {
	copied := map[string]any{}
	maps.Copy(copied, arguments)
	for _, a := range p.field.Arguments {
		if d := schema.Types[a.Type.Name()]; a.Type.NonNull && d.Kind == ast.Enum {
			copied[a.Name] = d.EnumValues[0].Name
		}
	}
	argument := p.path[0]
	copied[argument] = within(copied[argument], p.field.Arguments.ForName(argument).Type, p.path[1:], value)
	return copied
}

func within(old any, t *ast.Type, path []string, value json.RawMessage) any {
	if len(path) == 0 {
		return value
	}
	if t.Elem != nil {
		return []any{within(nil, t.Elem, path, value)}
	}
	d := schema.Types[t.Name()]
	members := map[string]any{}
	if object, ok := old.(map[string]any); ok {
		maps.Copy(members, object)
	} else {
		for _, m := range d.Fields {
			switch of := schema.Types[m.Type.Name()]; {
			case !m.Type.NonNull || m.DefaultValue != nil:
			case of.Kind == ast.Enum:
				members[m.Name] = of.EnumValues[0].Name
			default:
				members[m.Name] = "a"
			}
		}
	}
	members[path[0]] = within(members[path[0]], d.Fields.ForName(path[0]).Type, path[1:], value)
	return members
}

// document asks for the field with its arguments as variables.
func document(object string, f *ast.FieldDefinition) string {
	var variables, arguments []string
	for _, a := range f.Arguments {
		variables = append(variables, fmt.Sprintf("$%s: %s", a.Name, a.Type))
		arguments = append(arguments, fmt.Sprintf("%s: $%[1]s", a.Name))
	}
	return fmt.Sprintf(hosts[object], "("+strings.Join(variables, ", ")+")", f.Name+"("+strings.Join(arguments, ", ")+")"+selection(f))
}

// inlined asks for the field with its arguments written out; false when they cannot be.
func inlined(object string, f *ast.FieldDefinition, arguments map[string]any) (string, bool) {
	text, err := json.Marshal(arguments)
	if err != nil {
		return "", false
	}
	var literal strings.Builder
	if !write(&literal, json.NewDecoder(strings.NewReader(string(text)))) {
		return "", false
	}
	inside := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(literal.String()), "{"), "}")
	return fmt.Sprintf(hosts[object], "", f.Name+"("+inside+")"+selection(f)), true
}

func selection(f *ast.FieldDefinition) string {
	d := schema.Types[f.Type.Name()]
	switch {
	case !d.IsCompositeType():
		return ""
	case d.Fields.ForName("userErrors") != nil:
		return " { userErrors { code message fields } }"
	}
	return " { __typename }"
}

var (
	memberName = regexp.MustCompile(`^[_A-Za-z][_0-9A-Za-z]*$`)
	enumValue  = regexp.MustCompile(`^(ACTIVE|CREATED_AT|ASC|CREATED|ADMIN|HUMAN|UNSPECIFIED)$`)
)

// write turns the next JSON value into the notation of GraphQL: names of members and values of
// enumerations lose their quotes.
func write(to *strings.Builder, from *json.Decoder) bool {
	token, err := from.Token()
	if err != nil {
		return false
	}
	switch token := token.(type) {
	case json.Delim:
		to.WriteString(token.String())
		for from.More() {
			if token == '{' {
				name, err := from.Token()
				if err != nil || !memberName.MatchString(name.(string)) {
					return false
				}
				to.WriteString(name.(string) + ": ")
			}
			if !write(to, from) {
				return false
			}
			to.WriteByte(' ')
		}
		end, err := from.Token()
		if err != nil {
			return false
		}
		to.WriteString(end.(json.Delim).String())
	case string:
		if enumValue.MatchString(token) {
			to.WriteString(token)
			break
		}
		quoted, err := json.Marshal(token)
		if err != nil {
			return false
		}
		to.Write(quoted)
	case nil:
		to.WriteString("null")
	default:
		fmt.Fprint(to, token)
	}
	return true
}

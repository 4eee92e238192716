package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
)

// Whatever way a key without scopes goes through the schema, it meets nothing but itself, its family,
// and id and names of what stands around it. Others have acted on it, and are not told.
func TestAKeyWithoutScopesMeetsNobodyElse(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		a := s.ask(s.admin, `mutation { createUser(input: {login: "mia"}) { user { id organization { id } } }
			createProject(input: {name: "shop", environments: ["live", "test"]}) { project { id environments { id } } } }`, nil)
		mia, shop := a.str(t, "createUser", "user", "id"), a.str(t, "createProject", "project", "id")
		live := a.str(t, "createProject", "project", "environments", 0, "id")
		id, text := s.create(s.admin, map[string]any{"name": "bare", "ownerId": mia, "projectId": shop, "environmentId": live})
		s.create(s.admin, map[string]any{"name": "another of hers", "ownerId": mia, "projectId": shop})
		rotated := s.ask(s.admin, fmt.Sprintf(`mutation { rotateApiKey(input: {id: %q}) { newKey { id familyId } } }`, id), nil)
		successor := rotated.str(t, "rotateApiKey", "newKey", "id")
		s.ask(s.admin, fmt.Sprintf(`mutation { revokeApiKey(input: {id: %q, note: "by the administrator"}) { apiKey { id } } }`, successor), nil)

		allowed := []string{id, successor, mia, shop, live, a.str(t, "createUser", "user", "organization", "id"), rotated.str(t, "rotateApiKey", "newKey", "familyId")}
		ways := "{ viewer { " + everything("User", 4) + "} viewerKey { " + everything("ApiKey", 4) + "} organization { " + everything("Organization", 3) + "}" +
			" nodes(ids: [\"" + strings.Join(allowed, `" "`) + "\"]) { id " + onNodes() + "} }"
		seen := s.ask(text, ways, nil)
		if len(seen.Errors) > 0 {
			t.Fatalf("%.2000s", seen.text)
		}
		for _, met := range variable.FindAllString(seen.text, -1) {
			if !strings.HasPrefix(met, "ktg_") && !slices.Contains(allowed, met) {
				t.Errorf("%s is nothing of its own", met)
			}
		}
		for _, word := range []string{"admin", "Admin", "another of hers", "test"} {
			if strings.Contains(strings.ReplaceAll(seen.text, `by the administrator`, ""), `"`+word) {
				t.Errorf("%q is told: %.3000s", word, seen.text)
			}
		}
		if seen.str(t, "viewerKey", "replacedBy", "revocation", "note") != "by the administrator" || seen.at(t, "viewerKey", "replacedBy", "revocation", "by", "user") != nil ||
			seen.at(t, "viewerKey", "createdBy") != nil {
			t.Errorf("%s", seen.text)
		}
	})
}

// everything selects all fields of a type that need no scope and no argument, to a depth.
func everything(object string, depth int) string {
	var fields strings.Builder
	for _, f := range schema.Types[object].Fields {
		d := schema.Types[f.Type.Name()]
		switch {
		case strings.HasPrefix(f.Name, "__") || f.Directives.ForName("hasScope") != nil || slices.ContainsFunc(f.Arguments, func(a *ast.ArgumentDefinition) bool { return a.Type.NonNull }):
		case d.Kind == ast.Interface:
			fields.WriteString(f.Name + " { __typename } ")
		case !d.IsCompositeType():
			fields.WriteString(f.Name + " ")
		case depth > 0:
			fields.WriteString(f.Name + " { " + everything(d.Name, depth-1) + "} ")
		}
	}
	if fields.Len() == 0 {
		return "__typename "
	}
	return fields.String()
}

// onNodes selects everything of each type that has an id.
func onNodes() string {
	var text strings.Builder
	for _, d := range schema.PossibleTypes["Node"] {
		text.WriteString("... on " + d.Name + " { n" + d.Name + ": __typename " + everything(d.Name, 1) + "} ")
	}
	return text.String()
}

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
		source := s.sources("of others")["webhook"]
		told := s.ask(s.admin, fmt.Sprintf(`mutation { setApiKeyNotification(input: {apiKeyId: %q, notifyAt: "2026-09-01T00:00:00Z", alertSourceId: %q}) {
			notification { id job { id } } apiKey { lastRotation { id } } } }`, id, source), nil)

		allowed := []string{id, successor, mia, shop, live, a.str(t, "createUser", "user", "organization", "id"), rotated.str(t, "rotateApiKey", "newKey", "familyId"), source,
			told.str(t, "setApiKeyNotification", "notification", "id"), told.str(t, "setApiKeyNotification", "notification", "job", "id"),
			told.str(t, "setApiKeyNotification", "apiKey", "lastRotation", "id")}
		met := map[string]bool{}
		look := func(way string) answer {
			seen := s.ask(text, "{ "+way+" }", nil)
			if len(seen.Errors) > 0 {
				t.Fatalf("%.2000s", seen.text)
			}
			for _, id := range variable.FindAllString(seen.text, -1) {
				if met[id] = true; !strings.HasPrefix(id, "ktg_") && !slices.Contains(allowed, id) {
					t.Errorf("%s is nothing of its own", id)
				}
			}
			for _, word := range []string{"admin", "Admin", "another of hers", "test"} {
				if strings.Contains(strings.ReplaceAll(seen.text, `by the administrator`, ""), `"`+word) {
					t.Errorf("%q is told: %.3000s", word, seen.text)
				}
			}
			return seen
		}
		look("viewer { " + everything("User", 4) + "}")
		look("organization { " + everything("Organization", 3) + "}")
		for _, d := range schema.PossibleTypes["Node"] { // one by one: fields of one name may differ in type
			look("nodes(ids: [\"" + strings.Join(allowed, `" "`) + "\"]) { id ... on " + d.Name + " { " + everything(d.Name, 1) + "} }")
		}
		seen := look("viewerKey { " + everything("ApiKey", 3) + "}")
		for _, id := range allowed {
			if !met[id] {
				t.Errorf("%s is its own, and not met", id)
			}
		}
		// Of the source that tells of it, it sees the name.
		if a := s.ask(text, `{ viewerKey { notification { alertSource { id ... on WebhookAlertSource { url } } } } }`, nil); len(a.Errors) != 1 || a.Errors[0].Extensions.Code != "auth.forbidden" {
			t.Errorf("%s", a.text)
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
			fields.WriteString(f.Name + " { __typename id } ")
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

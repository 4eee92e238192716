package graph_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/keytag/keytag/graph/generated"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
)

var schema = generated.NewExecutableSchema(generated.Config{}).Schema()

func TestEveryMemberIsDescribed(t *testing.T) {
	for name, d := range schema.Types {
		if d.BuiltIn {
			continue
		}
		if d.Description == "" && name != "Query" && name != "Mutation" {
			t.Errorf("%s has no description", name)
		}
		for _, f := range d.Fields {
			if f.Description == "" && !strings.HasPrefix(f.Name, "__") {
				t.Errorf("%s.%s has no description", name, f.Name)
			}
			for _, a := range f.Arguments {
				if a.Description == "" && !strings.HasPrefix(f.Name, "__") {
					t.Errorf("%s.%s(%s:) has no description", name, f.Name, a.Name)
				}
			}
		}
		for _, v := range d.EnumValues {
			if v.Description == "" {
				t.Errorf("%s.%s has no description", name, v.Name)
			}
		}
	}
}

// open are the root fields that anybody may ask for.
var open = []string{"viewer", "viewerKey", "serverInfo", "__schema", "__type"}

func rootFields() []*ast.FieldDefinition {
	return slices.Concat(schema.Query.Fields, schema.Mutation.Fields)
}

func TestEveryRootFieldSaysWhoMayAsk(t *testing.T) {
	for _, f := range rootFields() {
		gated := f.Directives.ForName("hasScope") != nil || f.Directives.ForName("authenticated") != nil
		if gated == slices.Contains(open, f.Name) {
			t.Errorf("%s: gated %t", f.Name, gated)
		}
	}
}

// call is a document that asks for one root field with arguments of the right types.
func call(f *ast.FieldDefinition) string {
	operation := "query"
	if schema.Mutation.Fields.ForName(f.Name) != nil {
		operation = "mutation"
	}
	var arguments []string
	for _, a := range f.Arguments {
		if a.Type.NonNull {
			arguments = append(arguments, a.Name+": "+literal(a.Type))
		}
	}
	text := operation + " { " + f.Name
	if len(arguments) > 0 {
		text += "(" + strings.Join(arguments, ", ") + ")"
	}
	if schema.Types[f.Type.Name()].IsCompositeType() {
		text += " { __typename }"
	}
	return text + " }"
}

func literal(t *ast.Type) string {
	if t.Elem != nil {
		return "[]"
	}
	switch d := schema.Types[t.Name()]; {
	case d.Kind == ast.InputObject:
		var members []string
		for _, f := range d.Fields {
			if f.Type.NonNull && f.DefaultValue == nil {
				members = append(members, f.Name+": "+literal(f.Type))
			}
		}
		return "{" + strings.Join(members, ", ") + "}"
	case d.Name == "Boolean":
		return "true"
	case d.Name == "Int":
		return "1"
	case d.Kind == ast.Enum:
		return d.EnumValues[0].Name
	case d.Name == "DateTime":
		return `"2030-01-01T00:00:00Z"`
	case d.Name == "Duration":
		return `"P1D"`
	}
	return `"x"`
}

func TestWithoutAKey(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		for _, f := range rootFields() {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			query, variables := hidden(call(f))
			a := s.ask("", query, variables)
			switch {
			case f.Name == "serverInfo":
				if len(a.Errors) > 0 || a.Data["serverInfo"] == nil {
					t.Errorf("%s: %s", f.Name, a.text)
				}
			case slices.Contains(open, f.Name):
				if len(a.Errors) > 0 || a.Data[f.Name] != nil {
					t.Errorf("%s: %s", f.Name, a.text)
				}
			case len(a.Errors) != 1 || a.Errors[0].Extensions.Code != "auth.unauthenticated" || a.Data[f.Name] != nil:
				t.Errorf("%s: %s", f.Name, a.text)
			}
		}
	})
}

// What a key without scopes may see of each type it can reach; everything else is forbidden.
var bare = map[string][]string{
	"User":         {"id", "login", "displayName", "organization"},
	"Organization": {"id", "name"},
	"Project":      {"id", "name", "organization"},
	"Environment":  {"id", "name", "project"},
}

func TestAKeyWithoutScopes(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		environment := s.ask(s.admin, `{ projects { nodes { environments { id } } } }`, nil).str(t, "projects", "nodes", 0, "environments", 0, "id")
		other, _ := s.create(s.admin, map[string]any{"name": "other"})
		_, text := s.create(s.admin, map[string]any{"name": "bare", "environmentId": environment})

		// Every field of the key itself.
		var fields []string
		for _, f := range schema.Types["ApiKey"].Fields {
			switch {
			case f.Directives.ForName("hasScope") != nil:
				if a := s.ask(text, "{ viewerKey { "+f.Name+" { __typename } } }", nil); len(a.Errors) != 1 || a.Errors[0].Extensions.Code != "auth.forbidden" {
					t.Errorf("%s: %s", f.Name, a.text)
				}
			case f.Name == "can":
				fields = append(fields, `can(scopes: ["a"]) { code }`)
			case f.Name == "state":
				fields = append(fields, `state(at: "2030-01-01T00:00:00Z") { status }`)
			case schema.Types[f.Type.Name()].IsCompositeType():
				fields = append(fields, f.Name+" { __typename }")
			default:
				fields = append(fields, f.Name)
			}
		}
		if a := s.ask(text, "{ viewer { id } viewerKey { "+strings.Join(fields, " ")+" } }", nil); len(a.Errors) > 0 || a.Data["viewerKey"] == nil {
			t.Errorf("%s", a.text)
		}
		// Every field of what stands around it.
		for parent, name := range map[string]string{"owner": "User", "organization": "Organization", "project": "Project", "environment": "Environment"} {
			for _, f := range schema.Types[name].Fields {
				selection := f.Name
				if schema.Types[f.Type.Name()].IsCompositeType() {
					selection += " { __typename }"
				}
				a := s.ask(text, "{ viewerKey { "+parent+" { "+selection+" } } }", nil)
				allowed := slices.Contains(bare[name], f.Name)
				if allowed != (len(a.Errors) == 0) || !allowed && a.Errors[0].Extensions.Code != "auth.forbidden" {
					t.Errorf("%s.%s: %s", name, f.Name, a.text)
				}
			}
		}
		// Every root field.
		for _, f := range rootFields() {
			if f.Directives.ForName("hasScope") == nil {
				continue
			}
			query, variables := hidden(call(f))
			if a := s.ask(text, query, variables); len(a.Errors) != 1 || a.Errors[0].Extensions.Code != "auth.forbidden" || a.Data[f.Name] != nil {
				t.Errorf("%s: %s", f.Name, a.text)
			}
		}
		admin := s.ask(s.admin, `{ viewer { id } organization { id } }`, nil)
		a := s.ask(text, fmt.Sprintf(`{ other: apiKey(id: %q) { id } node(id: %[1]q) { id } nodes(ids: [%[1]q, %q]) { id } organization { name } }`,
			other, admin.str(t, "organization", "id")), nil)
		if len(a.Errors) > 0 || a.Data["other"] != nil || a.Data["node"] != nil || a.at(t, "nodes", 0) != nil || a.at(t, "nodes", 1) == nil {
			t.Errorf("%s", a.text)
		}
		rotated := s.ask(text, `mutation { rotateViewerKey(input: {}) { newKey { id replaces { id } } secret } }`, nil)
		if len(rotated.Errors) > 0 {
			t.Errorf("%s", rotated.text)
		}
		if a := s.ask(rotated.str(t, "rotateViewerKey", "secret"), `mutation { revokeViewerKey(input: {}) { apiKey { status } } }`, nil); a.str(t, "revokeViewerKey", "apiKey", "status") != "REVOKED" {
			t.Errorf("%s", a.text)
		}
	})
}

func TestAskingForUsers(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		mia := s.ask(s.admin, `mutation { createUser(input: {login: "mia"}) { user { id } } }`, nil).str(t, "createUser", "user", "id")
		admin := s.ask(s.admin, `{ viewer { id } }`, nil).str(t, "viewer", "id")
		_, text := s.create(s.admin, map[string]any{"name": "m", "ownerId": mia, "scopes": []string{"keytag:directory:read"}})
		unknown := "usr_01m82x0gdhfgyr9ssgp87fptxy"
		for _, c := range []struct{ key, id, code string }{
			{s.admin, mia, ""},
			{s.admin, unknown, "api_keys.user_not_found"},
			{text, mia, ""},
			{text, admin, "auth.forbidden"},
			{text, unknown, "auth.forbidden"},
		} {
			a := s.ask(c.key, `query($id: ID!) { user(id: $id) { login } }`, map[string]any{"id": c.id})
			if c.code == "" && (len(a.Errors) > 0 || a.Data["user"] == nil) || c.code != "" && (len(a.Errors) != 1 || a.Errors[0].Extensions.Code != c.code) {
				t.Errorf("%s: %s", c.id, a.text)
			}
		}
	})
}

func TestAuthentication(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		who := `{"query":"{ viewerKey { id } }"}`
		id, text := s.create(s.admin, map[string]any{"name": "k", "expiresIn": "PT1H"})
		send := func(headers ...string) answer {
			return s.post(who, func(h http.Header) {
				for i := 0; i < len(headers); i += 2 {
					h.Add(headers[i], headers[i+1])
				}
			})
		}
		for _, a := range []answer{send("Authorization", "Bearer "+text), send("X-Api-Key", text), send("Authorization", "bearer "+text, "X-Api-Key", text)} {
			if a.str(t, "viewerKey", "id") != id || a.header.Get("Keytag-Key-Id") != id || a.header.Get("Cache-Control") != "no-store" ||
				a.header.Get("Keytag-Key-Expires-At") != "2026-08-31T11:00:00Z" {
				t.Errorf("%v %s", a.header, a.text)
			}
		}
		if a := send("Authorization", "Bearer "+text, "X-Api-Key", s.admin); a.status != 400 || a.Errors[0].Extensions.Code != "auth.ambiguous" {
			t.Errorf("%d %s", a.status, a.text)
		}
		unknown := text[:len(text)-7] + "0" + text[len(text)-6:]
		var bodies []string
		for _, a := range []answer{
			send("Authorization", "Bearer "), send("Authorization", "Basic abc"), send("X-Api-Key", "ktg_"), send("X-Api-Key", unknown),
			send("X-Api-Key", "ktg_0000000000_00000000000000000000000000000000"+"000000"),
		} {
			if a.status != 401 || a.Errors[0].Extensions.Code != "api_keys.invalid" || a.header.Get("WWW-Authenticate") != "Bearer" ||
				a.header.Get("X-Cloud-Error-Codes") != "api_keys.invalid" || a.Data != nil {
				t.Errorf("%d %v %s", a.status, a.header, a.text)
			}
			before, _, _ := strings.Cut(a.text, `"requestId"`)
			bodies = append(bodies, before)
		}
		if len(slices.Compact(bodies)) != 1 {
			t.Errorf("told apart: %q", bodies)
		}

		change := func(fn func(ctx context.Context, tx *store.Tx) error) {
			t.Helper()
			if err := s.store.Write(principal.System(t.Context()), fn); err != nil {
				t.Fatal(err)
			}
		}
		refused := func(status int, code, at string) {
			t.Helper()
			a := send("X-Api-Key", text)
			if a.status != status || a.Errors[0].Extensions.Code != code || a.Errors[0].Extensions.At != at {
				t.Errorf("%d %s", a.status, a.text)
			}
		}
		owner := s.ask(s.admin, `{ viewer { id } }`, nil).str(t, "viewer", "id")
		change(func(ctx context.Context, tx *store.Tx) error {
			return tx.User.UpdateOneID(owner).SetDisabledAt(start).Exec(ctx)
		})
		refused(403, "auth.owner_disabled", "2026-08-31T10:00:00Z")
		change(func(ctx context.Context, tx *store.Tx) error {
			return tx.User.UpdateOneID(owner).ClearDisabledAt().SetMayUseAPIKeys(false).Exec(ctx)
		})
		refused(403, "auth.owner_not_privileged", "")
		change(func(ctx context.Context, tx *store.Tx) error {
			return tx.User.UpdateOneID(owner).SetMayUseAPIKeys(true).Exec(ctx)
		})
		change(func(ctx context.Context, tx *store.Tx) error {
			return tx.APIKey.UpdateOneID(id).SetSuspendedAt(start).Exec(ctx)
		})
		refused(401, "api_keys.suspended", "2026-08-31T10:00:00Z")
		change(func(ctx context.Context, tx *store.Tx) error {
			return tx.APIKey.UpdateOneID(id).ClearSuspendedAt().Exec(ctx)
		})
		s.pass(time.Hour)
		refused(401, "api_keys.expired", "2026-08-31T11:00:00Z")

		// The headers tell of the key as the request leaves it.
		_, mine := s.create(s.admin, map[string]any{"name": "self"})
		a := s.ask(mine, `mutation { rotateViewerKey(input: {gracePeriod: "PT5M"}) { graceExpiresAt } }`, nil)
		if a.header.Get("Keytag-Key-Expires-At") != "2026-08-31T11:05:00Z" {
			t.Errorf("%v", a.header)
		}
	})
}

func TestTheDatabaseGone(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		if err := s.store.Close(); err != nil {
			t.Fatal(err)
		}
		a := s.ask(s.admin, `{ viewerKey { id } }`, nil)
		if a.status != 503 || a.Errors[0].Extensions.Code != "auth.unavailable" || strings.Contains(a.text, "sql") {
			t.Errorf("%d %s", a.status, a.text)
		}
	})
}

package graph_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

// A list reads only the columns that the wanted fields are made of. Every field asked for alone must be
// what it is beside all others, in every order.
func TestFieldsOfAListDoNotDependOnEachOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		site := newSite(t, s)
		do := func(key, query string, variables map[string]any) answer {
			t.Helper()
			a := site.ask(key, query, variables)
			if len(a.Errors) > 0 {
				t.Fatal(a.text)
			}
			return a
		}
		var texts []string
		for i := range 4 {
			_, text := site.create(site.admin, map[string]any{"name": fmt.Sprint("Key ", i), "description": fmt.Sprint("number ", i), "scopes": []string{"deploy:write"}, "allowedIps": []string{"127.0.0.0/8", "::1/128"}})
			texts = append(texts, text)
		}
		site.pass(time.Minute)
		do(texts[1], `mutation { rotateViewerKey(input: {gracePeriod: "PT1H"}) { userErrors { message } } }`, nil)
		do(texts[2], `{ viewerKey { id } }`, nil)
		do(texts[3], `mutation { revokeViewerKey(input: {reason: KEY_COMPROMISE}) { userErrors { message } } }`, nil)

		fields := map[string]string{}
		for _, f := range schema.Types["ApiKey"].Fields {
			selection := f.Name
			switch f.Name {
			case "state":
				selection += fmt.Sprintf(`(at: %q) { status endsBecause effectiveExpiresAt }`, site.clock().Add(time.Hour).Format(time.RFC3339))
			case "can":
				selection += `(scopes: ["deploy:write"]) { allowed code missingScopes until }`
			case "revocation":
				selection += ` { at reason note by { user { id } apiKey { id } } }`
			case "details":
				selection += ` { kind message at localTime }`
			case "auditEvents":
				selection += `(first: 2) { nodes { id action } }`
			case "rotation":
				selection += ` { intervalDays gracePeriod delivery }`
			case "lastRotation":
				selection += ` { id status automatic }`
			default:
				if d := schema.Types[f.Type.Name()]; d.Kind == ast.Object {
					selection += ` { id }`
				}
			}
			fields[f.Name] = selection
		}
		all := ""
		for _, selection := range fields {
			all += selection + " "
		}
		for _, order := range []string{"CREATED_AT", "EXPIRES_AT", "EFFECTIVE_EXPIRES_AT", "LAST_USED_AT", "NEXT_ROTATION_AT", "NAME"} {
			list := func(selection string) []any {
				t.Helper()
				return do(site.admin, `query($by: ApiKeyOrderField!) { apiKeys(orderBy: {field: $by, direction: DESC}) { nodes { `+selection+` } } }`, map[string]any{"by": order}).at(t, "apiKeys", "nodes").([]any)
			}
			whole := list(all)
			if len(whole) < 5 {
				t.Fatalf("%d keys", len(whole))
			}
			for name, selection := range fields {
				alone := list(selection)
				for i := range whole {
					one, other := alone[i].(map[string]any)[name], whole[i].(map[string]any)[name]
					if !reflect.DeepEqual(one, other) {
						t.Errorf("by %s, %s alone is %v, beside others %v", order, name, one, other)
					}
				}
			}
		}
	})
}

// A list of which only the shape is wanted reads of each key what it is ordered by.
func TestShapeOfAListReadsNoKeys(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		for _, shape := range []string{"totalCount", "pageInfo { hasNextPage endCursor }", "edges { cursor }"} {
			var a answer
			sent := s.statements(func() { a = s.ask(s.admin, `{ apiKeys(orderBy: {field: NAME, direction: ASC}) { `+shape+` } }`, nil) })
			if len(a.Errors) > 0 {
				t.Fatal(a.text)
			}
			lists := 0
			for _, statement := range sent {
				columns, _, _ := strings.Cut(statement, " FROM ")
				if !strings.Contains(columns, "name_folded") {
					continue
				}
				if lists++; strings.Contains(columns, "scopes") || strings.Contains(columns, "description") {
					t.Errorf("%s reads %s", shape, columns)
				}
			}
			if lists != 1 {
				t.Errorf("%s: %d lists among %q", shape, lists, sent)
			}
		}
	})
}

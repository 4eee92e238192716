package graph_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestTheTrail(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		mia := s.ask(s.admin, `mutation { createUser(input: {login: "mia"}) { user { id } } }`, nil).str(t, "createUser", "user", "id")
		id, text := s.create(s.admin, map[string]any{"name": "m", "ownerId": mia, "scopes": []string{"keytag:keys:read", "keytag:audit:read"}})
		other, _ := s.create(s.admin, map[string]any{"name": "other"})
		s.ask(s.admin, fmt.Sprintf(`mutation { updateApiKey(input: {id: %q, scopes: ["keytag:audit:read", "keytag:keys:read", "a"]}) { userErrors { code } } }`, id), nil)
		denied := s.ask(text, `mutation { createProject(input: {name: "x"}) { project { id } } }`, nil)
		if denied.Errors[0].Extensions.Code != "auth.forbidden" {
			t.Fatal(denied.text)
		}
		trail := `{ auditEvents { totalCount nodes { action subjectId reason actor { user { login } } subject { __typename } changes { field before after } ip requestId } } }`
		var actions []string
		a := s.ask(text, trail, nil)
		for i := range a.at(t, "auditEvents", "nodes").([]any) {
			actions = append(actions, a.str(t, "auditEvents", "nodes", i, "action"))
		}
		if strings.Contains(a.text, other) || len(actions) != 3 || !strings.Contains(strings.Join(actions, " "), "access.denied") {
			t.Errorf("a member sees the events of its own keys: %v", a.text)
		}
		one := s.ask(s.admin, fmt.Sprintf(`{ auditEvents(filter: {subjectId: %q, actions: ["api_key.updated"]}) { totalCount nodes { actor { user { login } system } changes { field before after } } } }`, id), nil)
		if !strings.Contains(one.text, `"changes":[{"field":"scopes","before":"keytag:audit:read keytag:keys:read","after":"a keytag:audit:read keytag:keys:read"}]`) {
			t.Error(one.text)
		}
		if none := s.ask(s.admin, `{ auditEvents(filter: {actions: []}) { totalCount } }`, nil); none.at(t, "auditEvents", "totalCount") != 0.0 {
			t.Error(none.text)
		}
	})
}

func TestProbes(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		_, text := s.create(s.admin, map[string]any{"name": "k"})
		probe := func(query string) answer {
			s.t.Helper()
			return s.post(`{"query":"`+query+`"}`, with("Authorization", "Bearer "+text, "Keytag-Probe", "1"))
		}
		if a := probe(`{ viewerKey { lastUsedAt } viewer { id } serverInfo { now } }`); a.status != 200 || a.at(t, "viewerKey", "lastUsedAt") != nil {
			t.Errorf("%d %s", a.status, a.text)
		}
		for _, query := range []string{`{ organization { id } }`, `mutation { revokeViewerKey(input: {}) { apiKey { id } } }`, `{ viewer { id } organization { id } }`} {
			if a := probe(query); a.status != 400 || a.Errors[0].Extensions.Code != "probe.not_allowed" {
				t.Errorf("%s: %d %s", query, a.status, a.text)
			}
		}
	})
}

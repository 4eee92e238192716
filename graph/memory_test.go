package graph_test

import (
	"testing"
	"time"

	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

// A key that asks about itself, and one that is verified, cost no statement once they are remembered; what is
// changed is seen by the next request.
func TestWarmKeysAskNoDatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		s := newSite(t, st)
		id, text := s.create(s.admin, map[string]any{"name": "warm", "scopes": []string{"deploy:write"}})
		const viewerKey = `{ viewerKey { id name status scopes expiresAt effectiveExpiresAt endsBecause expiresInSeconds createdAt lastUsedAt } viewer { login } }`
		const verify = `mutation ($s: String!) { verifyApiKey(input: {secret: $s, requiredScopes: ["deploy:write"]}) { valid code apiKey { id name status effectiveExpiresAt scopes } missingScopes } }`
		ask := map[string]func() answer{
			"viewerKey":    func() answer { return s.ask(text, viewerKey, nil) },
			"verifyApiKey": func() answer { return s.ask(s.admin, verify, map[string]any{"s": text}) },
		}
		trusted := func() {
			t.Helper()
			for until := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
				if _, ok := st.Epoch.Now(); ok {
					return
				}
				if time.Now().After(until) {
					t.Fatal("memory is not trusted")
				}
			}
		}
		for name, do := range ask {
			trusted()
			if a := do(); len(a.Errors) > 0 {
				t.Fatal(a.text)
			}
			for range 50 {
				trusted()
				sent := s.statements(func() { do() })
				if _, ok := st.Epoch.Now(); ok && len(sent) > 0 { // else the machine paused for a second
					t.Fatalf("%s: %q", name, sent)
				}
			}
		}
		if a := s.ask(s.admin, `mutation ($id: ID!) { updateApiKey(input: {id: $id, name: "renamed"}) { userErrors { message } } }`, map[string]any{"id": id}); len(a.Errors) > 0 {
			t.Fatal(a.text)
		}
		if got := ask["viewerKey"]().str(t, "viewerKey", "name"); got != "renamed" {
			t.Errorf("viewerKey shows %q", got)
		}
		if got := ask["verifyApiKey"]().str(t, "verifyApiKey", "apiKey", "name"); got != "renamed" {
			t.Errorf("verifyApiKey shows %q", got)
		}
	})
}

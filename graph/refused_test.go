package graph_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
)

// Every end that a key can come to has a code of its own, told with the instant, and never sooner
// than at that instant.
func TestEveryEndHasItsCode(t *testing.T) {
	const who = `{ viewerKey { status } }`
	for _, c := range []struct {
		name, code, at string
		end            func(t *testing.T, s *site, id, text string)
	}{
		{"lifetime", "api_keys.expired", "2026-08-31T11:00:00Z", func(t *testing.T, s *site, id, text string) {
			s.pass(time.Hour - time.Microsecond)
			if a := s.ask(text, who, nil); a.status != 200 {
				t.Errorf("a microsecond before its end: %d %s", a.status, a.text)
			}
			s.pass(time.Microsecond)
		}},
		{"grace", "api_keys.grace_ended", "2026-08-31T10:30:00Z", func(t *testing.T, s *site, id, text string) {
			s.ask(text, `mutation { rotateViewerKey(input: {gracePeriod: "PT30M"}) { secret } }`, nil)
			s.pass(30*time.Minute - time.Microsecond)
			if a := s.ask(text, who, nil); a.status != 200 || a.str(t, "viewerKey", "status") != "ROTATING_OUT" {
				t.Errorf("a microsecond before its end: %d %s", a.status, a.text)
			}
			s.pass(time.Microsecond)
		}},
		{"revocation", "api_keys.revoked", "2026-08-31T10:00:00Z", func(t *testing.T, s *site, id, text string) {
			a := s.ask(text, `mutation { revokeViewerKey(input: {}) { apiKey { status } } }`, nil)
			if a.status != 200 || a.header.Get("Keytag-Key-Id") != id || a.header.Get("Keytag-Key-Expires-At") != "2026-08-31T10:00:00Z" {
				t.Errorf("the headers tell of the key as the request leaves it: %d %v", a.status, a.header)
			}
		}},
		{"disuse", "api_keys.inactive", "2026-08-31T10:10:00Z", func(t *testing.T, s *site, id, text string) {
			s.change(func(ctx context.Context, tx *store.Tx) error {
				return tx.APIKey.UpdateOneID(id).SetInactivityExpiresAt(start.Add(10 * time.Minute)).Exec(ctx)
			})
			s.pass(10 * time.Minute)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *site) {
				id, text := s.create(s.admin, map[string]any{"name": "k", "expiresIn": "PT1H"})
				c.end(t, s, id, text)
				for _, query := range []string{who, `{ serverInfo { version } }`, `mutation { revokeViewerKey(input: {}) { apiKey { id } } }`, `nonsense`} {
					a := s.ask(text, query, nil)
					if a.status != 401 || len(a.Errors) != 1 || a.Errors[0].Extensions.Code != c.code || a.Errors[0].Extensions.At != c.at || a.Data != nil {
						t.Errorf("%s: %d %s", query, a.status, a.text)
					}
					if h := a.header; h.Get("WWW-Authenticate") != "Bearer" || h.Get("X-Cloud-Error-Codes") != c.code || h.Get("Cache-Control") != "no-store" || h.Get("Keytag-Key-Id") != "" {
						t.Errorf("%s: %v", query, h)
					}
				}
			})
		})
	}
}

func (s *site) change(fn func(ctx context.Context, tx *store.Tx) error) {
	s.t.Helper()
	if err := s.store.Write(principal.System(s.t.Context()), fn); err != nil {
		s.t.Fatal(err)
	}
}

// A removed key, one whose secret a replay replaced, and text that never was a key: nobody can tell
// them apart.
func TestWhatIsNoKeyLooksTheSame(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		id, removed := s.create(s.admin, map[string]any{"name": "removed"})
		s.ask(s.admin, fmt.Sprintf(`mutation { removeApiKey(input: {id: %q}) { removedApiKeyId userErrors { code } } }`, id), nil)
		once := map[string]any{"name": "once", "idempotencyKey": "0123456789abcdef"}
		_, lost := s.create(s.admin, once)
		_, fresh := s.create(s.admin, once)
		if a := s.ask(fresh, `{ viewerKey { id } }`, nil); a.status != 200 {
			t.Fatal(a.text)
		}
		want := ""
		for name, text := range map[string]string{
			"removed": removed, "lost": lost, "malformed": "ktg_x", "empty": " ", "wrong checksum": fresh[:len(fresh)-1] + "~", "huge": strings.Repeat("k", 30_000),
			"unknown": "ktg_0000000000_00000000000000000000000000000000000000", "prefix": fresh[:14], "upper case": strings.ToUpper(fresh), "another's digest": "0123456789abcdef",
		} {
			a := s.post(`{"query":"{ viewerKey { id } }"}`, func(h http.Header) { h.Set("X-Api-Key", text) })
			id := a.header.Get("X-Request-Id")
			got := fmt.Sprintf("%d %s %s", a.status, a.header.Get("X-Cloud-Error-Codes"), strings.ReplaceAll(a.text, id, ""))
			if want == "" {
				want = got
			}
			if got != want || a.status != 401 || id == "" {
				t.Errorf("%s: %s, others %s", name, got, want)
			}
		}
	})
}

// No answer of the GraphQL door may be kept by a cache.
func TestNothingIsStored(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		for _, c := range []struct{ method, path, body, accept string }{
			{"POST", "/graphql", `{"query":"{ serverInfo { version } }"}`, ""},
			{"GET", "/graphql?query={serverInfo{version}}", "", ""},
			{"HEAD", "/graphql?query={serverInfo{version}}", "", ""},
			{"GET", "/graphql", "", ""},
			{"POST", "/graphql", `{`, ""},
			{"POST", "/graphql", `{"query":"{ serverInfo { version } }"}`, "text/html"},
			{"DELETE", "/graphql", "", ""},
			{"GET", "/graphql?query=mutation{revokeViewerKey(input:{}){apiKey{id}}}", "", ""},
		} {
			r, err := http.NewRequestWithContext(t.Context(), c.method, s.url+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+s.admin)
			if c.accept != "" {
				r.Header.Set("Accept", c.accept)
			}
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.Header.Get("Cache-Control") != "no-store" || response.StatusCode >= 500 {
				t.Errorf("%s %s: %d %v", c.method, c.path, response.StatusCode, response.Header)
			}
		}
	})
}

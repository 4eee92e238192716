package graph_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/evidence"
)

// Long texts are cut on their way into answers and logs. Wherever the cut falls, what is left of a
// key must not be more than its prefix.
func TestNoCutLeavesHalfAKey(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		_, key := s.create(s.admin, map[string]any{"name": "bait"})
		signer, token := s.outgoing()
		baits := []string{key, signer, token}
		for padding := 5; padding < 310; padding += 5 {
			bait := baits[padding%len(baits)]
			long := strings.Repeat("a", padding) + bait
			for _, query := range []string{
				"query " + long + " { viewer { id } }",
				"{ " + long + " }",
				"{ viewer { id(" + long + ": 1) } }",
				"{ viewer { id @" + long + " } }",
				"{ viewer { ..." + long + " } }",
				"{ viewer { ... on " + long + " { id } } }",
				"query($" + long + ": Int) { viewer { id } }",
				"query($v: " + long + ") { viewer { id } }",
				"{ apiKeys(orderBy: {field: " + long + "}) { totalCount } }",
				"{ apiKeys(filter: {" + long + ": 1}) { totalCount } }",
				"{ " + long,
				long,
			} {
				s.ask(s.admin, query, nil)
			}
			s.ask(s.admin, `query($f: ApiKeyFilter) { apiKeys(filter: $f) { totalCount } }`, map[string]any{"f": map[string]any{long: 1}})
			s.ask(s.admin, `query($f: ApiKeyOrder) { apiKeys(orderBy: $f) { totalCount } }`, map[string]any{"f": map[string]any{"field": long}})
			s.post(`{"query": "{ viewer { id } }", "operationName": "`+long+`"}`, with("Authorization", "Bearer "+s.admin, "User-Agent", long, "X-Request-Id", long))
			for _, path := range []string{"/" + long, "/graphql/" + long + "?" + long, "/graphql?query=" + url.QueryEscape("query "+long+" {viewer{id}}")} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("User-Agent", long)
				response, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(response.Body)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				s.spoken.Write(evidence.Answer(response, body))
			}
		}
		for _, bait := range baits {
			s.absent(t, bait)
		}
	})
}

// outgoing are a secret that signs a webhook, and the token of a rotation that was announced to one; its
// receiver repeats all that it gets.
func (s *site) outgoing() (signer, token string) {
	s.t.Helper()
	var heard string
	receiver := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heard = string(body)
		answer.Header().Set("X-Heard", heard)
		answer.WriteHeader(http.StatusBadRequest)
		_, _ = answer.Write(body)
	}))
	s.t.Cleanup(receiver.Close)
	a := s.ask(s.admin, `mutation($i: CreateApiKeyInput!) { createApiKey(input: $i) { webhookSecret } }`, map[string]any{"i": map[string]any{
		"projectId": s.project(), "name": "line", "rotation": map[string]any{"intervalDays": 1, "webhookUrl": receiver.URL}}})
	s.pass(24 * time.Hour)
	s.work()
	token = regexp.MustCompile(`kclaim_[\w-]{43}`).FindString(heard)
	if token == "" {
		s.t.Fatalf("no claim token in %q", heard)
	}
	return a.str(s.t, "createApiKey", "webhookSecret"), token
}

// Secrets of webhooks and claim tokens are where they belong alone, too.
func TestWebhookSecretsAndClaimTokensStayWhereTheyBelong(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		signer, token := s.outgoing()
		for _, wrong := range []string{signer, token} {
			for _, document := range []string{
				`{ apiKey(id: "` + wrong + `") { id } }`,
				`{ apiKeys(after: "` + wrong + `") { nodes { id } } }`,
				`{ apiKeys(first: "` + wrong + `") { nodes { id } } }`,
				`{ ` + wrong + ` }`,
				`mutation { claimRotation(input: {claimToken: "` + wrong + `"}) { userErrors { message fields } } }`,
				`mutation { replyOperatorMessage(input: {id: "` + wrong + `", reply: "` + wrong + `"}) { userErrors { message } } }`,
				`mutation { createWebhookAlertSource(input: {name: "n", url: "` + wrong + `"}) { userErrors { message } } }`,
				`mutation { verifyApiKey(input: {secret: "` + wrong + `"}) { code } }`,
				`mutation { setApiKeyNotification(input: {apiKeyId: "` + wrong + `", notifyAt: "` + wrong + `", alertSourceId: "x"}) { userErrors { message } } }`,
			} {
				s.ask(s.admin, document, nil)
				s.ask(wrong, document, nil)
			}
			s.post(`{"query": "mutation { createProject(input: {name: \"of `+wrong[7:11]+`\"}) { userErrors { message } } }"}`,
				with("Authorization", "Bearer "+s.admin, "User-Agent", "agent "+wrong, "X-Request-Id", wrong))
		}
		s.ask(s.admin, `{ apiKeys { nodes { lastRotation { status lastError } } } operatorMessages { nodes { text } }
			auditEvents { nodes { action userAgent changes { field before after } } } }`, nil)
		s.absent(t, signer)
		s.absent(t, token)
	})
}

// The search of absent finds a piece wherever it may lie. The piece is shorter than what is searched for in the
// evidence of a whole run.
func TestTheSearchForKeysFinds(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		_, key := s.create(s.admin, map[string]any{"name": "bait"})
		if found := s.found(t, key); len(found) > 0 {
			t.Fatalf("before anything leaked: %q", found)
		}
		piece := key[len(key)-20 : len(key)-5]
		_, _ = s.log.Write([]byte(piece))
		s.spoken.WriteString("… " + piece)
		s.ask(s.admin, `mutation($n: String!) { createProject(input: {name: $n}) { userErrors { code } } }`, map[string]any{"n": "a " + piece})
		if found := s.found(t, key); len(found) != 3 {
			t.Errorf("a piece of a key in three places: %q", found)
		}
	})
}

// absent asserts that no long piece of a key is in the log, in an answer or in the database.
func (s *site) absent(t *testing.T, key string) {
	t.Helper()
	for _, where := range s.found(t, key) {
		t.Errorf("a key is in %s", where)
	}
}

// found tells where twelve characters of the private part of a key, or another secret, stand one after the other.
func (s *site) found(t *testing.T, key string) []string {
	t.Helper()
	_, private, _ := strings.Cut(key, "_")
	if strings.HasPrefix(key, "ktg_") {
		_, private, _ = strings.Cut(private, "_") // what comes before is public
	}
	var places []string
	for place, content := range map[string]string{"the log": s.log.String(), "an answer": s.spoken.String(), "the database": s.dump(t)} {
		for from := 0; from+12 <= len(private); from++ {
			if i := strings.Index(content, private[from:from+12]); i >= 0 {
				places = append(places, fmt.Sprintf("%s: …%.300q", place, content[max(0, i-150):]))
				break
			}
		}
	}
	return places
}

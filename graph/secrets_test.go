package graph_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"os"
	"strings"
	"testing"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/ent/db/migrate"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
)

// A secret is in one reply and nowhere else: not in a log line, an error, another field, a header or
// the database. Its digest is in the database alone.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		secrets := []string{s.admin}
		id, text := s.create(s.admin, map[string]any{"name": "a", "scopes": []string{"deploy:write"}})
		secrets = append(secrets, text)
		s.ask(text, `{ viewerKey { id name description keyPrefix scopes status familyId details { message } } }`, nil)

		rotate := `mutation($i: RotateApiKeyInput!) { rotateApiKey(input: $i) { newKey { id } secret replayed userErrors { code message } } }`
		once := map[string]any{"i": map[string]any{"id": id, "idempotencyKey": "0123456789abcdef"}}
		for range 2 { // the second replaces what the first gave
			secrets = append(secrets, s.ask(s.admin, rotate, once).str(t, "rotateApiKey", "secret"))
		}
		s.ask(s.admin, rotate, map[string]any{"i": map[string]any{"id": id}})
		latest := secrets[len(secrets)-1]

		// Keys in all the wrong places.
		project := s.project()
		for _, wrong := range secrets {
			for _, document := range []string{
				`{ apiKey(id: "` + wrong + `") { id } }`,
				`{ node(id: "` + wrong + `") { id } }`,
				`{ apiKeys(after: "` + wrong + `") { nodes { id } } }`,
				`{ apiKeys(filter: {keyPrefix: "` + wrong + `", projectIds: ["` + wrong + `"]}) { nodes { id } } }`,
				`{ apiKeys(first: "` + wrong + `") { nodes { id } } }`,
				`{ ` + wrong + ` }`,
				`query ` + wrong + ` { viewer { id } }`,
				`{ viewerKey { state(at: "` + wrong + `") { status } details(timeZone: "` + wrong + `") { message } } }`,
				`mutation { createApiKey(input: {projectId: "` + project + `", name: "my ` + wrong + `"}) { userErrors { message } } }`,
				`mutation { createApiKey(input: {projectId: "` + project + `", name: "n", description: "x` + wrong + `"}) { userErrors { message } } }`,
				`mutation { createApiKey(input: {projectId: "` + project + `", name: "n", idempotencyKey: "` + wrong + `"}) { userErrors { message } } }`,
				`mutation { updateApiKey(input: {id: "` + id + `", name: "` + wrong + `"}) { userErrors { message } } }`,
				`mutation { revokeApiKey(input: {id: "` + id + `", note: "` + wrong + `"}) { userErrors { message } } }`,
				`mutation { createProject(input: {name: "` + wrong + `", environments: ["` + wrong + `"]}) { userErrors { message } } }`,
				`mutation { createUser(input: {login: "` + wrong + `", email: "` + wrong + `@example.org"}) { userErrors { message } } }`,
				`mutation { createUser(input: {login: "x", email: "` + wrong + `@example.org"}) { userErrors { message } } }`,
				`mutation { createApiKey(input: {projectId: "` + project + `", name: "n", scopes: ["` + wrong + `", "x ` + wrong + `"]}) { userErrors { message ... on ScopeError { scopes } } } }`,
				`{ apiKeys(filter: {scopes: {any: ["` + wrong + `"], grants: ["` + wrong + `"]}}) { nodes { id } } }`,
				`mutation { revokeApiKey(input: {id: "` + wrong + `"}) { userErrors { message } } }`,
				`mutation { createApiKey(input: {projectId: "` + wrong + `", name: "n", expiresIn: "` + wrong + `"}) { userErrors { message } } }`,
			} {
				s.ask(latest, document, nil)
				s.ask(s.admin, document, nil)
				s.ask(wrong+"x", document, nil)
			}
			s.ask(s.admin, `query($v: Int) { apiKeys(first: $v) { nodes { id } } }`, map[string]any{"v": wrong})
			s.ask(s.admin, rotate, map[string]any{"i": map[string]any{"id": wrong, "nonsense": wrong, "gracePeriod": wrong}})
			s.post(`{"query": "mutation { createEnvironment(input: {projectId: \"`+project+`\", name: \"env`+wrong[5:9]+`\"}) { userErrors { message } } }"}`, func(h http.Header) {
				h.Set("Authorization", "Bearer "+s.admin)
				h.Set("User-Agent", "agent "+wrong)
			})
			s.post(wrong, func(h http.Header) { h.Set("X-Api-Key", wrong); h.Set("Authorization", "Bearer "+latest) })
			s.post(`{"query": "{ viewer { id } }", "`+wrong+`": 1, "variables": "`+wrong+`"}`, func(h http.Header) {
				h.Set("User-Agent", "curl "+wrong)
				h.Set("X-Request-Id", wrong)
			})
			r, err := http.Get(s.url + "/graphql?query={viewer{id}}&apiKey=" + wrong + "&access_token=" + wrong)
			if err != nil {
				t.Fatal(err)
			}
			r.Body.Close()
		}

		stored := s.dump(t)
		for i, text := range secrets {
			digest := sha256.Sum256([]byte(text))
			private := text[strings.LastIndexByte(text, '_')+1:]
			for place, content := range map[string]string{"the log": s.log.String(), "an answer": s.spoken.String()} {
				for form, needle := range map[string]string{
					"itself": private, "digest in hex": hex.EncodeToString(digest[:]), "digest in base64": base64.StdEncoding.EncodeToString(digest[:]), "digest": string(digest[:]),
				} {
					if at := strings.Index(content, needle); at >= 0 {
						t.Errorf("secret %d: its %s is in %s: …%.200q", i, form, place, content[max(0, at-100):])
					}
				}
			}
			if strings.Contains(stored, private) {
				t.Errorf("secret %d is in the database", i)
			}
		}
		// The search finds what is there.
		digest := sha256.Sum256([]byte(latest))
		if !strings.Contains(stored, string(digest[:])) && !strings.Contains(stored, hex.EncodeToString(digest[:])) {
			t.Error("the digest of a live key must be in the database")
		}
		if !strings.Contains(s.spoken.String(), id) || !strings.Contains(s.log.String(), "request_id") {
			t.Error("answers and log were not kept")
		}
	})
}

// dump is all that the database holds: the files of SQLite, every row of PostgreSQL as text.
func (s *site) dump(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	if s.store.Dialect() == dialect.SQLite {
		for _, file := range s.sqliteFiles(t) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(content)
		}
		return all.String()
	}
	err := s.store.Write(principal.System(t.Context()), func(ctx context.Context, tx *store.Tx) error {
		for _, table := range migrate.Tables {
			rows, err := tx.QueryContext(ctx, `SELECT t::text FROM "`+table.Name+`" t`)
			if err != nil {
				return err
			}
			for rows.Next() {
				var text string
				if err := rows.Scan(&text); err != nil {
					return err
				}
				all.WriteString(text)
			}
			if err := rows.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// sqliteFiles are the database's file and its journals.
func (s *site) sqliteFiles(t *testing.T) []string {
	t.Helper()
	var file string
	err := s.store.Write(principal.System(t.Context()), func(ctx context.Context, tx *store.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT file FROM pragma_database_list WHERE name = 'main'`)
		if err != nil {
			return err
		}
		defer rows.Close()
		rows.Next()
		return rows.Scan(&file)
	})
	if err != nil {
		t.Fatal(err)
	}
	return []string{file, file + "-wal"}
}

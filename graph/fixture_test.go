package graph_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keytag/keytag/graph"
	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/auth"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/seal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/server"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
	"github.com/keytag/keytag/internal/webhook"
	"github.com/keytag/keytag/internal/worker"
)

var start = time.Date(2026, 8, 31, 10, 0, 0, 0, time.UTC)

// site is a whole server on one database, at a time that tests move.
type site struct {
	t     testing.TB
	url   string
	store *store.Store
	admin string // the administrator's key text
	log   *lockedBuffer
	// worker does what is due when it is told to.
	worker *worker.Worker

	mu  sync.Mutex
	now time.Time
	// observe is told every statement that requests send, from when it is set.
	observe func(store.Statement)
	// spoken is everything the server answered, but for the values of `secret` and `webhookSecret`.
	spoken bytes.Buffer
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func each(t *testing.T, fn func(t *testing.T, s *site)) {
	storetest.Each(t, func(t *testing.T, st *store.Store) { fn(t, newSite(t, st)) })
}

// encryptionKey is the server's in tests.
var encryptionKey = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32))

func newSite(t testing.TB, st *store.Store) *site {
	t.Helper()
	return newSiteWith(t, st, func(*alert.Options) {})
}

// follow lets the site answer from memory, as the server does, until it is told to stop.
func follow(st *store.Store, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		st.Follow(ctx, log)
	}()
	return func() { cancel(); <-followed }
}

// newSiteWith makes a site whose ways out are as shape says: by default there is an encryption key,
// webhooks reach loopback, and no e-mail goes out.
func newSiteWith(t testing.TB, st *store.Store, shape func(*alert.Options)) *site {
	t.Helper()
	s := &site{t: t, store: st, now: start, log: &lockedBuffer{}}
	log := telemetry.Logger(io.MultiWriter(s.log, evidence.Writer(evidence.Logs)), "debug", "json")
	authority := keys.New(st, s.clock, log)
	t.Cleanup(follow(st, log))
	sealer, err := seal.Parse(encryptionKey)
	if err != nil {
		t.Fatal(err)
	}
	options := alert.Options{Outbound: keys.Outbound{Sealer: sealer, Webhooks: webhook.New(true, s.clock)}}
	shape(&options)
	alerts := alert.New(st, authority, s.clock, log, options)
	s.worker = &worker.Worker{Store: st, Keys: authority, Alerts: alerts, Clock: s.clock, Log: log}
	d := directory.New(st, authority, s.clock)
	if err := d.Bootstrap(t.Context(), func(k secret.Secret) error { s.admin = k.Reveal(); return nil }); err != nil {
		t.Fatal(err)
	}
	authenticator := &auth.Authenticator{Keys: authority, Log: log}
	handler := graph.NewHandler(
		&graph.Resolver{Keys: authority, Directory: d, Alerts: alerts, Trail: &audit.Trail{Store: st, Clock: s.clock}, Clock: s.clock, Version: "test"},
		graph.Options{Authenticate: authenticator.Authenticate, Afford: authenticator.Afford, Introspection: true, Log: log},
	)
	http := httptest.NewServer(server.New(server.Options{Logger: log, GraphQL: s.observed(handler), Ready: nil}))
	t.Cleanup(http.Close)
	s.url = http.URL
	return s
}

// observed is a handler whose statements are told to whoever observes.
func (s *site) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		observe := s.observe
		s.mu.Unlock()
		if observe != nil {
			r = r.WithContext(store.Observe(r.Context(), observe))
		}
		next.ServeHTTP(w, r)
	})
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// work does everything that is due now.
func (s *site) work() {
	s.t.Helper()
	if err := s.worker.Tick(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// answer is what came back over HTTP.
type answer struct {
	status int
	header http.Header
	text   string
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []any
		Extensions struct {
			Code   string
			Fields []string
			At     string
		}
	}
}

// ask posts a document as the holder of key, anonymously when it is empty.
func (s *site) ask(key, query string, variables map[string]any) answer {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.post(string(body), func(h http.Header) {
		if key != "" {
			h.Set("Authorization", "Bearer "+key)
		}
	})
}

var secretLiteral = regexp.MustCompile(`\b(secret|claimToken): ("[^"]*")`)

// hidden moves the secret that a mutation holds, if any, into a variable, since documents may hold none.
func hidden(mutation string) (string, map[string]any) {
	found := secretLiteral.FindStringSubmatch(mutation)
	if found == nil {
		return mutation, nil
	}
	mutation = strings.Replace(secretLiteral.ReplaceAllString(mutation, "$1: $$hidden"), "mutation", "mutation($hidden: String!)", 1)
	return mutation, map[string]any{"hidden": strings.Trim(found[2], `"`)}
}

func (s *site) post(body string, with func(http.Header)) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/graphql", bytes.NewBufferString(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	with(r.Header)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	if err := json.Unmarshal(text, &a); err != nil {
		s.t.Fatalf("%d %s", a.status, text)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoken.Write(evidence.Answer(response, text))
	return a
}

// at digs into the data of an answer: names of members and positions in lists.
func (a answer) at(t testing.TB, path ...any) any {
	t.Helper()
	var v any = a.Data
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				t.Fatalf("no %v in %s", path, a.text)
			}
			v = m[step]
		case int:
			list, ok := v.([]any)
			if !ok || step >= len(list) {
				t.Fatalf("no %v in %s", path, a.text)
			}
			v = list[step]
		}
	}
	return v
}

func (a answer) str(t testing.TB, path ...any) string {
	t.Helper()
	text, ok := a.at(t, path...).(string)
	if !ok {
		t.Fatalf("no text at %v in %s", path, a.text)
	}
	return text
}

// create makes a key and answers its id and text.
func (s *site) create(as string, input map[string]any) (id, text string) {
	s.t.Helper()
	if input["projectId"] == nil {
		input["projectId"] = s.project()
	}
	a := s.ask(as, `mutation($i: CreateApiKeyInput!) { createApiKey(input: $i) { apiKey { id } secret userErrors { code message fields } } }`, map[string]any{"i": input})
	return a.str(s.t, "createApiKey", "apiKey", "id"), a.str(s.t, "createApiKey", "secret")
}

func (s *site) project() string {
	s.t.Helper()
	return s.ask(s.admin, `{ viewerKey { project { id } } }`, nil).str(s.t, "viewerKey", "project", "id")
}

// with sets headers, given in pairs.
func with(pairs ...string) func(http.Header) {
	return func(h http.Header) {
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
	}
}

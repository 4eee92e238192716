package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

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

// keytag is a server whose clock is behind by as much as is said, with its worker and its first key.
type keytag struct {
	url    string
	admin  string
	worker *worker.Worker
	behind atomic.Int64
}

func start(t *testing.T, s *store.Store, behind time.Duration) *keytag {
	t.Helper()
	k := &keytag{}
	k.behind.Store(int64(behind))
	clock := func() time.Time { return time.Now().Add(-time.Duration(k.behind.Load())) }
	log := telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json")
	sealer, err := seal.Parse(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32)))
	if err != nil {
		t.Fatal(err)
	}
	authority := keys.New(s, clock, log)
	alerts := alert.New(s, authority, clock, log, alert.Options{Outbound: keys.Outbound{Sealer: sealer, Webhooks: webhook.New(true, clock)}})
	d := directory.New(s, authority, clock)
	if err := d.Bootstrap(t.Context(), func(key secret.Secret) error { k.admin = key.Reveal(); return nil }); err != nil {
		t.Fatal(err)
	}
	k.worker = &worker.Worker{Store: s, Keys: authority, Alerts: alerts, Clock: clock, Log: log}
	handler := graph.NewHandler(
		&graph.Resolver{Keys: authority, Directory: d, Alerts: alerts, Trail: &audit.Trail{Store: s, Clock: clock}, Clock: clock, Version: "test"},
		graph.Options{Authenticate: (&auth.Authenticator{Keys: authority, Log: log}).Authenticate, Log: log},
	)
	http := httptest.NewServer(server.New(server.Options{Logger: log, GraphQL: handler}))
	t.Cleanup(http.Close)
	k.url = http.URL
	return k
}

// ask decodes the data of an answer into data.
func (k *keytag) ask(t *testing.T, key, query string, data any) {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"query": query})
	request, err := http.NewRequest(http.MethodPost, k.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&struct{ Data any }{data}); err != nil {
		t.Fatal(err)
	}
}

// status is what a key says of itself.
func (k *keytag) status(t *testing.T, key string) string {
	t.Helper()
	var data struct{ ViewerKey struct{ Status string } }
	k.ask(t, key, `{ viewerKey { status } }`, &data)
	return data.ViewerKey.Status
}

type created struct{ Secret, WebhookSecret string }

// create makes a key that is rotated after a day, and told of at url.
func (k *keytag) create(t *testing.T, delivery, url string) created {
	t.Helper()
	var viewer struct {
		ViewerKey struct{ Project struct{ ID string } }
	}
	k.ask(t, k.admin, `{ viewerKey { project { id } } }`, &viewer)
	var data struct{ CreateAPIKey created }
	k.ask(t, k.admin, fmt.Sprintf(`mutation { createApiKey(input: {projectId: %q, name: "service", rotation: {intervalDays: 1, delivery: %s, webhookUrl: %q}}) { secret webhookSecret userErrors { message } } }`,
		viewer.ViewerKey.Project.ID, delivery, url), &data)
	if data.CreateAPIKey.Secret == "" || data.CreateAPIKey.WebhookSecret == "" {
		t.Fatal("not created")
	}
	return data.CreateAPIKey
}

// listen is a receiver of which the signing secret is not known yet, and its key file.
func listen(t *testing.T, url string) (*receiver, string) {
	t.Helper()
	r := &receiver{url: url, file: filepath.Join(t.TempDir(), "key"), seen: map[string]bool{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, server.URL
}

func (r *receiver) trust(t *testing.T, signing string) {
	t.Helper()
	var err error
	if r.verifier, err = standardwebhooks.NewWebhook(signing); err != nil {
		t.Fatal(err)
	}
}

func (r *receiver) key(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestTheReceiverFollowsItsKey(t *testing.T) {
	for _, delivery := range []string{"CLAIM", "INLINE"} {
		t.Run(delivery, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				k := start(t, s, 24*time.Hour+time.Second)
				r, url := listen(t, k.url)
				created := k.create(t, delivery, url)
				r.trust(t, created.WebhookSecret)
				if err := replace(r.file, created.Secret); err != nil {
					t.Fatal(err)
				}
				k.behind.Store(0) // a day and a second later
				if err := k.worker.Tick(t.Context()); err != nil {
					t.Fatal(err)
				}
				if r.key(t) == created.Secret {
					t.Fatal("the key is the old one still")
				}
				if status := k.status(t, r.key(t)); status != "ACTIVE" {
					t.Errorf("the new key is %s", status)
				}
				if status := k.status(t, created.Secret); status != "ROTATING_OUT" {
					t.Errorf("the old key is %s", status)
				}
			})
		})
	}
}

func TestNothingForgedIsBelieved(t *testing.T) {
	r, url := listen(t, "")
	r.trust(t, webhook.NewSecret().Reveal())
	response, err := http.Post(url, "application/json", strings.NewReader(`{"type":"api_key.rotated","data":{"secret":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", response.StatusCode)
	}
	if _, err := os.Stat(r.file); err == nil {
		t.Error("the file was written")
	}
}

package graph_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/rotation"
	"github.com/keytag/keytag/internal/principal"
)

const day = 24 * time.Hour

// hook is one webhook as its receiver got it.
type hook struct {
	id, kind string
	sentAt   time.Time
	data     map[string]any
	body     []byte
	header   http.Header
}

func (h hook) text(member string) string {
	text, _ := h.data[member].(string)
	return text
}

// hooks receives webhooks and keeps them.
type hooks struct {
	url string
	// answer is the status of the n-th delivery, from 1; 0 breaks the connection.
	answer func(n int) int

	mu  sync.Mutex
	got []hook
}

func answering(status int) func(int) int { return func(int) int { return status } }

func newHooks(t testing.TB, answer func(n int) int) *hooks {
	h := &hooks{answer: answer}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL + "/rotations"
	return h
}

func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var told struct {
		Type string
		Data map[string]any
	}
	_ = json.Unmarshal(body, &told)
	seconds, _ := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
	h.mu.Lock()
	h.got = append(h.got, hook{r.Header.Get("webhook-id"), told.Type, time.Unix(seconds, 0), told.Data, body, r.Header})
	n, answer := len(h.got), h.answer
	h.mu.Unlock()
	status := answer(n)
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
}

// reply changes what the receiver answers from now on.
func (h *hooks) reply(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answering(status)
}

func (h *hooks) all() []hook {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]hook{}, h.got...)
}

func (h *hooks) last(t testing.TB) hook {
	t.Helper()
	all := h.all()
	if len(all) == 0 {
		t.Fatal("no webhook came")
	}
	return all[len(all)-1]
}

// signedBy reports whether an independent library takes the webhook's signature.
func (h hook) signedBy(t testing.TB, secret string) bool {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return verifier.VerifyIgnoringTimestamp(h.body, h.header) == nil
}

// line is a key with a schedule, whose webhook goes to hooks.
type line struct {
	*site
	t                testing.TB
	id, text, signer string
	hooks            *hooks
}

// newLine makes a key with a schedule, given as GraphQL; with a receiver its URL is added.
func newLine(t testing.TB, s *site, name, schedule string, h *hooks) *line {
	t.Helper()
	if h != nil {
		schedule += fmt.Sprintf(", webhookUrl: %q", h.url)
	}
	a := s.ask(s.admin, fmt.Sprintf(`mutation { createApiKey(input: {projectId: %q, name: %q, scopes: ["deploy:write"], rotation: {%s}}) {
		apiKey { id } secret webhookSecret userErrors { message } } }`, s.project(), name, schedule), nil)
	l := &line{site: s, t: t, id: a.str(t, "createApiKey", "apiKey", "id"), text: a.str(t, "createApiKey", "secret"), hooks: h}
	if h != nil {
		l.signer = a.str(t, "createApiKey", "webhookSecret")
	}
	return l
}

// eachLine is each with a key of the schedule and a receiver that answers as said.
func eachLine(t *testing.T, schedule string, answer func(n int) int, fn func(t *testing.T, l *line)) {
	each(t, func(t *testing.T, s *site) { fn(t, newLine(t, s, "line", schedule, newHooks(t, answer))) })
}

// later lets time pass and does what is due then.
func (l *line) later(d time.Duration) {
	l.t.Helper()
	l.pass(d)
	l.work()
}

// key is what the administrator sees of a key.
func (l *line) key(id string) map[string]any {
	l.t.Helper()
	a := l.ask(l.admin, fmt.Sprintf(`{ apiKey(id: %q) { id status graceExpiresAt effectiveExpiresAt replacedBy { id }
		rotation { intervalDays nextRotationAt gracePeriod delivery webhookUrl stalledSince }
		lastRotation { id status automatic attempts nextAttemptAt lastError createdAt completedAt newKey { id status } } } }`, id), nil)
	key, ok := a.at(l.t, "apiKey").(map[string]any)
	if !ok {
		l.t.Fatal(a.text)
	}
	return key
}

func (l *line) rotation() map[string]any {
	l.t.Helper()
	r, _ := l.key(l.id)["lastRotation"].(map[string]any)
	return r
}

func (l *line) schedule(id string) map[string]any {
	l.t.Helper()
	r, _ := l.key(id)["rotation"].(map[string]any)
	return r
}

// stands fails the test unless the latest rotation has a status and the line's key has another.
func (l *line) stands(rotation, key string) {
	l.t.Helper()
	if got := l.key(l.id); got["status"] != key || l.rotation()["status"] != rotation {
		l.t.Fatalf("want rotation %s and key %s: %v", rotation, key, got)
	}
}

// code is what verifyApiKey says of a key text, without recording a use.
func (l *line) code(text string) string {
	l.t.Helper()
	return l.ask(l.admin, `mutation($s: String!) { verifyApiKey(input: {secret: $s, recordUse: false}) { code } }`, map[string]any{"s": text}).str(l.t, "verifyApiKey", "code")
}

func (l *line) wantCode(text, code string) {
	l.t.Helper()
	if got := l.code(text); got != code {
		l.t.Errorf("verifyApiKey says %s, want %s", got, code)
	}
}

const rotated = `newKey { id scopes } oldKey { id } secret graceExpiresAt replayed userErrors { __typename code message fields ... on AlreadyRotatedError { replacedBy { id } } ... on KeyNotLiveError { status } }`

// claim asks for the successor with a claim token.
func (l *line) claim(key, token string) answer {
	l.t.Helper()
	return l.ask(key, `mutation($t: String!) { claimRotation(input: {claimToken: $t}) { `+rotated+` } }`, map[string]any{"t": token})
}

// rotate rotates the line's key by hand.
func (l *line) rotate() answer {
	l.t.Helper()
	return l.ask(l.admin, fmt.Sprintf(`mutation { rotateApiKey(input: {id: %q}) { %s } }`, l.id, rotated), nil)
}

// do runs a mutation of one input that must succeed.
func (l *line) do(mutation, input, answer string) answer {
	l.t.Helper()
	a := l.ask(l.admin, fmt.Sprintf(`mutation { %s(input: {%s}) { %s userErrors { code message fields } } }`, mutation, input, answer), nil)
	if errors := a.at(l.t, mutation, "userErrors").([]any); len(errors) > 0 {
		l.t.Fatal(a.text)
	}
	return a
}

// refused fails the test unless an answer has one user error of the code.
func refusedWith(t testing.TB, a answer, mutation, code string) {
	t.Helper()
	errors := a.at(t, mutation, "userErrors").([]any)
	if len(errors) != 1 || errors[0].(map[string]any)["code"] != code {
		t.Errorf("want %s: %s", code, a.text)
	}
}

// family are all keys of the line with what the database holds of them.
func (l *line) family() []*db.APIKey {
	l.t.Helper()
	ctx := principal.System(l.t.Context())
	first, err := l.store.Client.APIKey.Get(ctx, l.id)
	if err != nil {
		l.t.Fatal(err)
	}
	rows, err := l.store.Client.APIKey.Query().Where(apikey.FamilyID(first.FamilyID)).Order(db.Asc(apikey.FieldGeneration)).All(ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	return rows
}

// successors counts the keys of the line but the first that work or will.
func (l *line) successors() (live, pending int) {
	l.t.Helper()
	for _, k := range l.family()[1:] {
		switch {
		case k.RevokedAt != nil || k.RemovedAt != nil:
		case k.PendingSince != nil:
			pending++
		default:
			live++
		}
	}
	return live, pending
}

// sealed counts the rotations in the database that keep a secret.
func (l *line) sealed() int {
	l.t.Helper()
	n, err := l.store.Client.Rotation.Query().Where(rotation.SealedSecretNotNil()).Count(principal.System(l.t.Context()))
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// ownerTold are the operator messages about the line's key.
func (l *line) ownerTold() []string {
	l.t.Helper()
	a := l.ask(l.admin, `{ operatorMessages { nodes { text apiKey { id } } } }`, nil)
	var texts []string
	for i := range a.at(l.t, "operatorMessages", "nodes").([]any) {
		if text := a.str(l.t, "operatorMessages", "nodes", i, "text"); strings.Contains(text, "otat") {
			texts = append(texts, text)
		}
	}
	return texts
}

// attempts are the pauses after which a failed webhook is certainly tried again.
var attempts = []time.Duration{6 * time.Second, 6 * time.Minute, 33 * time.Minute, 132 * time.Minute, 330 * time.Minute, 660 * time.Minute, 924 * time.Minute, 22 * time.Hour, 27 * time.Hour}

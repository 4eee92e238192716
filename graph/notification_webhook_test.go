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
)

// inbox is a real receiver: it keeps what it gets and answers as it is told, 200 when that is over.
type inbox struct {
	*httptest.Server
	mu       sync.Mutex
	answers  []int
	received []delivery
}

type delivery struct {
	header http.Header
	path   string
	body   []byte
}

func newInbox(t *testing.T, answers ...int) *inbox {
	b := &inbox{answers: answers}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.received = append(b.received, delivery{r.Header, r.URL.String(), body})
		if len(b.answers) > 0 {
			status := b.answers[0]
			b.answers = b.answers[1:]
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "what the receiver says to itself")
		}
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *inbox) all() []delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]delivery{}, b.received...)
}

// verifies reports whether the reference library takes a delivery for one signed by a secret. The
// library compares timestamps with the real clock, so the tests look at those themselves.
func (m delivery) verifies(t *testing.T, secret string) bool {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return w.VerifyIgnoringTimestamp(m.body, m.header) == nil
}

// hooked sets the notification of mia's key by a webhook, in an hour, and waits for that.
func (d *desk) hooked(url string) (n keyNotification, source, secret string) {
	d.t.Helper()
	source, secret = d.webhookSource("hook "+strconv.Itoa(len(d.jobsOf(d.key))), url)
	n = into[keyNotification](d.t, d.trySet(d.clock().Add(time.Hour), source), "setApiKeyNotification", "notification")
	d.pass(time.Hour)
	d.work()
	return n, source, secret
}

// A webhook tells of the key, signed after Standard Webhooks, with the job's id as its own.
func TestWebhookOfANotification(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		b := newInbox(t)
		n, _, secret := d.hooked(b.URL + "/hooks?team=a")
		got := b.all()
		if len(got) != 1 || got[0].path != "/hooks?team=a" || !got[0].verifies(t, secret) {
			t.Fatalf("%+v", got)
		}
		m := got[0]
		if m.header.Get("webhook-id") != n.Job.ID || m.header.Get("webhook-timestamp") != strconv.FormatInt(d.clock().Unix(), 10) || m.header.Get("Content-Type") != "application/json" {
			t.Errorf("%v", m.header)
		}
		var e struct {
			Type      string
			Timestamp time.Time
			Data      map[string]any
		}
		if err := json.Unmarshal(m.body, &e); err != nil {
			t.Fatal(err)
		}
		key := d.do(`{ apiKey(id: %q) { keyPrefix status details { message } project { id } effectiveExpiresAt } }`, d.key)
		want := map[string]any{
			"jobId": n.Job.ID, "notificationId": n.ID, "keyId": d.key, "ownerId": d.mia, "name": "deploy", "endsBecause": "NOT_ACCESSED",
			"keyPrefix": key.at(t, "apiKey", "keyPrefix"), "status": key.at(t, "apiKey", "status"), "details": key.at(t, "apiKey", "details", "message"),
			"projectId": key.at(t, "apiKey", "project", "id"), "expiresAt": key.at(t, "apiKey", "effectiveExpiresAt"),
		}
		if e.Type != "api_key.alert" || !e.Timestamp.Equal(n.NotifyAt) || fmt.Sprint(e.Data) != fmt.Sprint(want) {
			t.Errorf("%s\nwant %v", m.body, want)
		}
		if strings.Contains(string(m.body), d.text) || strings.Contains(string(m.body), strings.Split(d.text, "_")[2]) {
			t.Errorf("%s", m.body)
		}
		if j := d.job(n.Job.ID); j.Status != "COMPLETED" || j.Attempts != 1 {
			t.Errorf("%+v", j)
		}

		for name, change := range map[string]func(m *delivery){
			"body":      func(m *delivery) { m.body[len(m.body)/2] ^= 1 },
			"id":        func(m *delivery) { m.header.Set("webhook-id", d.key) },
			"timestamp": func(m *delivery) { m.header.Set("webhook-timestamp", strconv.FormatInt(d.clock().Unix()+1, 10)) },
		} {
			changed := delivery{header: m.header.Clone(), body: append([]byte{}, m.body...)}
			change(&changed)
			if changed.verifies(t, secret) {
				t.Errorf("another %s verifies", name)
			}
		}
		if other := "whsec_" + strings.Repeat("A", 43) + "="; m.verifies(t, other) {
			t.Error("another secret verifies")
		}
	})
}

// What is answered otherwise than 2xx is tried again under the same id, each time with the time of the
// attempt.
func TestWebhooksAreTriedAgain(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		answers := []int{500, 502, 503, 504, 404, 307}
		b := newInbox(t, answers...)
		n, _, secret := d.hooked(b.URL)
		for i, status := range answers {
			got := b.all()
			m := got[len(got)-1]
			if len(got) != i+1 || !m.verifies(t, secret) || m.header.Get("webhook-id") != n.Job.ID || m.header.Get("webhook-timestamp") != strconv.FormatInt(d.clock().Unix(), 10) || string(m.body) != string(got[0].body) {
				t.Fatalf("attempt %d: %d received, %v %s", i+1, len(got), m.header, m.body)
			}
			j := d.job(n.Job.ID)
			if j.Status != "RUNNING" || j.Attempts != i+1 || j.LastError == nil || !strings.HasPrefix(*j.LastError, fmt.Sprintf("the receiver answered %d", status)) || !j.StartedAt.Equal(start.Add(time.Hour)) {
				t.Errorf("attempt %d: %+v", i+1, j)
			}
			d.nextAttempt(t, func() {
				if len(b.all()) != i+1 {
					t.Errorf("attempt %d came before its time", i+2)
				}
			})
		}
		if j := d.job(n.Job.ID); j.Status != "COMPLETED" || j.Attempts != len(answers)+1 || j.LastError != nil || !j.FinishedAt.Equal(d.clock()) {
			t.Errorf("%+v", j)
		}
	})
}

// nextAttempt moves the clock to a microsecond before the next attempt, calls early, and then to it.
func (d *desk) nextAttempt(t *testing.T, early func()) {
	t.Helper()
	jobs := d.jobsOf(d.key)
	d.pass(jobs[len(jobs)-1].RunAt.Sub(d.clock()) - time.Microsecond)
	d.work()
	early()
	d.pass(time.Microsecond)
	d.work()
}

// After three days of failures the job is given up, and says why.
func TestWebhooksAreGivenUpAfterThreeDays(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		b := newInbox(t, 503, 503, 503, 503, 503, 503, 503, 503, 503, 503, 503, 503, 503, 503, 503)
		n, _, _ := d.hooked(b.URL)
		first := d.clock()
		for d.job(n.Job.ID).Status == "RUNNING" {
			if d.clock().Sub(first) > 5*24*time.Hour {
				t.Fatal("it is never given up")
			}
			d.nextAttempt(t, func() {})
		}
		took := d.clock().Sub(first)
		j := d.job(n.Job.ID)
		if took < 72*time.Hour || took > 96*time.Hour || j.Status != "ERROR" || j.LastError == nil || *j.LastError != "the receiver answered 503" || j.Attempts != len(b.all()) || !j.FinishedAt.Equal(d.clock()) {
			t.Errorf("after %v and %d attempts: %+v", took, len(b.all()), j)
		}
		tried := len(b.all())
		d.pass(7 * 24 * time.Hour)
		d.work()
		if len(b.all()) != tried {
			t.Errorf("%d attempts, then %d", tried, len(b.all()))
		}
		if again := d.set(time.Hour); again.ID != n.ID || again.Job.ID == n.Job.ID || len(again.PreviousJobs) != 1 || again.PreviousJobs[0].Status != "ERROR" {
			t.Errorf("%+v", again)
		}
	})
}

// A receiver that answers 410 wants no more: the source is switched off, and the trail tells it.
func TestGoneSwitchesTheSourceOff(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		b := newInbox(t, 410)
		n, source, _ := d.hooked(b.URL)
		if j := d.job(n.Job.ID); j.Status != "ERROR" || j.LastError == nil || !strings.Contains(*j.LastError, "410") || !strings.Contains(*j.LastError, "switched off") {
			t.Errorf("%+v", j)
		}
		if a := d.do(`{ node(id: %q) { ... on AlertSource { enabled } } }`, source); a.at(t, "node", "enabled") != false {
			t.Error(a.text)
		}
		wantRefused(t, d.trySet(d.clock().Add(time.Hour), source), "setApiKeyNotification", "alert_sources.disabled", "alertSourceId")
		d.pass(4 * 24 * time.Hour)
		d.work()
		if got := b.all(); len(got) != 1 {
			t.Errorf("%d received", len(got))
		}
		if e := d.events(source)[0]; e.Action != "alert_source.disabled" || e.changed() != "enabled: true → false; " || e.Actor.User != nil {
			t.Errorf("%+v", e)
		}
	})
}

// A receiver that cannot be reached is no reason to give up at once, and its address is not told.
func TestAReceiverThatIsNotThere(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		b := newInbox(t)
		address := b.Listener.Addr().String()
		b.Close()
		n, _, _ := d.hooked(b.URL)
		if j := d.job(n.Job.ID); j.Status != "RUNNING" || j.LastError == nil || *j.LastError != "no connection to the receiver" || strings.Contains(*j.LastError, address) {
			t.Errorf("%+v", j)
		}
	})
}

// A new signing secret goes along with the old one for a day; another URL has another secret at once.
func TestWebhookSecretsChange(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		b, elsewhere := newInbox(t), newInbox(t)
		_, source, first := d.hooked(b.URL)
		second := d.do(`mutation { rotateWebhookSecret(input: {id: %q}) { webhookSecret `+refusals+` } }`, source).str(t, "rotateWebhookSecret", "webhookSecret")
		raise := func(in time.Duration) {
			if a := d.trySet(d.clock().Add(in), source); refusalsOf(a, "setApiKeyNotification") != nil {
				t.Fatal(a.text)
			}
			d.pass(in)
			d.work()
		}
		want := func(b *inbox, n int, secrets map[string]bool) {
			t.Helper()
			got := b.all()
			if len(got) != n {
				t.Fatalf("%d received", len(got))
			}
			for secret, verifies := range secrets {
				if got[n-1].verifies(t, secret) != verifies {
					t.Errorf("delivery %d: verifies %v, want %v", n, !verifies, verifies)
				}
			}
		}
		raise(24*time.Hour - time.Microsecond)
		want(b, 2, map[string]bool{first: true, second: true})
		raise(time.Microsecond)
		want(b, 3, map[string]bool{first: false, second: true})

		update := `mutation { updateAlertSource(input: {id: %q, url: %q}) { webhookSecret ` + refusals + ` } }`
		if a := d.do(update, source, b.URL); a.at(t, "updateAlertSource", "webhookSecret") != nil {
			t.Error("the same URL keeps its secret")
		}
		third := d.do(update, source, elsewhere.URL).str(t, "updateAlertSource", "webhookSecret")
		raise(time.Hour)
		want(elsewhere, 1, map[string]bool{first: false, second: false, third: true})
		want(b, 3, nil)
	})
}

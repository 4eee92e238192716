package graph_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Whatever replaces or ends a key by somebody's will cancels its notification.
func TestEndingOrReplacingAKeyCancelsItsNotification(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, d *desk){
		"revoke": func(t *testing.T, d *desk) {
			d.do(`mutation { revokeApiKey(input: {id: %q}) { `+refusals+` } }`, d.key)
		},
		"revoke by itself": func(t *testing.T, d *desk) {
			d.asMia(t, "revokeViewerKey", `mutation { revokeViewerKey(input: {}) { `+refusals+` } }`)
		},
		"remove": func(t *testing.T, d *desk) {
			d.do(`mutation { removeApiKey(input: {id: %q}) { `+refusals+` } }`, d.key)
		},
		"rotate": func(t *testing.T, d *desk) {
			d.do(`mutation { rotateApiKey(input: {id: %q, gracePeriod: "P1D"}) { `+refusals+` } }`, d.key)
		},
		"rotate by itself": func(t *testing.T, d *desk) {
			d.asMia(t, "rotateViewerKey", `mutation { rotateViewerKey(input: {gracePeriod: "P1D"}) { `+refusals+` } }`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachDesk(t, func(t *testing.T, d *desk) {
				n := d.set(time.Hour)
				end(t, d)
				d.wantSilent(t, n)
			})
		})
	}
}

// With KEY_COMPROMISE the successors are revoked too, and so are their notifications.
func TestCompromiseCancelsTheNotificationsOfSuccessors(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		first := d.key
		d.key = d.do(`mutation { rotateApiKey(input: {id: %q}) { newKey { id } `+refusals+` } }`, first).str(t, "rotateApiKey", "newKey", "id")
		n := d.set(time.Hour)
		d.do(`mutation { revokeApiKey(input: {id: %q, reason: KEY_COMPROMISE}) { `+refusals+` } }`, first)
		d.wantSilent(t, n)
	})
}

// Automatic rotation cancels it too: by a claim, and by a delivery of the new secret.
func TestAutomaticRotationCancelsTheNotification(t *testing.T) {
	for _, delivery := range []string{"CLAIM", "INLINE"} {
		t.Run(delivery, func(t *testing.T) {
			eachDesk(t, func(t *testing.T, d *desk) {
				tokens := &tokens{}
				server := httptest.NewServer(tokens)
				t.Cleanup(server.Close)
				d.key, d.text = d.create(d.admin, map[string]any{"name": "line", "ownerId": d.mia, "scopes": memberScopes,
					"rotation": map[string]any{"intervalDays": 1, "delivery": delivery, "webhookUrl": server.URL, "gracePeriod": "P1D"}})
				n := d.set(25 * time.Hour)
				d.pass(24*time.Hour - time.Microsecond)
				d.work()
				if now := d.notification(); now == nil || now.Job != n.Job {
					t.Fatalf("before the rotation: %+v", now)
				}
				d.pass(time.Microsecond)
				d.work()
				if delivery == "CLAIM" {
					if now := d.notification(); now == nil || now.Job != n.Job {
						t.Errorf("announced, and not yet rotated: %+v", now)
					}
					d.asMia(t, "claimRotation", fmt.Sprintf(`mutation { claimRotation(input: {claimToken: %q}) { newKey { id } `+refusals+` } }`, tokens.last()))
				}
				d.wantSilent(t, n)
			})
		})
	}
}

// tokens receives webhooks and keeps the claim token of the last.
type tokens struct {
	mu    sync.Mutex
	token string
}

func (r *tokens) ServeHTTP(_ http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	var e struct{ Data struct{ ClaimToken string } }
	_ = json.Unmarshal(body, &e)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.token = e.Data.ClaimToken
}

func (r *tokens) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.token
}

// asMia asks as the holder of mia's key for something that must succeed.
func (d *desk) asMia(t *testing.T, mutation, query string) {
	t.Helper()
	query, variables := hidden(query)
	if a := d.ask(d.text, query, variables); len(a.Errors) > 0 || a.Data[mutation] == nil || refusalsOf(a, mutation) != nil {
		t.Fatal(a.text)
	}
}

// wantSilent fails unless a notification is gone, and nothing comes of its job.
func (d *desk) wantSilent(t *testing.T, n keyNotification) {
	t.Helper()
	if a := d.do(`{ apiKey(id: %q) { notification { id } } node(id: %q) { id } }`, d.key, n.ID); a.at(t, "node") != nil ||
		a.at(t, "apiKey") != nil && a.at(t, "apiKey", "notification") != nil {
		t.Errorf("%s", a.text)
	}
	jobs := d.jobsOf(d.key)
	if len(jobs) != 1 || jobs[0].ID != n.Job.ID || jobs[0].Status != "CANCELED" {
		t.Errorf("%v", jobs)
	}
	d.pass(2 * time.Hour)
	d.work()
	for _, m := range d.messages(d.admin) {
		if m.Job != nil {
			t.Errorf("%+v", m)
		}
	}
	if jobs := d.jobsOf(d.key); len(jobs) != 1 || jobs[0].Attempts != 0 {
		t.Errorf("%v", jobs)
	}
}

package graph_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	entjob "github.com/keytag/keytag/ent/db/job"
	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
)

// desk is a site with a member mia, her key, and a source of operator messages.
type desk struct {
	*site
	mia       string // her id
	key, text string // of hers
	source    string
}

func eachDesk(t *testing.T, fn func(t *testing.T, d *desk)) {
	eachDeskWith(t, func(*alert.Options) {}, fn)
}

func eachDeskWith(t *testing.T, shape func(*alert.Options), fn func(t *testing.T, d *desk)) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		d := &desk{site: newSiteWith(t, st, shape)}
		d.mia = d.do(`mutation { createUser(input: {login: "mia", displayName: "Mia M."}) { user { id } userErrors { message } } }`).
			str(t, "createUser", "user", "id")
		d.key, d.text = d.create(d.admin, map[string]any{"name": "deploy", "ownerId": d.mia, "scopes": memberScopes})
		d.source = d.messageSource(`name: "desk"`)
		fn(t, d)
	})
}

var memberScopes = []string{"keytag:keys:read", "keytag:keys:write", "keytag:directory:read", "keytag:audit:read"}

// do asks as the administrator for something that must succeed.
func (d *desk) do(format string, values ...any) answer {
	d.t.Helper()
	a := d.ask(d.admin, fmt.Sprintf(format, values...), nil)
	if len(a.Errors) > 0 || a.status != 200 {
		d.t.Fatalf("%d %s", a.status, a.text)
	}
	for field, payload := range a.Data {
		if refusalsOf(a, field) != nil {
			d.t.Fatalf("%v: %s", payload, a.text)
		}
	}
	return a
}

// refusal is a user error.
type refusal struct {
	Typename      string `json:"__typename"`
	Code, Message string
	Fields        []string
	Status, Since string
}

const refusals = `userErrors { __typename code message fields ... on KeyNotLiveError { status since } }`

// refusalsOf are the user errors of a mutation; nil when it was done.
func refusalsOf(a answer, mutation string) []refusal {
	text, _ := json.Marshal(a.Data[mutation])
	var payload struct{ UserErrors []refusal }
	if json.Unmarshal(text, &payload) != nil || len(payload.UserErrors) == 0 {
		return nil
	}
	return payload.UserErrors
}

// wantRefused fails unless a mutation was refused for one reason: code on fields.
func wantRefused(t testing.TB, a answer, mutation, code string, fields ...string) refusal {
	t.Helper()
	list := refusalsOf(a, mutation)
	if len(list) != 1 || list[0].Code != code || fmt.Sprint(list[0].Fields) != fmt.Sprint(fields) {
		t.Errorf("want %s on %v: %s", code, fields, a.text)
	}
	return append(list, refusal{})[0]
}

func into[T any](t testing.TB, a answer, path ...any) T {
	t.Helper()
	text, err := json.Marshal(a.at(t, path...))
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err, a.text)
	}
	return v
}

// alertJob and keyNotification are AlertJob and ApiKeyNotification as they are answered.
type alertJob struct {
	ID, ProcessName, Status string
	ScheduledFor            time.Time
	StartedAt, FinishedAt   *time.Time
	Attempts                int
	LastError               *string
	APIKey, AlertSource     struct{ ID string }
}

type keyNotification struct {
	ID                             string
	NotifyAt, CreatedAt, UpdatedAt time.Time
	APIKey, AlertSource            struct{ ID string }
	Job                            alertJob
	PreviousJobs                   []alertJob
}

const (
	jobFields          = `id processName status scheduledFor startedAt finishedAt attempts lastError apiKey { id } alertSource { id }`
	notificationFields = `id notifyAt createdAt updatedAt apiKey { id } alertSource { id } job { ` + jobFields + ` } previousJobs { ` + jobFields + ` }`
	setNotification    = `setApiKeyNotification(input: {apiKeyId: %q, notifyAt: %q, alertSourceId: %q})
		{ apiKey { id notification { id job { id } } } notification { ` + notificationFields + ` } warnings ` + refusals + ` }`
)

// trySet sets the notification of mia's key, as the administrator.
func (d *desk) trySet(at time.Time, source string) answer {
	d.t.Helper()
	return d.ask(d.admin, fmt.Sprintf(`mutation { `+setNotification+` }`, d.key, at.Format(time.RFC3339Nano), source), nil)
}

// set sets it in so long.
func (d *desk) set(in time.Duration) keyNotification {
	d.t.Helper()
	a := d.trySet(d.clock().Add(in), d.source)
	if refusalsOf(a, "setApiKeyNotification") != nil {
		d.t.Fatal(a.text)
	}
	return into[keyNotification](d.t, a, "setApiKeyNotification", "notification")
}

// notification is that of mia's key now, nil when it has none.
func (d *desk) notification() *keyNotification {
	d.t.Helper()
	return into[*keyNotification](d.t, d.do(`{ apiKey(id: %q) { notification { `+notificationFields+` } } }`, d.key), "apiKey", "notification")
}

// job is an alert job now, nil when there is none.
func (d *desk) job(id string) *alertJob {
	d.t.Helper()
	return into[*alertJob](d.t, d.do(`{ node(id: %q) { ... on AlertJob { `+jobFields+` } } }`, id), "node")
}

func (d *desk) wantStatus(job, status string) {
	d.t.Helper()
	if j := d.job(job); j == nil || j.Status != status {
		d.t.Errorf("the job is %+v, not %s", j, status)
	}
}

// messages are the operator messages that the holder of a key sees, newest first.
func (d *desk) messages(as string) []message {
	d.t.Helper()
	a := d.ask(as, `{ operatorMessages { nodes { `+messageFields+` } } }`, nil)
	if len(a.Errors) > 0 {
		d.t.Fatal(a.text)
	}
	return into[[]message](d.t, a, "operatorMessages", "nodes")
}

type message struct {
	ID, Text, Status     string
	APIKey, Job          *struct{ ID string }
	Replies              []string
	Reply                *string
	RepliedBy            *struct{ ID, Login string }
	RepliedAt, CreatedAt *time.Time
}

const messageFields = `id text status apiKey { id } job { id } replies reply repliedBy { id login } repliedAt createdAt`

// messageSource makes a source of operator messages, given the members of the input.
func (d *desk) messageSource(input string) string {
	d.t.Helper()
	return d.do(`mutation { createOperatorMessageAlertSource(input: {%s}) { alertSource { id } `+refusals+` } }`, input).
		str(d.t, "createOperatorMessageAlertSource", "alertSource", "id")
}

// webhookSource makes a source of webhooks; secret is what verifies them.
func (d *desk) webhookSource(name, url string) (id, secret string) {
	d.t.Helper()
	a := d.do(`mutation { createWebhookAlertSource(input: {name: %q, url: %q}) { alertSource { id } webhookSecret `+refusals+` } }`, name, url)
	return a.str(d.t, "createWebhookAlertSource", "alertSource", "id"), a.str(d.t, "createWebhookAlertSource", "webhookSecret")
}

// elsewhere is the key text of an administrator of another organization.
func (d *desk) elsewhere() (text string) {
	d.t.Helper()
	log := telemetry.Logger(d.log, "debug", "json")
	other := directory.New(d.store, keys.New(d.store, d.clock, log), d.clock)
	if err := other.AddOrganization(d.t.Context(), "Elsewhere", "eve", func(k secret.Secret) error { text = k.Reveal(); return nil }); err != nil {
		d.t.Fatal(err)
	}
	return text
}

// event is an audit event.
type event struct {
	Action, SubjectID string
	At                time.Time
	Actor             struct{ User *struct{ Login string } }
	Changes           []struct {
		Field         string
		Before, After *string
	}
}

// events are those of one subject, newest first.
func (d *desk) events(subject string) []event {
	d.t.Helper()
	return into[[]event](d.t, d.do(`{ auditEvents(filter: {subjectId: %q}) { nodes { action subjectId at actor { user { login } } changes { field before after } } } }`, subject), "auditEvents", "nodes")
}

// changed is what an event says of its fields: "notifyAt: a → b; …".
func (e event) changed() (text string) {
	show := func(v *string) string {
		if v == nil {
			return "∅"
		}
		return *v
	}
	for _, c := range e.Changes {
		text += fmt.Sprintf("%s: %s → %s; ", c.Field, show(c.Before), show(c.After))
	}
	return text
}

// jobsOf are all alert jobs of a key as stored, oldest first.
func (d *desk) jobsOf(key string) []*db.Job {
	d.t.Helper()
	rows, err := d.store.Client.Job.Query().Where(entjob.KeyID(key), entjob.KindEQ(job.Alert)).Order(db.Asc(entjob.FieldID)).All(principal.System(d.t.Context()))
	if err != nil {
		d.t.Fatal(err)
	}
	return rows
}

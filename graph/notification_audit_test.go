package graph_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// wantEvent fails unless the latest event of a subject, made by somebody, is the one wanted.
func (d *desk) wantEvent(t *testing.T, subject, by, action, changed string) {
	t.Helper()
	list := d.events(subject)
	if len(list) == 0 {
		t.Errorf("no event, want %s", action)
		return
	}
	e := list[0]
	if e.Action != action || e.changed() != changed || !e.At.Equal(d.clock()) || e.Actor.User == nil || e.Actor.User.Login != by {
		t.Errorf("%s\n%s\nwant %s\n%s", e.Action, e.changed(), action, changed)
	}
}

// Every change of a notification is told with who made it and what changed.
func TestTheTrailOfNotifications(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		other := d.messageSource(`name: "other"`)
		d.pass(time.Minute)
		n := d.set(59 * time.Minute)
		d.wantEvent(t, d.key, "admin", "api_key.notification_set", fmt.Sprintf("notifyAt: ∅ → 2026-08-31T11:00:00Z; alertSourceId: ∅ → %s; jobId: ∅ → %s; ", d.source, n.Job.ID))
		d.pass(time.Minute)
		set := fmt.Sprintf(`mutation { `+setNotification+` }`, d.key, "2026-08-31T12:00:00Z", other)
		d.asMia(t, "setApiKeyNotification", set)
		d.wantEvent(t, d.key, "mia", "api_key.notification_set", fmt.Sprintf("notifyAt: 2026-08-31T11:00:00Z → 2026-08-31T12:00:00Z; alertSourceId: %s → %s; ", d.source, other))

		d.pass(2 * time.Hour)
		d.work()
		again := d.set(59 * time.Minute)
		d.wantEvent(t, d.key, "admin", "api_key.notification_set",
			fmt.Sprintf("notifyAt: 2026-08-31T12:00:00Z → 2026-08-31T13:01:00Z; alertSourceId: %s → %s; jobId: %s → %s; ", other, d.source, n.Job.ID, again.Job.ID))
		gone := fmt.Sprintf("notifyAt: 2026-08-31T13:01:00Z → ∅; alertSourceId: %s → ∅; jobId: %s → ∅; ", d.source, again.Job.ID)
		d.pass(time.Second)
		d.do(`mutation { `+deleteJob+` }`, n.Job.ID) // a previous one: the notification stays
		d.wantEvent(t, n.Job.ID, "admin", "alert_job.deleted", "")
		d.asMia(t, "cancelApiKeyNotification", fmt.Sprintf(`mutation { `+cancelNotification+` }`, d.key))
		d.wantEvent(t, d.key, "mia", "api_key.notification_cancelled", gone)

		events := len(d.events(d.key))
		d.do(`mutation { `+cancelNotification+` }`, d.key)
		d.trySet(d.clock(), d.source)
		if after := d.events(d.key); len(after) != events {
			t.Errorf("nothing changed: %+v", after[0])
		}

		for _, end := range []struct{ by, mutation string }{{cancelJob, "cancelAlertJob"}, {deleteJob, "deleteAlertJob"}} {
			d.pass(time.Second)
			n := d.set(time.Minute)
			d.pass(time.Second)
			d.asMia(t, end.mutation, fmt.Sprintf(`mutation { `+end.by+` }`, n.Job.ID))
			d.wantEvent(t, d.key, "mia", "api_key.notification_cancelled",
				fmt.Sprintf("notifyAt: %s → ∅; alertSourceId: %s → ∅; jobId: %s → ∅; ", n.NotifyAt.Format(time.RFC3339Nano), d.source, n.Job.ID))
		}

		d.set(time.Minute)
		d.pass(time.Second)
		d.do(`mutation { revokeApiKey(input: {id: %q}) { `+refusals+` } }`, d.key)
		var actions []string
		for _, e := range d.events(d.key)[:2] {
			actions = append(actions, e.Action)
		}
		if text := strings.Join(actions, " "); !strings.Contains(text, "api_key.revoked") || !strings.Contains(text, "api_key.notification_cancelled") {
			t.Error(text)
		}
	})
}

// Every change of an alert source is told field by field, without what may be secret: the path and
// query of a URL, and signing secrets.
func TestTheTrailOfAlertSources(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		mail := d.do(`mutation { `+createEmail+` }`, `name: "mail", recipients: ["a@example.com"], subjectTemplate: "s", bodyTemplate: "b"`).str(t, "createEmailAlertSource", "alertSource", "id")
		d.wantEvent(t, mail, "admin", "alert_source.created", "name: ∅ → mail; enabled: ∅ → true; recipients: ∅ → a@example.com; subjectTemplate: ∅ → s; bodyTemplate: ∅ → b; ")
		d.pass(time.Second)
		update := `mutation { updateAlertSource(input: {id: %q, %s}) { webhookSecret ` + refusals + ` } }`
		d.do(update, mail, `name: "post", recipients: ["b@example.com", "a@example.com"], subjectTemplate: "S"`)
		d.wantEvent(t, mail, "admin", "alert_source.updated", "name: mail → post; recipients: a@example.com → b@example.com a@example.com; subjectTemplate: s → S; ")
		d.pass(time.Second)
		d.do(update, d.source, `messageTemplate: "m", replies: ["Yes", "Not now"]`)
		if e := d.events(d.source)[0]; e.Action != "alert_source.updated" || !strings.HasSuffix(e.changed(), ` → m; replies: ["Acknowledge"] → ["Yes" "Not now"]; `) {
			t.Errorf("%+v %s", e, e.changed())
		}
		d.do(`mutation { setAlertSourceEnabled(input: {id: %q, enabled: false}) { `+refusals+` } }`, mail)
		d.wantEvent(t, mail, "admin", "alert_source.disabled", "enabled: true → false; ")
		d.pass(time.Second)
		d.do(`mutation { setAlertSourceEnabled(input: {id: %q, enabled: true}) { `+refusals+` } }`, mail)
		d.wantEvent(t, mail, "admin", "alert_source.enabled", "enabled: false → true; ")
		d.pass(time.Second)
		d.do(`mutation { deleteAlertSource(input: {id: %q}) { `+refusals+` } }`, mail)
		d.wantEvent(t, mail, "admin", "alert_source.deleted", "name: post → ∅; ")

		hook, first := d.webhookSource("hook", "https://hooks.example.com/hidden-path?token=hidden-query")
		d.wantEvent(t, hook, "admin", "alert_source.created", "name: ∅ → hook; enabled: ∅ → true; url: ∅ → hooks.example.com; ")
		d.pass(time.Second)
		second := d.do(`mutation { rotateWebhookSecret(input: {id: %q}) { webhookSecret `+refusals+` } }`, hook).str(t, "rotateWebhookSecret", "webhookSecret")
		d.wantEvent(t, hook, "admin", "alert_source.secret_rotated", "")
		d.pass(time.Second)
		third := d.do(update, hook, `url: "https://other.example.com:8443/hidden-path"`).str(t, "updateAlertSource", "webhookSecret")
		d.wantEvent(t, hook, "admin", "alert_source.updated", "url: hooks.example.com → other.example.com; ")
		trail := fmt.Sprint(d.do(`{ auditEvents(first: 100) { nodes { action reason changes { field before after } } } }`).text, d.log.String())
		for _, secret := range []string{"hidden", first, second, third, d.text} {
			if strings.Contains(trail, secret) {
				t.Errorf("%s is told", secret)
			}
		}
	})
}

// A reply is told with who gave it; members see that of the messages about their own keys.
func TestTheTrailOfReplies(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		m := d.raised(t)
		d.pass(time.Second)
		d.asMia(t, "replyOperatorMessage", fmt.Sprintf(`mutation { `+reply+` }`, m.ID, "Acknowledge"))
		d.wantEvent(t, m.ID, "mia", "operator_message.replied", "reply: ∅ → Acknowledge; ")
		if a := d.ask(d.text, fmt.Sprintf(`{ auditEvents(filter: {subjectId: %q}) { nodes { action } } }`, m.ID), nil); a.at(t, "auditEvents", "nodes", 0) == nil {
			t.Error(a.text)
		}
	})
}

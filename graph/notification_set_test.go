package graph_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A key gets its notification when it is created, or later.
func TestNotificationAtCreationOrLater(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		at := start.Add(time.Hour)
		id, _ := d.create(d.admin, map[string]any{"name": "told", "notification": map[string]any{"notifyAt": at, "alertSourceId": d.source}})
		n := into[*keyNotification](t, d.do(`{ apiKey(id: %q) { notification { `+notificationFields+` } } }`, id), "apiKey", "notification")
		if n == nil || !n.NotifyAt.Equal(at) || n.AlertSource.ID != d.source || n.APIKey.ID != id || n.Job.APIKey.ID != id {
			t.Fatalf("%+v", n)
		}
		if j := n.Job; j.ProcessName != "System_Alert_Send" || j.Status != "SCHEDULED" || !j.ScheduledFor.Equal(at) || j.Attempts != 0 || j.StartedAt != nil || j.FinishedAt != nil {
			t.Errorf("%+v", j)
		}

		if n := d.notification(); n != nil {
			t.Fatalf("nobody set one: %+v", n)
		}
		d.pass(time.Minute)
		later := d.set(time.Hour)
		if now := d.clock(); !later.CreatedAt.Equal(now) || !later.UpdatedAt.Equal(now) || !strings.HasPrefix(later.ID, "ntf_") || !strings.HasPrefix(later.Job.ID, "job_") {
			t.Errorf("%+v", later)
		}
		for _, node := range []string{later.ID, later.Job.ID} {
			if a := d.do(`{ node(id: %q) { id } }`, node); a.str(t, "node", "id") != node {
				t.Error(a.text)
			}
		}
	})
}

// What cannot be taken at creation is named by its place in the input, and no key is made.
func TestNotificationAtCreationRefused(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		create := func(name string, at time.Time, source string) answer {
			return d.ask(d.admin, fmt.Sprintf(`mutation { createApiKey(input: {projectId: %q, name: %q, notification: {notifyAt: %q, alertSourceId: %q}})
				{ apiKey { id } secret warnings `+refusals+` } }`, d.project(), name, at.Format(time.RFC3339Nano), source), nil)
		}
		wantRefused(t, create("past", start, d.source), "createApiKey", "input.invalid", "notification.notifyAt")
		wantRefused(t, create("nowhere", start.Add(time.Hour), "src_"+d.key[4:]), "createApiKey", "not_found", "notification.alertSourceId")
		d.do(`mutation { setAlertSourceEnabled(input: {id: %q, enabled: false}) { `+refusals+` } }`, d.source)
		wantRefused(t, create("off", start.Add(time.Hour), d.source), "createApiKey", "alert_sources.disabled", "notification.alertSourceId")
		if a := d.do(`{ apiKeys { totalCount } }`); a.at(t, "apiKeys", "totalCount") != 2.0 {
			t.Error(a.text)
		}
		d.do(`mutation { setAlertSourceEnabled(input: {id: %q, enabled: true}) { `+refusals+` } }`, d.source)
		a := create("late", start.AddDate(0, 6, 0), d.source) // unused, it ends after three months
		if w := into[[]string](t, a, "createApiKey", "warnings"); len(w) != 1 || !strings.Contains(w[0], "2026-11-30T10:00:00Z") {
			t.Error(a.text)
		}
	})
}

// A key has at most one: whoever sets another replaces it, and no trace of the first is left.
func TestNotificationIsReplaced(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		first := d.set(time.Hour)
		d.pass(time.Second)
		second := d.set(2 * time.Hour)
		if second.ID != first.ID || second.Job.ID != first.Job.ID || !second.CreatedAt.Equal(start) || !second.UpdatedAt.Equal(start.Add(time.Second)) {
			t.Errorf("%+v, then %+v", first, second)
		}
		if !second.NotifyAt.Equal(start.Add(time.Second+2*time.Hour)) || len(second.PreviousJobs) != 0 {
			t.Errorf("%+v", second)
		}
		d.pass(time.Hour)
		d.work()
		if m := d.messages(d.admin); len(m) != 0 {
			t.Errorf("the instant that was replaced: %+v", m)
		}
		d.pass(time.Hour)
		d.work()
		d.work()
		if m := d.messages(d.admin); len(m) != 1 || m[0].Job.ID != first.Job.ID {
			t.Errorf("%+v", m)
		}
	})
}

// Twenty that set it at once leave one job that is still to start.
func TestTwentySetsAtOnce(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		set := fmt.Sprintf(`mutation { `+setNotification+` }`, d.key, start.Add(time.Hour).Format(time.RFC3339Nano), d.source)
		ids, jobs := map[string]bool{}, map[string]bool{}
		for _, a := range d.atOnce(20, set) {
			if a.Errors != nil || refusalsOf(a, "setApiKeyNotification") != nil {
				t.Fatal(a.text)
			}
			n := into[keyNotification](t, a, "setApiKeyNotification", "notification")
			ids[n.ID], jobs[n.Job.ID] = true, true
		}
		if n := d.notification(); len(ids) != 1 || len(jobs) != 1 || !ids[n.ID] || !jobs[n.Job.ID] || len(n.PreviousJobs) != 0 {
			t.Errorf("notifications %v, jobs %v, now %+v", ids, jobs, n)
		}
		if all := d.jobsOf(d.key); len(all) != 1 {
			t.Errorf("%v", all)
		}
		d.pass(time.Hour)
		d.work()
		if m := d.messages(d.admin); len(m) != 1 {
			t.Errorf("%+v", m)
		}
	})
}

// notifyAt lies in the future: now is refused, a microsecond later is taken.
func TestNotifyAtLiesInTheFuture(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		for _, at := range []time.Time{start.Add(-time.Hour), start, start.Add(time.Microsecond - 1)} {
			e := wantRefused(t, d.trySet(at, d.source), "setApiKeyNotification", "input.invalid", "notifyAt")
			if !strings.Contains(e.Message, "future") {
				t.Error(e.Message)
			}
		}
		if n := d.notification(); n != nil {
			t.Errorf("%+v", n)
		}
		n := d.set(time.Microsecond)
		d.work()
		d.wantStatus(n.Job.ID, "SCHEDULED")
		d.pass(time.Microsecond)
		d.work()
		d.wantStatus(n.Job.ID, "COMPLETED")
	})
}

// A notification at or after the key's end is accepted with a warning, and the alert says that the
// key has ended.
func TestNotificationAfterTheEnd(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		end := start.Add(time.Hour)
		d.key, _ = d.create(d.admin, map[string]any{"name": "short", "expiresAt": end})
		for at, warned := range map[time.Time]bool{end.Add(-time.Microsecond): false, end: true, end.Add(time.Hour): true} {
			a := d.trySet(at, d.source)
			w := into[[]string](t, a, "setApiKeyNotification", "warnings")
			if refusalsOf(a, "setApiKeyNotification") != nil || (len(w) == 1) != warned || warned && !strings.Contains(w[0], "2026-08-31T11:00:00Z") {
				t.Errorf("at %v: %s", at, a.text)
			}
		}
		d.trySet(end.Add(time.Hour), d.source) // out of the way of what follows
		for _, c := range []struct {
			at    time.Time
			ended bool
		}{{end.Add(-time.Microsecond), false}, {end, true}} {
			id, _ := d.create(d.admin, map[string]any{"name": c.at.String(), "expiresAt": end, "notification": map[string]any{"notifyAt": c.at, "alertSourceId": d.source}})
			d.pass(c.at.Sub(d.clock()))
			d.work()
			m := d.messages(d.admin)
			if len(m) == 0 || m[0].APIKey.ID != id || strings.Contains(m[0].Text, "has ended already") != c.ended {
				t.Errorf("at %v: %+v", c.at, m)
			}
			d.pass(start.Sub(d.clock())) // the same life for the next
		}
	})
}

// A key that has ended gets none, however it ended; what it had stays as it is.
func TestNoNotificationAfterTheEnd(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		end := start.Add(time.Hour)
		d.key, _ = d.create(d.admin, map[string]any{"name": "short", "expiresAt": end})
		n := d.set(30 * time.Minute)
		d.pass(time.Hour - time.Microsecond)
		d.set(time.Hour)
		d.pass(time.Microsecond)
		e := wantRefused(t, d.trySet(d.clock().Add(time.Hour), d.source), "setApiKeyNotification", "api_keys.not_live", "apiKeyId")
		if e.Typename != "KeyNotLiveError" || e.Status != "EXPIRED" || e.Since != "2026-08-31T11:00:00Z" {
			t.Errorf("%+v", e)
		}
		if now := d.notification(); now == nil || now.ID != n.ID || now.Job.ID != n.Job.ID || now.Job.Status != "SCHEDULED" {
			t.Errorf("%+v", now)
		}

		d.key, _ = d.create(d.admin, map[string]any{"name": "revoked"})
		d.do(`mutation { revokeApiKey(input: {id: %q}) { `+refusals+` } }`, d.key)
		if e := wantRefused(t, d.trySet(d.clock().Add(time.Hour), d.source), "setApiKeyNotification", "api_keys.not_live", "apiKeyId"); e.Status != "REVOKED" {
			t.Errorf("%+v", e)
		}
		d.do(`mutation { removeApiKey(input: {id: %q}) { `+refusals+` } }`, d.key)
		wantRefused(t, d.trySet(d.clock().Add(time.Hour), d.source), "setApiKeyNotification", "not_found", "apiKeyId")
	})
}

// Suspended and rotated keys have not ended.
func TestNotificationOfASuspendedOrRotatedKey(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		d.do(`mutation { suspendApiKey(input: {id: %q}) { `+refusals+` } }`, d.key)
		d.set(time.Minute)
		d.do(`mutation { resumeApiKey(input: {id: %[1]q}) { `+refusals+` } rotateApiKey(input: {id: %[1]q, gracePeriod: "PT1H"}) { `+refusals+` } }`, d.key)
		if n := d.notification(); n != nil {
			t.Errorf("rotated: %+v", n)
		}
		d.set(time.Minute)
		d.pass(time.Minute)
		d.work()
		if m := d.messages(d.text); len(m) != 1 || m[0].APIKey.ID != d.key {
			t.Errorf("%+v", m)
		}
	})
}

// Members set the notifications of their own keys, with keytag:keys:write; of others they see nothing.
func TestWhoSetsANotification(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		admins, _ := d.create(d.admin, map[string]any{"name": "not mia's"})
		reader, readerText := d.create(d.admin, map[string]any{"name": "reader", "ownerId": d.mia, "scopes": []string{"keytag:keys:read"}})
		at := start.Add(time.Hour).Format(time.RFC3339Nano)
		set := func(key, source string) string {
			return fmt.Sprintf(`mutation { `+setNotification+` }`, key, at, source)
		}
		if a := d.ask(d.text, set(d.key, d.source), nil); refusalsOf(a, "setApiKeyNotification") != nil || len(a.Errors) > 0 {
			t.Error(a.text)
		}
		wantRefused(t, d.ask(d.text, set(admins, d.source), nil), "setApiKeyNotification", "not_found", "apiKeyId")
		if a := d.ask(readerText, set(reader, d.source), nil); len(a.Errors) != 1 || a.Errors[0].Extensions.Code != "auth.forbidden" {
			t.Error(a.text)
		}
		eve := d.elsewhere()
		wantRefused(t, d.ask(eve, set(d.key, d.source), nil), "setApiKeyNotification", "not_found", "apiKeyId")
		theirs := d.ask(eve, `{ viewerKey { id } }`, nil).str(t, "viewerKey", "id")
		wantRefused(t, d.ask(eve, set(theirs, d.source), nil), "setApiKeyNotification", "not_found", "alertSourceId")
		n := d.notification()
		for _, change := range []string{
			fmt.Sprintf(`cancelAlertJob(input: {id: %q}) { userErrors { code fields } }`, n.Job.ID),
			fmt.Sprintf(`deleteAlertJob(input: {id: %q}) { userErrors { code fields } }`, n.Job.ID),
			fmt.Sprintf(`cancelApiKeyNotification(input: {apiKeyId: %q}) { userErrors { code fields } }`, d.key),
		} {
			if a := d.ask(eve, `mutation { `+change+` }`, nil); !strings.Contains(a.text, `"code":"not_found"`) {
				t.Error(a.text)
			}
		}
		if a := d.ask(eve, fmt.Sprintf(`{ nodes(ids: [%q, %q, %q]) { id } }`, n.ID, n.Job.ID, d.source), nil); a.text != `{"data":{"nodes":[null,null,null]}}` {
			t.Error(a.text)
		}
		if after := d.notification(); after == nil || after.Job != n.Job {
			t.Errorf("%+v", after)
		}
	})
}

// A key without keytag:keys:read sees its own notification whole: the source of its job, and those of
// jobs that ran before or were cancelled.
func TestAKeySeesItsOwnNotification(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		d.key, d.text = d.create(d.admin, map[string]any{"name": "writer", "ownerId": d.mia, "scopes": []string{"keytag:keys:write"}})
		first := d.set(time.Hour)
		d.pass(time.Hour)
		d.work()
		other := d.messageSource(`name: "other"`)
		second := d.trySet(d.clock().Add(time.Hour), other).str(t, "setApiKeyNotification", "notification", "job", "id")
		a := d.ask(d.text, `{ viewerKey { notification { `+notificationFields+` } } }`, nil)
		if len(a.Errors) > 0 {
			t.Fatal(a.text)
		}
		n := into[keyNotification](t, a, "viewerKey", "notification")
		if n.Job.ID != second || n.Job.AlertSource.ID != other || len(n.PreviousJobs) != 1 || n.PreviousJobs[0].ID != first.Job.ID || n.PreviousJobs[0].AlertSource.ID != d.source {
			t.Errorf("%+v", n)
		}
		d.do(`mutation { `+cancelNotification+` }`, d.key)
		a = d.ask(d.text, fmt.Sprintf(`{ node(id: %q) { ... on AlertJob { `+jobFields+` } } }`, second), nil)
		if len(a.Errors) > 0 || a.str(t, "node", "alertSource", "id") != other {
			t.Error(a.text)
		}
	})
}

package graph_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const updateSource = `updateAlertSource(input: {id: %q, %s}) { alertSource { ` + sourceFields + ` } webhookSecret ` + refusals + ` }`

// Each kind takes its own members, and null is the default; members of another kind are refused, and
// nothing is changed.
func TestAlertSourcesAreChanged(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		defaults := d.do(`mutation { `+createMessage+createEmail+` }`, `name: "m"`, `name: "e"`)
		m := into[alertSource](t, defaults, "createOperatorMessageAlertSource", "alertSource")
		e := into[alertSource](t, defaults, "createEmailAlertSource", "alertSource")
		hook, _ := d.webhookSource("w", "https://hooks.example.com/")
		for _, c := range []struct {
			id, set string
			want    string
		}{
			{m.ID, `name: " M ", messageTemplate: "t {{keyId}}", replies: ["Yes"]`, "M|t {{keyId}}|[Yes]|[]|||"},
			{m.ID, `replies: ["No"]`, "M|t {{keyId}}|[No]|[]|||"},
			{m.ID, `messageTemplate: null, replies: null`, "M|" + m.MessageTemplate + "|[Acknowledge]|[]|||"},
			{e.ID, `recipients: ["a@example.com"], subjectTemplate: "s", bodyTemplate: "b"`, "e||[]|[a@example.com]|s|b|"},
			{e.ID, `recipients: null, subjectTemplate: null, bodyTemplate: null`, "e||[]|[]|" + e.SubjectTemplate + "|" + e.BodyTemplate + "|"},
			{hook, `url: "https://other.example.com/"`, "w||[]|[]|||https://other.example.com/"},
		} {
			s := into[alertSource](t, d.do(`mutation { `+updateSource+` }`, c.id, c.set), "updateAlertSource", "alertSource")
			if got := fmt.Sprintf("%s|%s|%v|%v|%s|%s|%s", s.Name, s.MessageTemplate, s.Replies, s.Recipients, s.SubjectTemplate, s.BodyTemplate, s.URL); got != c.want {
				t.Errorf("%s: %s, want %s", c.set, got, c.want)
			}
		}
		before := fmt.Sprint(d.alertSources(d.admin))
		members := map[string]string{
			"messageTemplate": `"t"`, "replies": `["a"]`, "recipients": `["a@example.com"]`, "subjectTemplate": `"s"`, "bodyTemplate": `"b"`, "url": `"https://a.example.com"`,
		}
		own := map[string]string{m.ID: "messageTemplate replies", e.ID: "recipients subjectTemplate bodyTemplate", hook: "url"}
		for id, has := range own {
			for member, value := range members {
				if strings.Contains(has, member) {
					continue
				}
				for _, v := range []string{value, "null"} {
					a := d.ask(d.admin, fmt.Sprintf(`mutation { `+updateSource+` }`, id, `name: "changed", `+member+`: `+v), nil)
					wantRefused(t, a, "updateAlertSource", "input.invalid", member)
				}
			}
		}
		for _, c := range []struct{ id, set, code, field string }{
			{m.ID, `name: null`, "input.invalid", "name"},
			{m.ID, `name: ""`, "input.invalid", "name"},
			{m.ID, `name: "e"`, "directory.name_taken", "name"},
			{m.ID, `messageTemplate: "{{no}}"`, "input.invalid", "messageTemplate"},
			{m.ID, `replies: []`, "input.invalid", "replies"},
			{e.ID, `recipients: ["x"]`, "input.invalid", "recipients"},
			{e.ID, `subjectTemplate: "{{no}}"`, "input.invalid", "subjectTemplate"},
			{hook, `url: null`, "input.invalid", "url"},
			{hook, `url: "nowhere"`, "input.invalid", "url"},
		} {
			wantRefused(t, d.ask(d.admin, fmt.Sprintf(`mutation { `+updateSource+` }`, c.id, c.set), nil), "updateAlertSource", c.code, c.field)
		}
		if after := fmt.Sprint(d.alertSources(d.admin)); after != before {
			t.Errorf("%s\n%s", before, after)
		}
	})
}

// What is scheduled is raised as its source is when it is due.
func TestAChangedSourceRaisesWhatItIsNow(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		d.set(time.Hour)
		d.do(`mutation { `+updateSource+` }`, d.source, `messageTemplate: "new", replies: ["Seen"]`)
		d.pass(time.Hour)
		d.work()
		m := d.messages(d.admin)
		if len(m) != 1 || m[0].Text != "new" || fmt.Sprint(m[0].Replies) != "[Seen]" {
			t.Fatalf("%+v", m)
		}
		d.do(`mutation { `+updateSource+` }`, d.source, `replies: ["Other"]`)
		if m := d.messages(d.admin); fmt.Sprint(m[0].Replies) != "[Seen]" {
			t.Errorf("what was asked stays: %+v", m)
		}
	})
}

// A source that is switched off raises nothing, and its jobs say why; switched on again it does.
func TestADisabledSourceRaisesNothing(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		b := newInbox(t, 500)
		hook, _ := d.webhookSource("hook", b.URL)
		enable := `mutation { setAlertSourceEnabled(input: {id: %q, enabled: %t}) { alertSource { enabled } ` + refusals + ` } }`
		waiting := into[keyNotification](t, d.trySet(start.Add(time.Hour), hook), "setApiKeyNotification", "notification").Job.ID
		d.pass(time.Hour)
		d.work()
		scheduled := d.set(time.Hour).Job.ID
		for _, source := range []string{d.source, hook} {
			if a := d.do(enable, source, false); a.at(t, "setAlertSourceEnabled", "alertSource", "enabled") != false {
				t.Error(a.text)
			}
			wantRefused(t, d.trySet(d.clock().Add(time.Hour), source), "setApiKeyNotification", "alert_sources.disabled", "alertSourceId")
		}
		d.pass(time.Hour)
		d.work()
		for _, id := range []string{waiting, scheduled} {
			if j := d.job(id); j.Status != "ERROR" || j.LastError == nil || *j.LastError != "the alert source is disabled" {
				t.Errorf("%+v", j)
			}
		}
		if m := d.messages(d.admin); len(m) != 0 || len(b.all()) != 1 {
			t.Errorf("%d webhooks, %+v", len(b.all()), m)
		}
		d.do(enable, d.source, true)
		d.raised(t)
	})
}

const deleteSource = `deleteAlertSource(input: {id: %q}) { deletedAlertSourceId ` + refusals + ` }`

// A source that notifications use cannot be deleted, only disabled; the error names their keys.
func TestASourceInUseIsNotDeleted(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		d.set(time.Hour)
		other, _ := d.create(d.admin, map[string]any{"name": "other", "notification": map[string]any{"notifyAt": start.Add(time.Hour), "alertSourceId": d.source}})
		e := wantRefused(t, d.ask(d.admin, fmt.Sprintf(`mutation { `+deleteSource+` }`, d.source), nil), "deleteAlertSource", "alert_sources.in_use", "id")
		if !strings.Contains(e.Message, d.key) || !strings.Contains(e.Message, other) || !strings.Contains(e.Message, "disable") {
			t.Error(e.Message)
		}
		d.do(`mutation { setAlertSourceEnabled(input: {id: %q, enabled: false}) { `+refusals+` } }`, d.source)
		wantRefused(t, d.ask(d.admin, fmt.Sprintf(`mutation { `+deleteSource+` }`, d.source), nil), "deleteAlertSource", "alert_sources.in_use", "id")
		d.do(`mutation { `+cancelNotification+` }`, d.key)
		e = wantRefused(t, d.ask(d.admin, fmt.Sprintf(`mutation { `+deleteSource+` }`, d.source), nil), "deleteAlertSource", "alert_sources.in_use", "id")
		if strings.Contains(e.Message, d.key) || !strings.Contains(e.Message, other) {
			t.Error(e.Message)
		}
		d.do(`mutation { removeApiKey(input: {id: %q}) { `+refusals+` } }`, other)
		if a := d.do(`mutation { `+deleteSource+` }`, d.source); a.str(t, "deleteAlertSource", "deletedAlertSourceId") != d.source {
			t.Error(a.text)
		}
	})
}

// A deleted source is gone but for the jobs that it had, and its name can be used again.
func TestADeletedSourcesNameIsFree(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		n := d.set(time.Hour)
		d.do(`mutation { `+cancelNotification+` }`, d.key)
		old := d.source
		d.do(`mutation { `+deleteSource+` }`, old)
		if list := d.alertSources(d.admin); len(list) != 0 {
			t.Errorf("%+v", list)
		}
		wantRefused(t, d.trySet(start.Add(time.Hour), old), "setApiKeyNotification", "not_found", "alertSourceId")
		for mutation, text := range map[string]string{
			"updateAlertSource":     fmt.Sprintf(updateSource, old, `name: "x"`),
			"setAlertSourceEnabled": fmt.Sprintf(`setAlertSourceEnabled(input: {id: %q, enabled: true}) { `+refusals+` }`, old),
			"deleteAlertSource":     fmt.Sprintf(deleteSource, old),
		} {
			wantRefused(t, d.ask(d.admin, `mutation { `+text+` }`, nil), mutation, "not_found", "id")
		}
		if j := d.job(n.Job.ID); j == nil || j.AlertSource.ID != old {
			t.Errorf("%+v", j)
		}
		for range 2 {
			d.source = d.messageSource(`name: "desk"`)
			d.do(`mutation { `+deleteSource+` }`, d.source)
		}
		d.source = d.messageSource(`name: "desk"`)
		d.raised(t)
	})
}

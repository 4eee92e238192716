package graph_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/alert"
)

const sourceFields = `__typename id name enabled createdAt
	... on OperatorMessageAlertSource { messageTemplate replies }
	... on EmailAlertSource { recipients subjectTemplate bodyTemplate }
	... on WebhookAlertSource { url }`

type alertSource struct {
	Typename                                        string `json:"__typename"`
	ID, Name, MessageTemplate, SubjectTemplate, URL string
	BodyTemplate                                    string
	Enabled                                         bool
	CreatedAt                                       time.Time
	Replies, Recipients                             []string
}

func (d *desk) alertSources(as string) []alertSource {
	d.t.Helper()
	a := d.ask(as, `{ alertSources { nodes { `+sourceFields+` } totalCount } }`, nil)
	list := into[[]alertSource](d.t, a, "alertSources", "nodes")
	if a.Errors != nil || a.at(d.t, "alertSources", "totalCount") != float64(len(list)) {
		d.t.Error(a.text)
	}
	return list
}

const (
	createMessage = `createOperatorMessageAlertSource(input: {%s}) { alertSource { ` + sourceFields + ` } webhookSecret ` + refusals + ` }`
	createEmail   = `createEmailAlertSource(input: {%s}) { alertSource { ` + sourceFields + ` } webhookSecret ` + refusals + ` }`
	createWebhook = `createWebhookAlertSource(input: {%s}) { alertSource { ` + sourceFields + ` } webhookSecret ` + refusals + ` }`
)

// The three kinds, with what they are when nothing is said.
func TestTheThreeKindsOfAlertSources(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		answers := map[string]answer{}
		for _, c := range []struct{ form, input string }{{createMessage, `name: " m "`}, {createEmail, `name: "e"`}, {createWebhook, `name: "w", url: "https://hooks.example.com/secret-path"`}} {
			d.pass(time.Minute)
			mutation, _, _ := strings.Cut(c.form, "(")
			answers[mutation] = d.do(`mutation { `+c.form+` }`, c.input)
		}
		for mutation, want := range map[string]string{
			"createOperatorMessageAlertSource": "OperatorMessageAlertSource m [Acknowledge] [] 10:01", "createEmailAlertSource": "EmailAlertSource e [] [] 10:02", "createWebhookAlertSource": "WebhookAlertSource w [] [] 10:03",
		} {
			a := answers[mutation]
			s := into[alertSource](t, a, mutation, "alertSource")
			if got := fmt.Sprint(s.Typename, " ", s.Name, " ", s.Replies, " ", s.Recipients, " ", s.CreatedAt.Format("15:04")); got != want || !s.Enabled || !strings.HasPrefix(s.ID, "src_") {
				t.Errorf("%+v, want %s", s, want)
			}
			if secret := a.at(t, mutation, "webhookSecret"); (secret != nil) != (s.Typename == "WebhookAlertSource") {
				t.Errorf("%s: %v", mutation, secret)
			}
		}
		if m := into[alertSource](t, answers["createOperatorMessageAlertSource"], "createOperatorMessageAlertSource", "alertSource"); !strings.Contains(m.MessageTemplate, "{{details}}") {
			t.Errorf("%+v", m)
		}
		if e := into[alertSource](t, answers["createEmailAlertSource"], "createEmailAlertSource", "alertSource"); !strings.Contains(e.SubjectTemplate, "{{keyName}}") || !strings.Contains(e.BodyTemplate, "{{details}}") {
			t.Errorf("%+v", e)
		}
		list := d.alertSources(d.text) // a member chooses among them
		if len(list) != 4 || list[0].Name != "desk" || list[1].Name != "m" || list[2].Name != "e" || list[3].URL != "https://hooks.example.com/secret-path" {
			t.Errorf("oldest first: %+v", list)
		}
		if eve := d.alertSources(d.elsewhere()); len(eve) != 0 {
			t.Errorf("%+v", eve)
		}
	})
}

// Administrators make and change alert sources, with keytag:alerts:write; members do not, whatever
// their keys say, and to another organization there are none.
func TestWhoMakesAlertSources(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		_, all := d.create(d.admin, map[string]any{"name": "everything", "ownerId": d.mia, "scopes": []string{"*"}})
		_, without := d.create(d.admin, map[string]any{"name": "no alerts", "scopes": []string{"keytag:keys:read", "keytag:keys:write"}})
		hook, _ := d.webhookSource("hook", "https://hooks.example.com/")
		before := fmt.Sprint(d.alertSources(d.admin))
		for mutation, text := range map[string]string{
			"createOperatorMessageAlertSource": fmt.Sprintf(createMessage, `name: "x"`),
			"createEmailAlertSource":           fmt.Sprintf(createEmail, `name: "x"`),
			"createWebhookAlertSource":         fmt.Sprintf(createWebhook, `name: "x", url: "https://hooks.example.com"`),
			"updateAlertSource":                fmt.Sprintf(`updateAlertSource(input: {id: %q, name: "x"}) { `+refusals+` }`, d.source),
			"setAlertSourceEnabled":            fmt.Sprintf(`setAlertSourceEnabled(input: {id: %q, enabled: false}) { `+refusals+` }`, d.source),
			"deleteAlertSource":                fmt.Sprintf(`deleteAlertSource(input: {id: %q}) { `+refusals+` }`, d.source),
		} {
			for name, caller := range map[string]string{"member": all, "without the scope": without} {
				if a := d.ask(caller, `mutation { `+text+` }`, nil); len(a.Errors) != 1 || a.Errors[0].Extensions.Code != "auth.forbidden" || a.Data[mutation] != nil {
					t.Errorf("%s, %s: %s", name, mutation, a.text)
				}
			}
		}
		rotate := fmt.Sprintf(`mutation { rotateWebhookSecret(input: {id: %q}) { webhookSecret `+refusals+` } }`, hook)
		wantRefused(t, d.ask(all, rotate, nil), "rotateWebhookSecret", "auth.forbidden", "id")
		wantRefused(t, d.ask(without, rotate, nil), "rotateWebhookSecret", "auth.forbidden", "id")

		eve := d.elsewhere()
		wantRefused(t, d.ask(eve, rotate, nil), "rotateWebhookSecret", "not_found", "id")
		for mutation, text := range map[string]string{
			"updateAlertSource":     `updateAlertSource(input: {id: %q, name: "x"}) { ` + refusals + ` }`,
			"setAlertSourceEnabled": `setAlertSourceEnabled(input: {id: %q, enabled: false}) { ` + refusals + ` }`,
			"deleteAlertSource":     `deleteAlertSource(input: {id: %q}) { ` + refusals + ` }`,
		} {
			wantRefused(t, d.ask(eve, fmt.Sprintf(`mutation { `+text+` }`, d.source), nil), mutation, "not_found", "id")
		}
		if after := fmt.Sprint(d.alertSources(d.admin)); after != before {
			t.Errorf("%s\n%s", before, after)
		}
	})
}

var everyVariable = []string{"keyName", "keyDescription", "keyPrefix", "keyId", "ownerLogin", "ownerName", "projectName", "environmentName", "status", "endsAt", "endsBecause", "details", "serverUrl"}

// Templates know these variables and no other.
func TestTemplatesKnowTheirVariables(t *testing.T) {
	eachDeskWith(t, func(o *alert.Options) { o.PublicURL = "https://keys.example.com" }, func(t *testing.T, d *desk) {
		var template []string
		for _, v := range everyVariable {
			template = append(template, v+"={{ "+v+" }}")
		}
		source := d.messageSource(fmt.Sprintf(`name: "all", messageTemplate: %q`, strings.Join(template, "|")))
		a := d.do(`mutation { createProject(input: {name: "shop", environments: ["live"]}) { project { id environments { id } } ` + refusals + ` } }`)
		d.do(`mutation { updateApiKey(input: {id: %q, description: "a {{keyId}} <b>"}) { `+refusals+` } }`, d.key)
		at := start.Add(time.Hour)
		id, text := d.create(d.admin, map[string]any{
			"projectId": a.str(t, "createProject", "project", "id"), "environmentId": a.str(t, "createProject", "project", "environments", 0, "id"),
			"name": "told", "description": "{{keyId}} & <b>", "ownerId": d.mia, "expiresAt": start.Add(48 * time.Hour),
			"notification": map[string]any{"notifyAt": at, "alertSourceId": source},
		})
		d.pass(time.Hour)
		d.work()
		key := d.do(`{ apiKey(id: %q) { keyPrefix details { message } } }`, id)
		want := strings.Join([]string{
			"keyName=told", "keyDescription={{keyId}} & <b>", "keyPrefix=" + key.str(t, "apiKey", "keyPrefix"), "keyId=" + id,
			"ownerLogin=mia", "ownerName=Mia M.", "projectName=shop", "environmentName=live", "status=ACTIVE",
			"endsAt=2026-09-02T10:00:00Z", "endsBecause=LIFETIME", "details=" + key.str(t, "apiKey", "details", "message"), "serverUrl=https://keys.example.com",
		}, "|")
		m := d.messages(d.admin)
		if len(m) != 1 || m[0].Text != want {
			t.Errorf("%+v\nwant %s", m, want)
		}
		if strings.Contains(fmt.Sprint(m), text) {
			t.Error("the secret is told")
		}
	})
}

// What cannot be taken is refused at once, with the field and what is allowed.
func TestAlertSourcesRefused(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		for _, c := range []struct{ form, input, field, says string }{
			{createMessage, `name: ""`, "name", "1 to 100"},
			{createMessage, `name: "` + strings.Repeat("n", 101) + `"`, "name", "1 to 100"},
			{createMessage, `name: "a\u0007b"`, "name", "printable"},
			{createMessage, `name: "` + d.text + `"`, "name", "no API key"},
			{createMessage, `name: "x", messageTemplate: "{{secret}}"`, "messageTemplate", "{{keyName}}, {{keyDescription}}"},
			{createMessage, `name: "x", messageTemplate: "{{keyName"`, "messageTemplate", "{{serverUrl}}"},
			{createMessage, `name: "x", messageTemplate: "keyName}}"`, "messageTemplate", "{{serverUrl}}"},
			{createMessage, `name: "x", messageTemplate: "{{.keyName}}"`, "messageTemplate", "{{serverUrl}}"},
			{createMessage, `name: "x", messageTemplate: " "`, "messageTemplate", "blank"},
			{createMessage, `name: "x", messageTemplate: "` + strings.Repeat("x", 10_001) + `"`, "messageTemplate", "10000"},
			{createMessage, `name: "x", messageTemplate: "` + d.text + `"`, "messageTemplate", "API key"},
			{createMessage, `name: "x", replies: []`, "replies", "1 to 10"},
			{createMessage, `name: "x", replies: ["1","2","3","4","5","6","7","8","9","10","11"]`, "replies", "1 to 10"},
			{createMessage, `name: "x", replies: ["a", " a"]`, "replies", "differ"},
			{createMessage, `name: "x", replies: [""]`, "replies", "1 to 100"},
			{createEmail, `name: "x", recipients: ["nobody"]`, "recipients", "e-mail addresses"},
			{createEmail, `name: "x", recipients: ["a@example.com\nBcc: b@example.com"]`, "recipients", "e-mail addresses"},
			{createEmail, `name: "x", recipients: ["` + strings.Repeat(`a@example.com", "`, 50) + `a@example.com"]`, "recipients", "at most 50"},
			{createEmail, `name: "x", subjectTemplate: "{{keySecret}}"`, "subjectTemplate", "{{keyName}}"},
			{createEmail, `name: "x", bodyTemplate: "{{digest}}"`, "bodyTemplate", "{{keyName}}"},
			{createWebhook, `name: "x", url: "ftp://hooks.example.com"`, "url", "https"},
			{createWebhook, `name: "x", url: "https://user:password@hooks.example.com"`, "url", "without user"},
			{createWebhook, `name: "x", url: "https://hooks.example.com/` + d.text + `"`, "url", "API key"},
		} {
			mutation, _, _ := strings.Cut(c.form, "(")
			a := d.ask(d.admin, fmt.Sprintf(`mutation { `+c.form+` }`, c.input), nil)
			if e := wantRefused(t, a, mutation, "input.invalid", c.field); !strings.Contains(e.Message, c.says) || strings.Contains(a.text, d.text) {
				t.Errorf("%s: %s", c.input, a.text)
			}
		}
		a := d.ask(d.admin, fmt.Sprintf(`mutation { `+createEmail+` }`, `name: "", subjectTemplate: "{{a}}", bodyTemplate: "{{b}}"`), nil)
		if list := refusalsOf(a, "createEmailAlertSource"); len(list) != 3 {
			t.Errorf("all at once: %s", a.text)
		}
		wantRefused(t, d.ask(d.admin, fmt.Sprintf(`mutation { `+createEmail+` }`, `name: "desk"`), nil), "createEmailAlertSource", "directory.name_taken", "name")
		if list := d.alertSources(d.admin); len(list) != 1 {
			t.Errorf("%+v", list)
		}
	})
}

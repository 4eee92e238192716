package graph_test

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/keytag/keytag/internal/mail/smtptest"
)

// letter is an e-mail as its reader sees it.
type letter struct {
	header     netmail.Header
	subject    string
	to         []string
	text, html string
}

// letters are the e-mails that arrived since the last call, with line breaks of one kind.
func letters(t testing.TB, post *smtptest.Server) []letter {
	t.Helper()
	var list []letter
	for _, m := range post.Messages() {
		read, err := netmail.ReadMessage(strings.NewReader(string(m.Content)))
		if err != nil {
			t.Fatal(err)
		}
		l := letter{header: read.Header, to: m.To}
		if l.subject, err = new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject")); err != nil {
			t.Fatal(err)
		}
		_, parameters, err := mime.ParseMediaType(read.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		parts := multipart.NewReader(read.Body, parameters["boundary"])
		for {
			part, err := parts.NextRawPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(quotedprintable.NewReader(part))
			if err != nil {
				t.Fatal(err)
			}
			text := strings.TrimSpace(strings.ReplaceAll(string(body), "\r\n", "\n"))
			if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
				l.html = text
			} else {
				l.text = text
			}
		}
		list = append(list, l)
	}
	post.Forget()
	return list
}

// emailSource makes an alert source and answers its id.
func (s *site) emailSource(input string) string {
	s.t.Helper()
	return s.ask(s.admin, `mutation { createEmailAlertSource(input: {`+input+`}) { alertSource { id } userErrors { message } } }`, nil).str(s.t, "createEmailAlertSource", "alertSource", "id")
}

// notify gives a key a notification in an hour.
func (s *site) notify(keyID, sourceID string) {
	s.t.Helper()
	s.mutate("setApiKeyNotification", fmt.Sprintf(`apiKeyId: %q, alertSourceId: %q, notifyAt: %q`, keyID, sourceID, s.clock().Add(time.Hour).Format(time.RFC3339Nano)))
}

// alertJob is the job of a key's notification: status, attempts, last error.
func (s *site) alertJob(keyID string) (status string, attempts float64, lastError string) {
	s.t.Helper()
	a := s.ask(s.admin, fmt.Sprintf(`{ apiKey(id: %q) { notification { job { status attempts lastError } } } }`, keyID), nil)
	lastError, _ = a.at(s.t, "apiKey", "notification", "job", "lastError").(string)
	return a.str(s.t, "apiKey", "notification", "job", "status"), a.at(s.t, "apiKey", "notification", "job", "attempts").(float64), lastError
}

// A reminder goes to the owner in its time zone; when the owner is disabled to the administrators.
func TestRemindersByEmail(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *site, post *smtptest.Server) {
		s.user(`login: "ada", email: "ada@example.org", role: ADMIN`)
		s.user(`login: "off", email: "off@example.org", role: ADMIN`)
		s.user(`login: "mute", role: ADMIN`)
		mia := s.user(`login: "mia", displayName: "Mia <M>", email: "mia@example.org", timeZone: "Europe/Amsterdam"`)
		leo := s.user(`login: "leo"`)
		off := s.ask(s.admin, `{ users(query: "off", first: 1) { nodes { id } } }`, nil).str(t, "users", "nodes", 0, "id")
		s.mutate("updateUser", fmt.Sprintf(`id: %q, disabled: true`, off))
		id, _ := s.create(s.admin, map[string]any{"name": "a & b", "ownerId": mia, "expiresIn": "P60D"})
		without, _ := s.create(s.admin, map[string]any{"name": "w", "ownerId": leo, "expiresIn": "P60D"})
		s.goTo(start.Add(30 * oneDay))
		s.work()
		got := letters(t, post)
		if len(got) != 1 || !slices.Equal(got[0].to, []string{"mia@example.org"}) {
			t.Fatalf("%+v", got)
		}
		if l := got[0]; l.subject != "API key a & b ends soon" ||
			!strings.Contains(l.text, "of Mia <M>, project") || !strings.Contains(l.text, "\n\nExpires at 30 October 2026, 11:00:00 CET.\n\nhttps://keys.example.org") ||
			!strings.Contains(l.html, "<p>API key a &amp; b (ktg_") || !strings.Contains(l.html, "Mia &lt;M&gt;") ||
			!strings.Contains(l.html, "<p>Expires at 30 October 2026, 11:00:00 CET.</p>") || l.header.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("%+v", l)
		}
		s.wantTold(id, s.clock())
		s.wantTold(without, s.clock())

		s.mutate("updateUser", fmt.Sprintf(`id: %q, disabled: true`, mia))
		s.goTo(start.Add(53 * oneDay))
		s.work()
		if got = letters(t, post); len(got) != 1 || !slices.Equal(got[0].to, []string{"ada@example.org"}) {
			t.Fatalf("%+v", got)
		}
	})
}

// An e-mail source sends what its templates say to its recipients, else to the key's owner.
func TestEmailSources(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *site, post *smtptest.Server) {
		mia := s.user(`login: "mia", displayName: "Mia", email: "mia@example.org", timeZone: "America/New_York"`)
		environment := s.ask(s.admin, `mutation { createEnvironment(input: {name: "prod", projectId: "`+s.project()+`"}) { environment { id } } }`, nil).str(t, "createEnvironment", "environment", "id")
		id, text := s.create(s.admin, map[string]any{"name": "k <1>", "description": "d", "ownerId": mia, "expiresIn": "P60D", "environmentId": environment})
		all := "{{keyName}}|{{ keyDescription }}|{{keyPrefix}}|{{keyId}}|{{ownerLogin}}|{{ownerName}}|{{projectName}}|{{environmentName}}|{{status}}|{{endsAt}}|{{endsBecause}}|{{details}}|{{serverUrl}}"
		listed := s.emailSource(fmt.Sprintf(`name: "l", recipients: ["a@example.org", "b@example.org"], subjectTemplate: "About\n{{keyName}}:\r\nBcc: x@example.org", bodyTemplate: %q`, all))
		owner := s.emailSource(`name: "o"`)
		s.notify(id, listed)
		s.pass(time.Hour)
		s.work()
		got := letters(t, post)
		project := s.ask(s.admin, `{ viewerKey { project { name } } }`, nil).str(t, "viewerKey", "project", "name")
		body := fmt.Sprintf("k <1>|d|%s|%s|mia|Mia|%s|prod|ACTIVE|2026-10-30T06:00:00-04:00|LIFETIME|Expires at 30 October 2026, 06:00:00 EDT|https://keys.example.org", text[:14], id, project)
		if len(got) != 1 || !slices.Equal(got[0].to, []string{"a@example.org", "b@example.org"}) || got[0].text != body {
			t.Fatalf("%+v\nwant %s", got, body)
		}
		if got[0].subject != "About k <1>: Bcc: x@example.org" || got[0].header.Get("Bcc") != "" || strings.Contains(got[0].html, "<1>") {
			t.Errorf("%+v", got[0])
		}
		if status, attempts, _ := s.alertJob(id); status != "COMPLETED" || attempts != 1 {
			t.Errorf("%s after %v", status, attempts)
		}
		s.notify(id, owner)
		s.pass(time.Hour)
		s.work()
		if got = letters(t, post); len(got) != 1 || !slices.Equal(got[0].to, []string{"mia@example.org"}) ||
			got[0].subject != "API key k <1>: Expires at 30 October 2026, 06:00:00 EDT" {
			t.Fatalf("%+v", got)
		}
	})
}

// However a key is called, and whatever a template holds, there are no headers but ours.
func TestHeadersAreOurs(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *site, post *smtptest.Server) {
		mia := s.user(`login: "mia", displayName: "Mia: X-Evil: 1", email: "mia@example.org"`)
		s.policy(`reminderLeadTimes: ["P7D"]`)
		source := s.emailSource("name: \"o\", subjectTemplate: \"{{keyName}} {{ownerName}} {{keyDescription}}\\r\\n\\u2028X-Evil: 2\"")
		for _, control := range []string{"0000", "0007", "001b", "0085", "007f"} {
			a := s.ask(s.admin, `mutation { createEmailAlertSource(input: {name: "x", subjectTemplate: "a\u`+control+`"}) { userErrors { code fields } } }`, nil)
			if !strings.Contains(a.text, `{"code":"input.invalid","fields":["subjectTemplate"]}`) {
				t.Errorf("%s: %s", control, a.text)
			}
		}
		for _, name := range []string{"a\r\nX-Evil: 3", "b\nX-Evil: 4\n\nbody", "c\rX-Evil: 5", "d =?utf-8?q?=0D=0AX-Evil:_6?=", strings.Repeat("e", 90), "é\n漢字 {{serverUrl}}", "f\tX-Evil"} {
			id, _ := s.create(s.admin, map[string]any{"name": name, "ownerId": mia, "expiresIn": "P8D"})
			s.notify(id, source)
			s.pass(oneDay)
			s.work()
			got := letters(t, post)
			if len(got) != 2 {
				status, _, why := s.alertJob(id)
				t.Fatalf("%q: %d e-mails; %s %s", name, len(got), status, why)
			}
			flat := strings.Join(strings.Fields(name), " ")
			for _, l := range got {
				if l.header.Get("X-Evil") != "" || len(l.header) != 8 || strings.ContainsAny(l.subject, "\r\n\x00\x07") {
					t.Errorf("%q: %v", name, l.header)
				}
				if !strings.Contains(l.subject, flat) {
					t.Errorf("%q is not in %q", flat, l.subject)
				}
			}
		}
	})
}

// A refusal for now is tried again under the same id, one for good ends the job, and whoever has the
// e-mail does not get it twice.
func TestEmailsAreTriedAgain(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *site, post *smtptest.Server) {
		id, _ := s.create(s.admin, map[string]any{"name": "k"})
		source := s.emailSource(`name: "l", recipients: ["a@example.org", "b@example.org"]`)
		busy := smtptest.Fault{Code: 451, Enhanced: smtp.EnhancedCode{4, 3, 0}, Text: "later"}
		gone := smtptest.Fault{Code: 550, Enhanced: smtp.EnhancedCode{5, 1, 1}, Text: "nobody"}
		next := func() { s.pass(3 * time.Hour); s.work() }
		expect := func(status string, attempts float64, why string) {
			t.Helper()
			if got, n, lastError := s.alertJob(id); got != status || n != attempts || !strings.Contains(lastError, why) || (why == "" && lastError != "") {
				t.Fatalf("%s after %v attempts: %q, want %s after %v: %q", got, n, lastError, status, attempts, why)
			}
		}

		post.Fail(smtptest.Content, busy)
		s.notify(id, source)
		next()
		expect("RUNNING", 1, "451")
		post.Heal()
		post.FailRecipient("b@example.org", busy)
		next()
		expect("RUNNING", 2, "451")
		first := letters(t, post)
		next()
		expect("RUNNING", 3, "451")
		if got := letters(t, post); len(first) != 1 || !slices.Equal(first[0].to, []string{"a@example.org"}) || len(got) != 0 {
			t.Fatalf("%+v then %+v", first, got)
		}
		post.Heal()
		next()
		expect("COMPLETED", 4, "")
		got := letters(t, post)
		if len(got) != 1 || !slices.Equal(got[0].to, []string{"b@example.org"}) || got[0].header.Get("Message-ID") != first[0].header.Get("Message-ID") {
			t.Fatalf("%+v, the first was %+v", got, first)
		}

		post.Fail(smtptest.Content, gone)
		s.notify(id, source)
		next()
		expect("ERROR", 1, "550")
		post.Heal()
		post.FailRecipient("a@example.org", gone)
		s.notify(id, source)
		next()
		expect("RUNNING", 1, "550")
		next()
		expect("ERROR", 2, "550")
		if got := letters(t, post); len(got) != 1 || !slices.Equal(got[0].to, []string{"b@example.org"}) {
			t.Fatalf("%+v", got)
		}
	})
}

// Without a mail server reminders are messages alone, and an e-mail source says what is missing.
func TestWithoutAMailServer(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		mia := s.user(`login: "mia", email: "mia@example.org"`)
		id, _ := s.create(s.admin, map[string]any{"name": "k", "ownerId": mia, "expiresIn": "P60D"})
		s.notify(id, s.emailSource(`name: "o"`))
		s.goTo(start.Add(30 * oneDay))
		s.work()
		s.wantTold(id, s.clock())
		if status, attempts, why := s.alertJob(id); status != "ERROR" || attempts != 1 || !strings.Contains(why, "KEYTAG_SMTP_URL is not set") {
			t.Errorf("%s after %v: %s", status, attempts, why)
		}
	})
}

// Templates that come to nothing for a key fall back to the built-in ones: the alert is raised.
func TestTemplatesThatComeToNothing(t *testing.T) {
	eachWithMail(t, func(t *testing.T, s *site, post *smtptest.Server) {
		mia := s.user(`login: "mia", email: "mia@example.org"`)
		id, _ := s.create(s.admin, map[string]any{"name": "k", "ownerId": mia})
		s.notify(id, s.emailSource(`name: "o", subjectTemplate: "{{environmentName}}", bodyTemplate: " {{environmentName}}"`))
		s.pass(time.Hour)
		s.work()
		if got := letters(t, post); len(got) != 1 || !strings.HasPrefix(got[0].subject, "API key k: If not used again") || !strings.HasPrefix(got[0].text, "This is about the API key k (") {
			t.Errorf("%+v", got)
		}
		message := s.ask(s.admin, `mutation { createOperatorMessageAlertSource(input: {name: "m", messageTemplate: "{{environmentName}}"}) { alertSource { id } } }`, nil).str(t, "createOperatorMessageAlertSource", "alertSource", "id")
		s.notify(id, message)
		s.pass(time.Hour)
		s.work()
		if got := s.told(id); len(got) != 1 || !strings.HasPrefix(got[0].text, "API key k (ktg_") {
			t.Errorf("%+v", got)
		}
		if status, _, why := s.alertJob(id); status != "COMPLETED" {
			t.Errorf("%s %s", status, why)
		}
	})
}

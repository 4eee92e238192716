package mail_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/keytag/keytag/internal/mail"
	"github.com/keytag/keytag/internal/mail/smtptest"
	"github.com/keytag/keytag/internal/secret"
)

// tester is a test, or one draw of a property.
type tester interface {
	rapid.TB
	Context() context.Context
}

const attack = "Bcc: eve@evil.example"

func inClear(t testing.TB) (*smtptest.Server, *mail.Sender) {
	t.Helper()
	server := smtptest.Start(t, smtptest.Options{Security: smtptest.InClear})
	return server, newSender(t, server)
}

func TestMessagesThatAreRefused(t *testing.T) {
	server, sender := inClear(t)
	server.Fail(smtptest.Greeting, smtptest.Fault{Code: 554, Text: "nobody should call"})
	for name, change := range map[string]func(*mail.Message){
		"no id":                    func(m *mail.Message) { m.ID = "" },
		"id with a line break":     func(m *mail.Message) { m.ID = "a>\r\n" + attack },
		"id with a bracket":        func(m *mail.Message) { m.ID = "a>b" },
		"id with an at":            func(m *mail.Message) { m.ID = "a@b" },
		"id with dots":             func(m *mail.Message) { m.ID = "a..b" },
		"long id":                  func(m *mail.Message) { m.ID = strings.Repeat("a", 129) },
		"no recipient":             func(m *mail.Message) { m.To = nil },
		"no text":                  func(m *mail.Message) { m.Text = "" },
		"subject CRLF":             func(m *mail.Message) { m.Subject = "a\r\n" + attack },
		"subject LF":               func(m *mail.Message) { m.Subject = "a\n" + attack },
		"subject CR":               func(m *mail.Message) { m.Subject = "a\r" + attack },
		"subject NUL":              func(m *mail.Message) { m.Subject = "a\x00" },
		"subject next line":        func(m *mail.Message) { m.Subject = "a\u0085" + attack },
		"subject escape":           func(m *mail.Message) { m.Subject = "\x1b[2J" },
		"key in the subject":       func(m *mail.Message) { m.Subject = secret.Mint().Reveal() },
		"key in the text":          func(m *mail.Message) { m.Text = "see " + secret.Mint().Reveal() },
		"key in the HTML":          func(m *mail.Message) { m.HTML = "<p>" + secret.Mint().Reveal() },
		"recipient CRLF":           func(m *mail.Message) { m.To = []string{"anna@example.org\r\n" + attack} },
		"recipient CRLF RCPT":      func(m *mail.Message) { m.To = []string{"anna@example.org>\r\nRCPT TO:<eve@evil.example"} },
		"recipient NUL":            func(m *mail.Message) { m.To = []string{"anna\x00@example.org"} },
		"recipient tab":            func(m *mail.Message) { m.To = []string{"Anna\tB <anna@example.org>"} },
		"recipient U+2028":         func(m *mail.Message) { m.To = []string{"anna\u2028@example.org"} },
		"recipient of parameters":  func(m *mail.Message) { m.To = []string{`"a> NOTIFY=NEVER"@example.org`} },
		"two in one recipient":     func(m *mail.Message) { m.To = []string{"anna@example.org, eve@evil.example"} },
		"group":                    func(m *mail.Message) { m.To = []string{"all: anna@example.org, eve@evil.example;"} },
		"name with a line break":   func(m *mail.Message) { m.To = []string{"\"Anna\r\n" + attack + "\" <anna@example.org>"} },
		"name with an encoded one": func(m *mail.Message) { m.To = []string{"=?utf-8?q?A=0D=0ABcc:_eve?= <anna@example.org>"} },
		"name with encoded NUL":    func(m *mail.Message) { m.To = []string{"=?utf-8?b?AA==?= <anna@example.org>"} },
		"long name":                func(m *mail.Message) { m.To = []string{strings.Repeat("a", 129) + " <anna@example.org>"} },
		"long address":             func(m *mail.Message) { m.To = []string{"anna@" + strings.Repeat("a.", 130) + "org"} },
		"second of two recipients": func(m *mail.Message) { m.To = []string{"anna@example.org", "nobody"} },
	} {
		t.Run(name, func(t *testing.T) {
			m := message
			change(&m)
			failure := failureOf(t, sender.Send(t.Context(), m))
			if !failure.Permanent || strings.Contains(failure.Reason, "refused with") {
				t.Errorf("permanent %t: %s", failure.Permanent, failure.Reason)
			}
			if strings.Contains(failure.Reason, "eve") || secret.In(failure.Reason) {
				t.Errorf("the reason repeats the message: %s", failure.Reason)
			}
		})
	}
}

func TestSubjectsArriveAsTheyAre(t *testing.T) {
	server, sender := inClear(t)
	for name, subject := range map[string]string{
		"empty": "", "plain": "Key ends", "space around": " a ", "two spaces": "a  b", "tilde": "~ : ; < > \"",
		"encoded look": "=?utf-8?q?=0D=0ABcc:_eve@evil.example?=", "umlauts": "Schlüssel läuft ab – 鍵の期限 🔑",
		"line separators": "a\u2028" + attack + "\u2029", "direction": "a\u202etxt.exe",
		"long words": strings.Repeat("x", 3000), "long text": strings.Repeat("word ", 400) + "end",
		"long in emoji": strings.Repeat("🔑", 500), "spaces": strings.Repeat(" ", 500),
	} {
		t.Run(name, func(t *testing.T) {
			server.Forget()
			m := message
			m.Subject = subject
			arrives(t, server, sender, m)
		})
	}
}

func TestNamesArriveInOneLine(t *testing.T) {
	server, sender := inClear(t)
	for text, want := range map[string]string{
		"Anna B <anna@example.org>": "Anna B", `"A, \"B\" <C>" <anna@example.org>`: `A, "B" <C>`,
		"Ånna\u2028" + attack + " <anna@example.org>":                 "",
		`"A` + strings.Repeat(" ", 100) + `B" <anna@example.org>`:     "A B",
		"=?utf-8?q?=C3=85nna=E2=80=A8Bcc=3A_eve?= <anna@example.org>": "Ånna Bcc: eve",
		strings.Repeat("é", 60) + " <anna@example.org>":               strings.Repeat("é", 60),
		`"` + strings.Repeat("x", 128) + `" <anna@example.org>`:       strings.Repeat("x", 128),
	} {
		server.Forget()
		m := message
		m.To = []string{text}
		if want == "" {
			arrivesOrIsRefused(t, server, sender, m)
			continue
		}
		arrives(t, server, sender, m)
		to, err := parse(t, server.Messages()[0].Content).header.AddressList("To")
		if err != nil || to[0].Name != want {
			t.Errorf("%q arrives as %v, %v", text, to, err)
		}
	}
}

func TestBodiesArriveAsTheyAre(t *testing.T) {
	server, sender := inClear(t)
	for name, body := range map[string]string{
		"long line": strings.Repeat("no end ", 10_000), "dots": ".\r\n..\n.\n", "boundary": "--\r\n--boundary--\r\n",
		"controls": "a\x00b\x1bc\td", "line breaks": "a\rb\nc\r\r\nd",
		"spaces at the end": "a \nb\t\n c  ", "equals": "=3D=\n=",
		"From": "From me\nFrom you", "unicode": "ä \u2028 🔑\u0085",
		"end of message": "a\r\n.\r\nMAIL FROM:<x@evil.example>\r\nRCPT TO:<eve@evil.example>\r\nDATA\r\n" + attack,
	} {
		t.Run(name, func(t *testing.T) {
			for _, html := range []string{"", "<p>" + body} {
				server.Forget()
				m := message
				m.Text, m.HTML = body, html
				arrives(t, server, sender, m)
			}
		})
	}
}

// arrives sends m, and compares what the server got with it.
func arrives(t tester, server *smtptest.Server, sender *mail.Sender, m mail.Message) {
	t.Helper()
	if err := sender.Send(t.Context(), m); err != nil {
		t.Fatalf("%+q: %v", m, err)
	}
	received := server.Messages()
	if len(received) != 1 {
		t.Fatalf("%d messages arrived", len(received))
	}
	got := received[0]
	wellFormed(t, got.Content)
	p := parse(t, got.Content)

	names := slices.Sorted(maps.Keys(p.header))
	want := []string{"Auto-Submitted", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To"}
	if m.HTML == "" {
		want = slices.Insert(want, 1, "Content-Transfer-Encoding")
	}
	if !slices.Equal(names, want) {
		t.Errorf("the header fields are %q", names)
	}
	for name, values := range p.header {
		if len(values) != 1 {
			t.Errorf("%d fields %s", len(values), name)
		}
	}
	var asked, told []string
	for _, text := range m.To {
		address, err := netmail.ParseAddress(text)
		if err != nil {
			t.Fatalf("%q was sent to: %v", text, err)
		}
		asked = append(asked, address.Address)
	}
	to, err := p.header.AddressList("To")
	if err != nil {
		t.Fatalf("To: %v in\n%s", err, got.Content)
	}
	for _, address := range to {
		told = append(told, address.Address)
		if strings.ContainsFunc(address.Name, unicode.IsControl) {
			t.Errorf("the name %q holds a control character", address.Name)
		}
	}
	if !slices.Equal(got.To, asked) || !slices.Equal(told, asked) {
		t.Errorf("envelope %q, To %q, want %q", got.To, told, asked)
	}
	if id := p.header.Get("Message-Id"); id != "<"+m.ID+"@example.org>" {
		t.Errorf("Message-ID: %s", id)
	}
	if subject := p.subject(t); subject != strings.ToValidUTF8(m.Subject, "\uFFFD") {
		t.Errorf("the subject is %q, want %q", subject, m.Subject)
	}
	lines := strings.NewReplacer("\r\n", "\n", "\r", "\n")
	text, html := lines.Replace(strings.ToValidUTF8(m.Text, "\uFFFD")), lines.Replace(strings.ToValidUTF8(m.HTML, "\uFFFD"))
	// SMTP knows whole lines only, so a text that is the end of the message ends in one.
	if got := p.parts["text/plain"]; got != text && (m.HTML != "" || got != text+"\n") {
		t.Errorf("the text is %q, want %q", got, text)
	}
	if got := p.parts["text/html"]; got != html {
		t.Errorf("the HTML is %q, want %q", got, html)
	}
}

var field = regexp.MustCompile(`^([!-9;-~]+:( [ -~]*)?|[ \t]+[!-~][ -~\t]*)$`) // the start of a field, or its continuation

// wellFormed looks at the bytes: lines of RFC 5322, the header in printable ASCII.
func wellFormed(t tester, content []byte) {
	t.Helper()
	header := true
	for line := range bytes.SplitSeq(bytes.TrimSuffix(content, []byte("\r\n")), []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") {
			t.Errorf("not a line: %q", line)
		}
		header = header && len(line) > 0
		if header && !field.Match(line) {
			t.Errorf("not a line of a header: %q", line)
		}
	}
}

// arrivesOrIsRefused is what holds for any message at all.
func arrivesOrIsRefused(t tester, server *smtptest.Server, sender *mail.Sender, m mail.Message) {
	t.Helper()
	server.Forget()
	err := sender.Send(t.Context(), m)
	if err == nil {
		if strings.ContainsFunc(m.Subject+m.ID+strings.Join(m.To, ""), unicode.IsControl) {
			t.Errorf("a control character was let through: %+q", m)
		}
		server.Forget()
		arrives(t, server, sender, m)
		return
	}
	var failure *mail.Failure
	if !errors.As(err, &failure) || !failure.Permanent {
		t.Errorf("%+q: %v", m, err)
	}
	if heard := server.Heard(); len(heard) > 0 {
		t.Errorf("%+q was refused by the server only:\n%s", m, heard)
	}
}

var hostile = rapid.Custom(func(t *rapid.T) string {
	part := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"\r\n" + attack + "\r\n", "\r", "\n", "\n.\r\n", "\x00", "\u0085", "\u2028", "\u2029", "\v", "\t", " ", "   ",
		"=?utf-8?q?=0D=0ABcc:_eve@evil.example?=", "=?utf-8?b?DQo=?=", "=?iso-8859-1?q?=85?=", "=?", "?=",
		"<eve@evil.example>", "eve@evil.example", ",", ";", ":", `"`, `\`, "(", ")", "<", ">", "@", ".", "[", "]", "%s",
		"é", "🔑", "\xff", "a", strings.Repeat("a", 90), strings.Repeat(" ", 90), "\r\n\r\n", "--", "=",
	}))
	return strings.Join(rapid.SliceOfN(part, 0, 8).Draw(t, "parts"), "")
})

func TestInjectionInRandomMessages(t *testing.T) {
	server, sender := inClear(t)
	rapid.Check(t, func(t *rapid.T) {
		// Each field is hostile in its own turn too, or nearly all messages would be refused.
		maybe := func(name, good string, frame func(string) string) string {
			if rapid.Bool().Draw(t, name+" is hostile") {
				return frame(hostile.Draw(t, name))
			}
			return good
		}
		plain := func(s string) string { return s }
		frames := rapid.SampledFrom([]func(string) string{
			plain,
			func(s string) string { return s + " <anna@example.org>" },
			func(s string) string { return `"` + s + `" <anna@example.org>` },
			func(s string) string { return "Anna <" + s + "@example.org>" },
			func(s string) string { return "anna@" + s },
		})
		arrivesOrIsRefused(t, server, sender, mail.Message{
			ID:      maybe("id", "a1", plain),
			To:      []string{maybe("recipient", "anna@example.org", frames.Draw(t, "frame")), "bob@example.org"},
			Subject: maybe("subject", "Key ends", plain),
			Text:    "t" + hostile.Draw(t, "text"),
			HTML:    maybe("html", "", plain),
		})
	})
}

func FuzzInjection(f *testing.F) {
	server, sender := inClear(f)
	f.Add("a1", "anna@example.org", "subject", "text", "<p>html</p>")
	f.Add("a>\r\nX: y", `"A \" B" <anna@example.org>`, "a\r\n"+attack, "\r\n.\r\n", "")
	f.Add("a1", "=?utf-8?q?a=0D?= <anna@example.org>", "=?utf-8?q?=0A?=", "\r\r\n", " ")
	f.Add("a1", "é   é (comment) <anna@[127.0.0.1]>", strings.Repeat(" ", 90), " ", "\u2028")
	f.Fuzz(func(t *testing.T, id, to, subject, text, html string) {
		arrivesOrIsRefused(t, server, sender, mail.Message{ID: id, To: []string{to}, Subject: subject, Text: text, HTML: html})
	})
}

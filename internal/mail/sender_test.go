package mail_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/keytag/keytag/internal/mail"
	"github.com/keytag/keytag/internal/mail/smtptest"
)

var message = mail.Message{
	ID: "alert_01k2", To: []string{"anna@example.org"}, Subject: "Key ktg_4fQ9xT2aB1 ends tomorrow",
	Text: "It ends tomorrow.\n", HTML: "<p>It ends <b>tomorrow</b>.</p>\n",
}

func newSender(t testing.TB, server *smtptest.Server) *mail.Sender {
	t.Helper()
	sender, err := mail.New(server.URL(), from)
	if err != nil {
		t.Fatal(err)
	}
	sender.RootCAs = server.RootCAs
	return sender
}

// parsed is a received message as a mail reader sees it.
type parsed struct {
	header netmail.Header
	parts  map[string]string // by media type; lines end in \n
}

func parse(t rapid.TB, content []byte) parsed {
	t.Helper()
	msg, err := netmail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		t.Fatalf("%v in\n%s", err, content)
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	p := parsed{msg.Header, map[string]string{}}
	if kind != "multipart/alternative" {
		if msg.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Fatalf("the only part is not quoted-printable:\n%s", content)
		}
		p.add(t, msg.Header.Get("Content-Type"), quotedprintable.NewReader(msg.Body))
		return p
	}
	for reader := multipart.NewReader(msg.Body, params["boundary"]); ; {
		part, err := reader.NextPart() // decodes quoted-printable
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatal(err)
		}
		p.add(t, part.Header.Get("Content-Type"), part)
	}
}

func (p parsed) add(t rapid.TB, contentType string, body io.Reader) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.EqualFold(params["charset"], "utf-8") {
		t.Errorf("the charset of %s is %q", kind, params["charset"])
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	p.parts[kind] = strings.ReplaceAll(string(text), "\r\n", "\n")
}

func (p parsed) subject(t rapid.TB) string {
	t.Helper()
	subject, err := new(mime.WordDecoder).DecodeHeader(p.header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return subject
}

func TestMailArrives(t *testing.T) {
	for name, options := range map[string]smtptest.Options{
		"STARTTLS, PLAIN":        {User: "keytag@example.org", Password: "p@ss/w?rd#%:"},
		"STARTTLS, LOGIN":        {User: "keytag", Password: password, Mechanisms: []string{"LOGIN"}},
		"STARTTLS, anyone":       {},
		"TLS from the start":     {Security: smtptest.ImplicitTLS, User: "keytag", Password: password},
		"in clear on a loopback": {Security: smtptest.InClear, User: "keytag", Password: password},
	} {
		t.Run(name, func(t *testing.T) {
			server := smtptest.Start(t, options)
			sender := newSender(t, server)
			m := message
			m.To = []string{"anna@example.org", "Bob Ø <bob@example.com>"}
			for range 2 {
				if err := sender.Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			got := server.Messages()
			if len(got) != 2 {
				t.Fatalf("%d messages for 2 sent", len(got))
			}
			if got[0].From != "keytag@example.org" || !slices.Equal(got[0].To, []string{"anna@example.org", "bob@example.com"}) {
				t.Errorf("the envelope says %s to %s", got[0].From, got[0].To)
			}
			if got[0].User != options.User || got[0].TLS != (options.Security != smtptest.InClear) {
				t.Errorf("sent by user %q, TLS %t", got[0].User, got[0].TLS)
			}
			first, second := parse(t, got[0].Content), parse(t, got[1].Content)
			if first.parts["text/plain"] != m.Text || first.parts["text/html"] != m.HTML || len(first.parts) != 2 {
				t.Errorf("the parts are %q", first.parts)
			}
			for name, want := range map[string]string{
				"From": `"keytag" <keytag@example.org>`, "Subject": m.Subject, "Auto-Submitted": "auto-generated",
				"Message-Id": "<alert_01k2@example.org>", "Mime-Version": "1.0",
			} {
				if got := first.header.Get(name); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
			if second.header.Get("Message-Id") != first.header.Get("Message-Id") {
				t.Error("a retry has another Message-ID")
			}
			to, err := first.header.AddressList("To")
			if err != nil || len(to) != 2 || to[0].Address != "anna@example.org" ||
				to[1].Name != "Bob Ø" || to[1].Address != "bob@example.com" {
				t.Errorf("To: %v, %v", to, err)
			}
			if date, err := first.header.Date(); err != nil || time.Since(date).Abs() > time.Minute {
				t.Errorf("Date: %v, %v", date, err)
			}
		})
	}
}

// refusedUnsent is a temporary failure after which the server knows neither message nor password.
func refusedUnsent(t *testing.T, sender *mail.Sender, server *smtptest.Server, says string) {
	t.Helper()
	check := sender.Check(t.Context())
	for what, err := range map[string]error{"Send": sender.Send(t.Context(), message), "Check": check} {
		var failure *mail.Failure
		if !errors.As(err, &failure) || failure.Permanent || !strings.Contains(failure.Reason, says) {
			t.Errorf("%s: want a temporary failure that says %q, got %v", what, says, err)
		}
	}
	if got := server.Messages(); len(got) > 0 {
		t.Errorf("%d messages were sent", len(got))
	}
	heard := server.Heard()
	for _, shown := range []string{
		"AUTH", "MAIL", "tomorrow", password, base64.StdEncoding.EncodeToString([]byte("\x00keytag\x00" + password)),
	} {
		if bytes.Contains(heard, []byte(shown)) {
			t.Errorf("%q went over the wire in clear:\n%s", shown, heard)
		}
	}
}

func TestNothingGoesInClear(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{Security: smtptest.InClear, User: "keytag", Password: password})
	sender, err := mail.New(strings.TrimSuffix(server.URL(), "?tls=none"), from)
	if err != nil {
		t.Fatal(err)
	}
	refusedUnsent(t, sender, server, "no STARTTLS")
}

func TestSTARTTLSThatIsRefused(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{User: "keytag", Password: password})
	server.Fail(smtptest.TLS, smtptest.Fault{Code: 454, Text: "4.7.0 not now"})
	refusedUnsent(t, newSender(t, server), server, "STARTTLS: refused with 454 4.7.0")
}

func TestCertificatesThatAreRefused(t *testing.T) {
	for name, security := range map[string]smtptest.Security{"STARTTLS": smtptest.StartTLS, "implicit": smtptest.ImplicitTLS} {
		t.Run(name+", unknown authority", func(t *testing.T) {
			server := smtptest.Start(t, smtptest.Options{Security: security, User: "keytag", Password: password})
			sender := newSender(t, server)
			sender.RootCAs = x509.NewCertPool()
			refusedUnsent(t, sender, server, "x509: certificate signed by unknown authority")
		})
		t.Run(name+", other host", func(t *testing.T) {
			server := smtptest.Start(t, smtptest.Options{
				Security: security, User: "keytag", Password: password, CertifiedHost: "mail.example.org",
			})
			refusedUnsent(t, newSender(t, server), server, "x509: ")
		})
	}
}

func TestServersOfTheOtherKindOfTLS(t *testing.T) {
	t.Run("smtps to STARTTLS", func(t *testing.T) {
		server := smtptest.Start(t, smtptest.Options{User: "keytag", Password: password})
		sender, err := mail.New(strings.Replace(server.URL(), "smtp:", "smtps:", 1), from)
		if err != nil {
			t.Fatal(err)
		}
		refusedUnsent(t, sender, server, "does not answer in TLS")
	})
	t.Run("smtp to implicit TLS", func(t *testing.T) {
		server := smtptest.Start(t, smtptest.Options{Security: smtptest.ImplicitTLS, User: "keytag", Password: password})
		sender, err := mail.New(strings.Replace(server.URL(), "smtps:", "smtp:", 1), from)
		if err != nil {
			t.Fatal(err)
		}
		sender.Limit = 300 * time.Millisecond
		refusedUnsent(t, sender, server, "no answer in time")
	})
}

func TestCheck(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{User: "keytag", Password: password})
	if err := newSender(t, server).Check(t.Context()); err != nil {
		t.Errorf("a server that works: %v", err)
	}
	sender, err := mail.New(strings.Replace(server.URL(), password, "wrong-"+password, 1), from)
	if err != nil {
		t.Fatal(err)
	}
	sender.RootCAs = server.RootCAs
	refusedUnsent(t, sender, server, "authentication: refused with 535 5.7.8")

	nobody := smtptest.Start(t, smtptest.Options{Security: smtptest.InClear})
	sender, err = mail.New(strings.Replace(nobody.URL(), "smtp://", "smtp://keytag:"+password+"@", 1), from)
	if err != nil {
		t.Fatal(err)
	}
	refusedUnsent(t, sender, nobody, "offers no authentication")
}

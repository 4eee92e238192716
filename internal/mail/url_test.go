package mail_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/keytag/keytag/internal/mail"
)

const (
	password = "hunter2-Zq9"
	from     = "keytag <keytag@example.org>"
)

func TestURLsThatAreRead(t *testing.T) {
	for _, url := range []string{
		"smtp://mail.example.org", "smtp://mail.example.org:25", "smtps://mail.example.org",
		"smtps://mail.example.org:4650/", "smtp://user:" + password + "@mail.example.org",
		"smtp://user%40example.org:p%2Fw%3F%23@mail.example.org:587", "smtp://[2001:db8::1]:587",
		"smtp://localhost?tls=none", "smtp://127.0.0.1:1025?tls=none", "smtp://127.9.9.9?tls=none",
		"smtp://[::1]:1025?tls=none", "smtp://u:p@localhost:1025?tls=none",
	} {
		if _, err := mail.New(url, from); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// The password is in every one of them, and in no error.
func TestURLsThatAreRefused(t *testing.T) {
	for url, says := range map[string]string{
		"":                                            "neither smtp nor smtps",
		"mail.example.org":                            "neither smtp nor smtps",
		"http://u:PW@mail.example.org":                "neither smtp nor smtps",
		"smtp://u:PW@":                                "no host",
		"smtp://u:PW@:587":                            "no host",
		"smtp://u:PW@host:0":                          "between 1 and 65535",
		"smtp://u:PW@host:65536":                      "between 1 and 65535",
		"smtp://u:PW@host:port":                       "not a URL",
		"smtp://u:PW%zz@host":                         "not a URL",
		"smtp://u:PW\n@host":                          "not a URL",
		"smtp://u:PW/x@host":                          "not a URL",
		"smtp://u:PW@host/path":                       "something follows the host",
		"smtp://u:5#PW@host":                          "something follows the host",
		"smtp://u:PW@host?tls=off":                    "the only parameter is tls=none",
		"smtp://u:PW@localhost?tls=none&x=":           "the only parameter is tls=none",
		"smtps://u:PW@localhost?tls=none":             "the only parameter is tls=none",
		"smtp://u:PW@host?tls=none":                   "loopback hosts only",
		"smtp://u:PW@10.0.0.1?tls=none":               "loopback hosts only",
		"smtp://u:PW@localhost.evil.example?tls=none": "loopback hosts only",
		"smtp://PW@host":                              "user and password go together",
		"smtp://:PW@host":                             "user and password go together",
		"smtp://u:PW%0d%0a@host":                      "without control characters",
		"smtp://u%00:PW@host":                         "without control characters",
		"smtp://u:PW@ho%0d%0ast":                      "not a URL",
		"smtp://u:PW@mail host":                       "not a URL",
		"smtp:u:PW@mail.example":                      "no host",
		"smtp://u:PW@[::1?tls=none":                   "not a URL",
	} {
		t.Run(url, func(t *testing.T) {
			_, err := mail.New(strings.ReplaceAll(url, "PW", password), from)
			if err == nil {
				t.Fatal("was read")
			}
			if !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "KEYTAG_SMTP_URL") ||
				!strings.Contains(err.Error(), "smtps://[user:password@]host[:465]") {
				t.Errorf("the error neither names the variable, nor what it allows, nor %q: %v", says, err)
			}
			if strings.Contains(err.Error(), password) {
				t.Errorf("the error holds the password: %v", err)
			}
		})
	}
}

func TestSendersThatAreRefused(t *testing.T) {
	for _, from := range []string{
		"", "keytag", "keytag@", "a@example.org, b@example.org", "keytag <keytag@example.org>\r\nBcc: eve@example.org",
		"=?utf-8?q?a=0D=0ABcc:_eve@example.org?= <keytag@example.org>", "kéytag@example.org", `"a b"@example.org`,
	} {
		if _, err := mail.New("smtp://host", from); err == nil {
			t.Errorf("%q was taken", from)
		} else if !strings.Contains(err.Error(), "KEYTAG_SMTP_FROM") {
			t.Errorf("%q: the variable is not named: %v", from, err)
		}
	}
}

func TestSenderShowsNoPassword(t *testing.T) {
	sender, err := mail.New("smtp://user:"+password+"@host", from)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(sender)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		fmt.Sprint(sender), fmt.Sprintf("%+v", sender), fmt.Sprintf("%#v", *sender), fmt.Sprintf("%s", any(*sender)),
		string(encoded),
	} {
		if strings.Contains(shown, password) {
			t.Errorf("shows the password: %s", shown)
		}
	}
}

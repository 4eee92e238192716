package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// load runs Load as a command line with these arguments and environment would.
func load(t *testing.T, args, environ []string) (Config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("keytag", pflag.ContinueOnError)
	Flags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Load(flags, environ)
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	got, err := load(t, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	got.origins = nil
	want := `{sqlite://keytag.db 127.0.0.1:8080  http://localhost:8080       0 false info  true true map[] []}`
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}

func TestPrecedence(t *testing.T) {
	path := file(t, "127.0.0.1:3\r\n")
	cases := []struct {
		name         string
		args, env    []string
		want, origin string
	}{
		{"default", nil, nil, "127.0.0.1:8080", "default"},
		{"file", nil, []string{"KEYTAG_LISTEN_FILE=" + path}, "127.0.0.1:3", "file " + path},
		{"environment over file", nil, []string{"KEYTAG_LISTEN_FILE=" + path, "KEYTAG_LISTEN=127.0.0.1:2"}, "127.0.0.1:2", "environment"},
		{"flag over all", []string{"--listen", "127.0.0.1:1"}, []string{"KEYTAG_LISTEN_FILE=" + path, "KEYTAG_LISTEN=127.0.0.1:2"}, "127.0.0.1:1", "flag"},
		{"flag with the default value", []string{"--listen=127.0.0.1:8080"}, []string{"KEYTAG_LISTEN=127.0.0.1:2"}, "127.0.0.1:8080", "flag"},
		{"empty variable", nil, []string{"KEYTAG_LISTEN="}, "127.0.0.1:8080", "default"},
		{"empty variable, then file", nil, []string{"KEYTAG_LISTEN=", "KEYTAG_LISTEN_FILE=" + path}, "127.0.0.1:3", "file " + path},
		{"last of two", nil, []string{"KEYTAG_LISTEN=:1", "KEYTAG_LISTEN=:2"}, ":2", "environment"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := load(t, c.args, c.env)
			if err != nil {
				t.Fatal(err)
			}
			if got.Listen != c.want || got.Origin("KEYTAG_LISTEN") != c.origin {
				t.Errorf("got %q from %q, want %q from %q", got.Listen, got.Origin("KEYTAG_LISTEN"), c.want, c.origin)
			}
		})
	}
}

func TestEverySettingHasAFlagAndAVariable(t *testing.T) {
	var names []string
	flags := pflag.NewFlagSet("keytag", pflag.ContinueOnError)
	Flags(flags)
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	want := []string{"admin-listen", "allow-private-webhooks", "bootstrap-key-file", "cors-origins", "database-url", "introspection", "listen", "log-format", "log-level",
		"playground", "public-url", "rate-limit", "smtp-from", "trusted-proxies"}
	if !slices.Equal(names, want) {
		t.Errorf("flags %v, want %v", names, want)
	}

	got, err := load(t, []string{"--playground=false", "--log-format", "json"}, []string{
		"KEYTAG_DATABASE_URL=postgres://u@h/d", "KEYTAG_LISTEN=[::1]:0", "KEYTAG_PUBLIC_URL=https://keys.example/base/",
		"KEYTAG_BOOTSTRAP_KEY_FILE=/k", "KEYTAG_LOG_LEVEL=warn", "KEYTAG_INTROSPECTION=0",
	})
	if err != nil {
		t.Fatal(err)
	}
	got.origins = nil
	if s := fmt.Sprint(got); s != `{postgres://u@h/d [::1]:0  https://keys.example/base /k      0 false warn json false false map[] []}` {
		t.Errorf("got %s", s)
	}
}

func TestOrigins(t *testing.T) {
	got, err := load(t, nil, []string{"KEYTAG_CORS_ORIGINS=https://a.example, http://localhost:3000 ,"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"https://a.example", "http://localhost:3000"}; !slices.Equal(got.Origins(), want) {
		t.Errorf("%q, want %q", got.Origins(), want)
	}
}

const noOrigin = "KEYTAG_CORS_ORIGINS: must be origins such as https://app.example.com, without a path, separated by commas, got "

func TestWrongValuesNameWhatIsAllowed(t *testing.T) {
	cases := []struct{ entry, want string }{
		{"KEYTAG_RATE_LIMIT=-1", `KEYTAG_RATE_LIMIT: must be between 0 and 1000000, got "-1"`},
		{"KEYTAG_RATE_LIMIT=1000001", `KEYTAG_RATE_LIMIT: must be between 0 and 1000000, got "1000001"`},
		{"KEYTAG_RATE_LIMIT=many", `KEYTAG_RATE_LIMIT: must be a whole number, got "many"`},
		{"KEYTAG_CORS_ORIGINS=*", noOrigin + `"*"`},
		{"KEYTAG_CORS_ORIGINS=null", noOrigin + `"null"`},
		{"KEYTAG_CORS_ORIGINS=https://*.example", noOrigin + `"https://*.example"`},
		{"KEYTAG_CORS_ORIGINS=https://a.example/", noOrigin + `"https://a.example/"`},
		{"KEYTAG_CORS_ORIGINS=https://a.example:443", noOrigin + `"https://a.example:443"`},
		{"KEYTAG_CORS_ORIGINS=https://a.example, ftp://b.example", noOrigin + `"https://a.example, ftp://b.example"`},
		{"KEYTAG_CORS_ORIGINS=https://A.example", noOrigin + `"https://A.example"`},
		{"KEYTAG_LISTEN=8080", `KEYTAG_LISTEN: must be host:port (an empty host means every address), got "8080"`},
		{"KEYTAG_LISTEN=:http", `KEYTAG_LISTEN: must be host:port (an empty host means every address), got ":http"`},
		{"KEYTAG_LISTEN=:65536", `KEYTAG_LISTEN: must be host:port (an empty host means every address), got ":65536"`},
		{"KEYTAG_LISTEN=http://a:80", `KEYTAG_LISTEN: must be host:port (an empty host means every address), got "http://a:80"`},
		{"KEYTAG_PUBLIC_URL=localhost:8080", `KEYTAG_PUBLIC_URL: must be an http:// or https:// address without user, query or fragment, got "localhost:8080"`},
		{"KEYTAG_PUBLIC_URL=https://", `KEYTAG_PUBLIC_URL: must be an http:// or https:// address without user, query or fragment, got "https://"`},
		{"KEYTAG_PUBLIC_URL=https://a/?q", `KEYTAG_PUBLIC_URL: must be an http:// or https:// address without user, query or fragment, got "https://a/?q"`},
		{"KEYTAG_PUBLIC_URL=https://u:hunter2@a", `KEYTAG_PUBLIC_URL: must be an http:// or https:// address without user, query or fragment, got "https://[redacted]@a"`},
		{"KEYTAG_LOG_LEVEL=loud", `KEYTAG_LOG_LEVEL: must be one of debug, info, warn, error, got "loud"`},
		{"KEYTAG_LOG_FORMAT=xml", `KEYTAG_LOG_FORMAT: must be one of text, json, got "xml"`},
		{"KEYTAG_PLAYGROUND=yes", `KEYTAG_PLAYGROUND: must be true or false, got "yes"`},
		{"KEYTAG_LOG_LEVEL=" + strings.Repeat("ä", 90), `KEYTAG_LOG_LEVEL: must be one of debug, info, warn, error, got "` + strings.Repeat("ä", 40) + `…"`},
		{"KEYTAG_DATABASE_URL=mysql://u:hunter2@h/d", "KEYTAG_DATABASE_URL: must be sqlite://PATH or postgres://USER@HOST/NAME, got a mysql:// address that does not fit"},
		{"KEYTAG_DATABASE_URL=postgres://u:hunter2@h:port/d", "KEYTAG_DATABASE_URL: must be sqlite://PATH or postgres://USER@HOST/NAME, got a postgres:// address that does not fit"},
		{"KEYTAG_DATABASE_URL=host=h password=hunter2", "KEYTAG_DATABASE_URL: must be sqlite://PATH or postgres://USER@HOST/NAME, got something else"},
		{"KEYTAG_DATABASE_URL=u:hunter2://h", "KEYTAG_DATABASE_URL: must be sqlite://PATH or postgres://USER@HOST/NAME, got something else"},
		{"KEYTAG_DATABASE_URL=sqlite://", "KEYTAG_DATABASE_URL: must be sqlite://PATH or postgres://USER@HOST/NAME, got a sqlite:// address that does not fit"},
		{"KEYTAG_ENCRYPTION_KEY=hunter2", "KEYTAG_ENCRYPTION_KEY: must be 32 bytes in base64, optionally with an id of [a-z0-9-] and a colon before them; several are separated by commas, and the first encrypts, got something else"},
		{"KEYTAG_TRUSTED_PROXIES=10.0.0.1", `KEYTAG_TRUSTED_PROXIES: must be CIDR blocks such as 10.0.0.0/8, separated by commas, got "10.0.0.1"`},
		{"KEYTAG_SMTP_FROM=keytag@example.org", "KEYTAG_SMTP_URL: must be set when KEYTAG_SMTP_FROM is"},
		{"KEYTAG_SMTP_URL=smtp://u:hunter2@h", "KEYTAG_SMTP_FROM: must be set when KEYTAG_SMTP_URL is"},
		{"KEYTAG_ALLOW_PRIVATE_WEBHOOKS=yes", `KEYTAG_ALLOW_PRIVATE_WEBHOOKS: must be true or false, got "yes"`},
		{"KEYTAG_DATABASE_URL_FILE=/does/not/exist", `KEYTAG_DATABASE_URL_FILE: must name a readable file, got "/does/not/exist": no such file or directory`},
	}
	for _, c := range cases {
		t.Run(c.entry, func(t *testing.T) {
			_, err := load(t, nil, []string{c.entry})
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestEveryWrongValueIsNamedAtOnce(t *testing.T) {
	_, err := load(t, []string{"--listen", "x"}, []string{"KEYTAG_LOG_LEVEL=y", "KEYTAG_PLAYGROUND=z", "KEYTAG_DATABASE_URL_FILE=/nowhere"})
	if err == nil {
		t.Fatal("no error")
	}
	var names []string
	for line := range strings.Lines(err.Error()) {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	want := []string{"KEYTAG_DATABASE_URL_FILE", "KEYTAG_PLAYGROUND", "KEYTAG_LISTEN", "KEYTAG_LOG_LEVEL"}
	if !slices.Equal(names, want) {
		t.Errorf("named %v, want %v", names, want)
	}
}

func TestUnknownVariables(t *testing.T) {
	got, err := load(t, nil, []string{
		"KEYTAG_LISTENS=:1", "KEYTAG_DATABSE_URL=x", "KEYTAG_TOKEN=t", "KEYTAG_URL=u", "KEYTAG_TEST_POSTGRES_URL=p",
		"KEYTAG_LISTEN_FILE=" + file(t, ":1"), "KEYTAG_LOG_LEVEL=info", "HOME=/", "KEYTAG_", "PATH",
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"KEYTAG_DATABSE_URL", "KEYTAG_LISTENS"}; !slices.Equal(got.Unknown(), want) {
		t.Errorf("unknown %v, want %v", got.Unknown(), want)
	}
}

func TestDatabaseURLMasksPasswords(t *testing.T) {
	cases := []struct{ in, want string }{
		{"postgres://u:hunter2@h:5432/d?sslmode=disable", "postgres://u:xxxxx@h:5432/d?sslmode=disable"},
		{"postgresql://h/d?user=u&password=hunter2&sslpassword=hunter2", "postgresql://h/d?password=xxxxx&sslpassword=xxxxx&user=u"},
		{"postgres://u:hunter2%@h/d", "postgres://[redacted]"},
		{"sqlite://data/keytag.db", "sqlite://data/keytag.db"},
		{"hunter2", "[redacted]"},
	}
	for _, c := range cases {
		u := DatabaseURL(c.in)
		if u.String() != c.want || u.Reveal() != c.in {
			t.Errorf("String() = %s, Reveal() = %s; want %s, %s", u, u.Reveal(), c.want, c.in)
		}
		encoded, err := json.Marshal(Config{DatabaseURL: u})
		if err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "url", u, "config", Config{DatabaseURL: u})
		for _, text := range []string{string(encoded), log.String(), fmt.Sprintf("%v %+v %#v %q", Config{DatabaseURL: u}, Config{DatabaseURL: u}, Config{DatabaseURL: u}, u)} {
			if strings.Contains(text, "hunter2") {
				t.Errorf("password in %s", text)
			}
		}
	}
}

func TestLoadWithoutFlags(t *testing.T) {
	got, err := Load(pflag.NewFlagSet("other", pflag.ContinueOnError), []string{"KEYTAG_LISTEN=:9"})
	if err != nil || got.Listen != ":9" {
		t.Errorf("got %q, %v", got.Listen, err)
	}
}

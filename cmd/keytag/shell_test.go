package main

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/keytag/keytag/internal/store/storetest"
)

// shell is a person at a terminal, with a server and files of keys.
type shell struct {
	t      *testing.T
	dir    string
	url    string
	server *running
}

func newShell(t *testing.T, dialect string) *shell {
	t.Helper()
	s := &shell{t: t, dir: t.TempDir()}
	s.server = serve(t, storetest.Migrated(t, dialect), []string{"KEYTAG_BOOTSTRAP_KEY_FILE=" + s.path("admin")})
	s.url = s.server.url
	return s
}

func (s *shell) path(file string) string { return filepath.Join(s.dir, file) }

func (s *shell) read(file string) string {
	s.t.Helper()
	text, err := os.ReadFile(s.path(file))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// as is a client command of the holder of the key in a file.
func (s *shell) as(file string, args ...string) *exec.Cmd {
	c := command(s.t, "sqlite://unused.db", []string{"KEYTAG_URL=" + s.url, "KEYTAG_TOKEN_FILE=" + s.path(file)}, args...)
	c.Dir = s.dir
	return c
}

// run expects an exit code of a command, and answers what it printed.
func (s *shell) run(want int, c *exec.Cmd) (stdout, stderr string) {
	s.t.Helper()
	code, stdout, stderr := outcome(s.t, c)
	if code != want {
		s.t.Errorf("%v: exit %d, want %d\n%s%s", c.Args[1:], code, want, stdout, stderr)
	}
	if keyText.MatchString(stderr) {
		s.t.Errorf("%v: a key on standard error", c.Args[1:])
	}
	return stdout, stderr
}

// make makes a key, of a file.
func (s *shell) make(file string, flags ...string) (id string) {
	s.t.Helper()
	out, _ := s.run(0, s.as("admin", append([]string{"keys", "create", "--name", file, "--write-to", file, "-o", "json"}, flags...)...))
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.ID == "" {
		s.t.Fatalf("%v: %s", err, out)
	}
	return made.ID
}

// Every client command does what it says, in each form of its output.
func TestClientCommands(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		t.Parallel()
		s := newShell(t, dialect)
		id := s.make("ci", "--scope", "deploy:*", "--scope", "read", "--expires-in", "P30D")
		if info, err := os.Stat(s.path("ci")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}

		for _, form := range []struct {
			name  string
			parse func(string, any) error
		}{
			{"json", func(text string, into any) error { return json.Unmarshal([]byte(text), into) }},
			{"yaml", func(text string, into any) error { return yaml.Unmarshal([]byte(text), into) }},
		} {
			var me struct {
				ID, Name, Status string
				Scopes           []string
			}
			out, _ := s.run(0, s.as("ci", "whoami", "-o", form.name))
			if err := form.parse(out, &me); err != nil || me.ID != id || me.Name != "ci" || me.Status != "ACTIVE" || !slices.Equal(me.Scopes, []string{"deploy:*", "read"}) {
				t.Errorf("%s: %v: %s", form.name, err, out)
			}
			var list []struct{ ID string }
			out, _ = s.run(0, s.as("admin", "keys", "list", "--scope", "deploy:write", "--scope", "read", "--status", "active", "--order", "name", "-o", form.name))
			if err := form.parse(out, &list); err != nil || len(list) != 2 || list[0].ID != id && list[1].ID != id {
				t.Errorf("%s: %v: %s", form.name, err, out)
			}
		}
		if out, _ := s.run(0, s.as("admin", "keys", "list", "--name-prefix", "CI", "-o", "name")); out != id+"\n" {
			t.Errorf("by name: %q", out)
		}
		if out, _ := s.run(0, s.as("admin", "keys", "list", "--limit", "1", "-o", "name")); out != id+"\n" {
			t.Errorf("the newest: %q", out)
		}
		if out, _ := s.run(0, s.as("admin", "keys", "list", "--scope", "nobody:has", "--status", "suspended", "-o", "json")); out != "[]\n" {
			t.Errorf("none: %q", out)
		}
		if out, _ := s.run(0, s.as("admin", "keys", "get", id)); !strings.Contains(out, "deploy:* read") || !strings.HasPrefix(out, "ID ") {
			t.Errorf("a table: %s", out)
		}
		if out, _ := s.run(0, s.as("admin", "keys", "create", "--name", "printed")); !keyText.MatchString(out) || strings.Count(out, "\n") != 1 {
			t.Errorf("a secret on a line: %q", out)
		}

		verify := func(code int, verdict string, flags ...string) {
			t.Helper()
			c := s.as("admin", append([]string{"keys", "verify"}, flags...)...)
			c.Stdin = strings.NewReader(s.read("ci") + "\n")
			if out, _ := s.run(code, c); !strings.Contains(out, verdict) {
				t.Errorf("verified as %s", out)
			}
		}
		verify(0, "VALID", "--scope", "deploy:write")
		verify(exitNotAllowed, "INSUFFICIENT_SCOPE", "--scope", "admin")
		out, _ := s.run(0, s.as("admin", "keys", "rotate", id, "--grace", "PT0S", "--scope", "read", "-o", "json"))
		var rotated struct {
			APIKey struct {
				ID     string
				Scopes []string
			}
			Secret string
		}
		if err := json.Unmarshal([]byte(out), &rotated); err != nil || !slices.Equal(rotated.APIKey.Scopes, []string{"read"}) || !keyText.MatchString(rotated.Secret) {
			t.Errorf("%v: %s", err, out)
		}
		verify(exitKeyDead, "GRACE_ENDED")
		s.run(0, s.as("admin", "keys", "revoke", rotated.APIKey.ID, "--reason", "key-compromise", "--note", "found in a log"))
	})
}

// Each exit code has its case, and its words on standard error.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	s := newShell(t, "sqlite3")
	s.make("weak")
	s.make("dead")
	s.make("twin", "--description", "one of a kind")
	s.run(0, s.as("dead", "keys", "revoke", "--self"))
	with := func(c *exec.Cmd, env ...string) *exec.Cmd {
		c.Env = append(c.Env, env...)
		return c
	}
	for _, c := range []struct {
		code int
		word string
		cmd  *exec.Cmd
	}{
		{exitUsage, "--output", s.as("admin", "whoami", "-o", "xml")},
		{exitUsage, "--fail-if-expires-within: must be", s.as("admin", "whoami", "--fail-if-expires-within", "P14X")},
		{exitUsage, "unknown flag: --token", s.as("admin", "whoami", "--token", "x")},
		{exitUsage, "KEYTAG_URL", with(s.as("admin", "whoami"), "KEYTAG_URL=ftp://x")},
		{exitUsage, "--order", s.as("admin", "keys", "list", "--order", "size")},
		{exitUsage, "filter.projectIds", s.as("admin", "keys", "list", "--project", "nowhere")},
		{exitUsage, "api_keys.expiry_out_of_range", s.as("admin", "keys", "create", "--name", "x", "--expires-in", "P9Y")},
		{exitUsage, "one key", s.as("admin", "keys", "revoke")},
		{exitUsage, "one key", s.as("admin", "keys", "rotate", "--self", "key_1")},
		{exitUsage, "is not overwritten", s.as("admin", "keys", "create", "--name", "x", "--write-to", "weak")},
		{exitUsage, "standard input", s.as("admin", "keys", "verify")},
		{exitNotAuthenticated, "KEYTAG_TOKEN", with(s.as("admin", "whoami"), "KEYTAG_TOKEN_FILE=")},
		{exitNotAuthenticated, "KEYTAG_TOKEN", with(s.as("admin", "keys", "list"), "KEYTAG_TOKEN_FILE=")},
		{exitNotAuthenticated, "api_keys.invalid", with(s.as("admin", "whoami"), "KEYTAG_TOKEN=ktg_0000000000_00000000000000000000000000000000000000")},
		{exitNotAllowed, "auth.forbidden", s.as("weak", "keys", "list")},
		{exitNotFound, "no such key", s.as("admin", "keys", "get", "key_01m8eh6ks0ekctb5gwvryc8k8j")},
		{exitNotFound, "not_found", s.as("admin", "keys", "revoke", "key_01m8eh6ks0ekctb5gwvryc8k8j")},
		{exitConflict, "api_keys.description_taken", s.as("admin", "keys", "create", "--name", "x", "--description", "one of a kind")},
		{exitUnreachable, "does not answer", with(s.as("admin", "whoami"), "KEYTAG_URL=http://127.0.0.1:1")},
		{exitUnreachable, "no GraphQL", with(s.as("admin", "whoami"), "KEYTAG_URL="+s.url+"/playground")},
		{exitKeyDead, "api_keys.revoked", s.as("dead", "whoami")},
		{exitExpiresSoon, "NOT_ACCESSED", s.as("weak", "whoami", "--fail-if-expires-within", "P7M")},
		{exitOK, "", s.as("weak", "whoami", "--fail-if-expires-within", "P1D")},
	} {
		if _, stderr := s.run(c.code, c.cmd); !strings.Contains(stderr, c.word) || c.word == "" && stderr != "" {
			t.Errorf("%v says %q, and not %q", c.cmd.Args[1:], stderr, c.word)
		}
	}
}

// To look at a key every hour is no use of it.
func TestWhoamiIsNoUse(t *testing.T) {
	t.Parallel()
	s := newShell(t, "sqlite3")
	s.make("watched")
	for range 2 {
		out, _ := s.run(0, s.as("watched", "whoami", "-o", "json"))
		var me struct{ LastUsedAt *string }
		if err := json.Unmarshal([]byte(out), &me); err != nil || me.LastUsedAt != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// Settings are shown with where they come from, and without what is secret in them.
func TestConfigIsShown(t *testing.T) {
	t.Parallel()
	const password, key = "hunter2", "c2l4dGVlbiBieXRlcyArIHNpeHRlZW4gYnl0ZXMuLi4="
	c := command(t, "postgres://u:"+password+"@h/d", []string{"KEYTAG_ENCRYPTION_KEY=" + key}, "config", "--log-level", "warn", "-o", "json")
	code, out, errs := outcome(t, c)
	var list []struct{ Variable, Value, Origin string }
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
	}
	if strings.Contains(out, password) || strings.Contains(out, key) {
		t.Errorf("a secret is shown: %s", out)
	}
	for _, want := range []struct{ Variable, Value, Origin string }{
		{"KEYTAG_LOG_LEVEL", "warn", "flag"}, {"KEYTAG_ENCRYPTION_KEY", "[redacted]", "environment"}, {"KEYTAG_PLAYGROUND", "true", "default"},
	} {
		if !slices.Contains(list, want) {
			t.Errorf("lacks %v: %s", want, out)
		}
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"bash", "zsh", "fish"} {
		if code, out, errs := outcome(t, command(t, "sqlite://unused.db", nil, "completion", name)); code != 0 || !strings.Contains(out, "keytag") {
			t.Errorf("%s: exit %d: %s", name, code, errs)
		}
	}
}

// A server is asked over TLS only if its certificate is trusted.
func TestCertificates(t *testing.T) {
	t.Parallel()
	s := newShell(t, "sqlite3")
	target, err := url.Parse(s.server.url)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(target))
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	front.StartTLS()
	defer front.Close()
	s.url = front.URL
	if _, stderr := s.run(exitUnreachable, s.as("admin", "whoami")); !strings.Contains(stderr, "certificate") {
		t.Error(stderr)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	if err := os.WriteFile(s.path("ca.pem"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	c := s.as("admin", "whoami")
	c.Env = append(c.Env, "SSL_CERT_FILE="+s.path("ca.pem"))
	s.run(exitOK, c)
}

// Whoever lost the answer, however often it was asked for, is told how to ask for it without making a second key.
func TestALostAnswerIsAskedForAgain(t *testing.T) {
	t.Parallel()
	s := newShell(t, "sqlite3")
	id := s.make("service")
	for _, call := range [][]string{
		{"keys", "create", "--name", "lost", "-o", "json"},
		{"keys", "rotate", id, "--grace", "PT1H", "-o", "json"},
	} {
		s.between(func(w http.ResponseWriter, _ *http.Request, body string, through func(http.ResponseWriter)) {
			if strings.Contains(body, "idempotencyKey") {
				through(httptest.NewRecorder())
				drop(w)
			}
			through(w)
		})
		_, stderr := s.run(exitUnreachable, s.as("admin", call...))
		_, after, told := strings.Cut(stderr, "--idempotency-key ")
		if !told {
			t.Fatalf("%v: %s", call, stderr)
		}
		s.url = s.server.url
		again := append(call, "--idempotency-key", after[:strings.IndexByte(after, ',')])
		var ids []string
		for range 2 {
			out, _ := s.run(0, s.as("admin", again...))
			var made struct{ APIKey struct{ ID string } }
			if err := json.Unmarshal([]byte(out), &made); err != nil || made.APIKey.ID == "" {
				t.Fatalf("%v: %s", err, out)
			}
			ids = append(ids, made.APIKey.ID)
		}
		if ids[0] != ids[1] {
			t.Errorf("%v made several keys: %v", call, ids)
		}
	}
	out, _ := s.run(0, s.as("admin", "keys", "list", "--name-prefix", "lost", "-o", "name"))
	if keys := strings.Fields(out); len(keys) != 1 {
		t.Errorf("%d keys were made", len(keys))
	}
	s.run(exitUsage, s.as("admin", "keys", "create", "--name", "short", "--idempotency-key", "x"))
}

// A variable that is not set leaves --write-to without a name: the secret goes nowhere else for that.
func TestWriteToWithoutAName(t *testing.T) {
	t.Parallel()
	s := newShell(t, "sqlite3")
	id := s.make("service")
	for _, call := range [][]string{{"create", "--name", "another"}, {"rotate", id}, {"rotate", "--self"}} {
		out, stderr := s.run(exitUsage, s.as("admin", append(append([]string{"keys"}, call...), "--write-to", "")...))
		if out != "" || !strings.Contains(stderr, "--write-to: must name a file") {
			t.Errorf("%v: %s%s", call, out, stderr)
		}
	}
}

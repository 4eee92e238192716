package main

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/mail/smtptest"
	"github.com/keytag/keytag/internal/store/storetest"
)

// consult runs `keytag doctor` and checks that it exits with 1 exactly when a check failed, and tells what to do
// about all that is not in order.
func consult(t *testing.T, database string, env ...string) map[string][]finding {
	t.Helper()
	code, stdout, stderr := outcome(t, command(t, database, env, "doctor", "-o", "json"))
	var all []finding
	if err := json.Unmarshal([]byte(stdout), &all); err != nil {
		t.Fatalf("%d %v: %s%s", code, err, stdout, stderr)
	}
	failed := false
	found := map[string][]finding{}
	for _, f := range all {
		if failed = failed || f.State == "failure"; f.State == "ok" == (f.Remedy != "") || f.Finding == "" {
			t.Errorf("%+v", f)
		}
		found[f.Check] = append(found[f.Check], f)
	}
	if want := map[bool]int{false: exitOK, true: exitFailure}[failed]; code != want || failed != strings.Contains(stderr, "checks failed") {
		t.Errorf("exit code %d, want %d: %s%s", code, want, stdout, stderr)
	}
	if all := stdout + stderr; strings.Contains(all, "hunter2") || strings.Contains(all, encryptionKey) {
		t.Errorf("a secret is shown: %s", all)
	}
	return found
}

// state is that of the only finding of a check, empty if it was not made.
func state(found map[string][]finding, check string) string {
	if len(found[check]) != 1 {
		return ""
	}
	return found[check][0].State
}

func TestDoctorOnADatabase(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		database := storetest.Empty(t, dialect)
		file, isFile := strings.CutPrefix(database, "sqlite://")
		found := consult(t, database)
		if _, err := os.Stat(file); isFile && (state(found, "database") != "failure" || err == nil) {
			t.Errorf("there is no database, and doctor makes one: %v", found)
		}
		if !isFile && state(found, "migrations") != "failure" {
			t.Errorf("migrations are pending: %v", found)
		}
		if code, _, stderr := outcome(t, command(t, database, nil, "init")); code != 0 {
			t.Fatal(stderr)
		}
		found = consult(t, database, "KEYTAG_ENCRYPTION_KEY="+encryptionKey)
		for check, want := range map[string]string{"database": "ok", "migrations": "ok", "worker": "ok", "encryption key": "ok", "mail": "warning", "public URL": "ok"} {
			if state(found, check) != want {
				t.Errorf("%s: want %s, got %v", check, want, found)
			}
		}
		if isFile {
			if state(found, "file "+file) != "ok" || len(found["durability"]) != 3 || len(found["clock"]) != 0 {
				t.Errorf("%v", found)
			}
			for _, f := range found["durability"] {
				if f.State != "ok" {
					t.Errorf("%+v", f)
				}
			}
			return
		}
		// Servers of tests are not durable.
		if state(found, "clock") != "ok" || len(found["durability"]) != 3 {
			t.Errorf("%v", found)
		}
		db, err := sql.Open("postgres", database)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, f := range found["durability"] {
			name, value, _ := strings.Cut(f.Finding, " is ")
			var there string
			if err := db.QueryRow("SELECT current_setting($1)", name).Scan(&there); err != nil {
				t.Fatal(err)
			}
			if name == "synchronous_commit" {
				there = "on" // whatever the server's default, this program asks for it
			}
			if value != there || f.State != map[bool]string{true: "ok", false: "failure"}[there == "on"] {
				t.Errorf("%s is %s there: %+v", name, there, f)
			}
		}
		if _, err := db.Exec("DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET default_transaction_read_only = on'; END $$"); err != nil {
			t.Fatal(err)
		}
		if found = consult(t, database); state(found, "database") != "failure" || !strings.Contains(found["database"][0].Finding, "read-only") {
			t.Errorf("the database is read-only: %v", found)
		}
	})
}

func TestDoctorWithoutADatabase(t *testing.T) {
	found := consult(t, "postgres://keytag:hunter2@127.0.0.1:1/keytag?sslmode=disable")
	if state(found, "database") != "failure" || state(found, "mail") == "" {
		t.Errorf("%v", found)
	}
}

func TestDoctorLooksForAWorker(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		o := newOffice(t, storetest.Migrated(t, dialect))
		due := time.Now().Add(time.Minute).UTC().Truncate(time.Microsecond)
		if err := o.alert("watched", o.webhookSource("https://example.org/hook"), due); err != nil {
			t.Fatal(err)
		}
		for at, want := range map[time.Time]string{
			due.Add(maxDelay - time.Microsecond): "ok",
			due.Add(maxDelay):                    "warning",
		} {
			if got := checkWorker(t.Context(), o.Store, func() time.Time { return at }); got.State != want {
				t.Errorf("%v after it is due: %+v", at.Sub(due), got)
			}
		}
	})
}

func TestDoctorReadsSecrets(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		database := storetest.Migrated(t, dialect)
		newOffice(t, database).webhookSource("https://example.org/hook")
		other := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("o"), 32))
		for value, want := range map[string]string{"": "failure", other: "failure", other + "," + encryptionKey: "ok", encryptionKey: "ok"} {
			found := consult(t, database, "KEYTAG_ENCRYPTION_KEY="+value)
			if state(found, "encryption key") != want || !strings.Contains(found["encryption key"][0].Finding, "1 of 1") {
				t.Errorf("want %s, got %v", want, found["encryption key"])
			}
		}
	})
}

func TestDoctorLooksAtFiles(t *testing.T) {
	database := storetest.Migrated(t, "sqlite3")
	file := strings.TrimPrefix(database, "sqlite://")
	secretFile := filepath.Join(t.TempDir(), "encryption-key")
	if err := os.WriteFile(secretFile, []byte(encryptionKey), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, secretFile} {
		for mode, want := range map[os.FileMode]string{0o600: "ok", 0o640: "warning", 0o644: "failure", 0o602: "failure"} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			if found := consult(t, database, "KEYTAG_ENCRYPTION_KEY_FILE="+secretFile); state(found, "file "+path) != want {
				t.Errorf("%s with mode %o: want %s, got %v", path, mode, want, found)
			}
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDoctorAsksTheMailServer(t *testing.T) {
	database := storetest.Migrated(t, "sqlite3")
	smtp := smtptest.Start(t, smtptest.Options{Security: smtptest.InClear})
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	for address, want := range map[string]string{
		smtp.URL(): "ok",
		"smtp://keytag:hunter2@" + nobody.Addr().String(): "failure",
	} {
		if found := consult(t, database, "KEYTAG_SMTP_URL="+address, "KEYTAG_SMTP_FROM=keytag@example.org"); state(found, "mail") != want {
			t.Errorf("want %s, got %v", want, found["mail"])
		}
	}
	if len(smtp.Messages()) != 0 {
		t.Error("a message was sent")
	}
}

func TestDoctorLooksAtThePublicURL(t *testing.T) {
	database := storetest.Migrated(t, "sqlite3")
	for address, want := range map[string]string{"http://127.0.0.1:8080": "ok", "https://keys.example.org": "ok", "http://keys.example.org": "warning"} {
		if found := consult(t, database, "KEYTAG_PUBLIC_URL="+address); state(found, "public URL") != want {
			t.Errorf("%s: want %s, got %v", address, want, found["public URL"])
		}
	}
}

func TestDoctorComparesClocks(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	took := 200 * time.Millisecond
	for theirs, want := range map[time.Duration]string{
		0: "ok", took: "ok", -maxSkew: "ok", took + maxSkew: "ok",
		-maxSkew - time.Microsecond: "failure", took + maxSkew + time.Microsecond: "failure",
	} {
		if got := judgeClock(at, at.Add(theirs), at.Add(took)); got.State != want {
			t.Errorf("theirs at %v of %v: want %s, got %+v", theirs, took, want, got)
		}
	}
	s := storetest.Open(t, "postgres")
	for shift, want := range map[time.Duration]string{0: "ok", time.Minute: "failure", -time.Minute: "failure"} {
		if got, made := checkClock(t.Context(), s, func() time.Time { return time.Now().Add(shift) }); !made || got.State != want {
			t.Errorf("%v apart: want %s, got %+v", shift, want, got)
		}
	}
}

func TestDoctorsForms(t *testing.T) {
	database := storetest.Migrated(t, "sqlite3")
	for form, says := range map[string]string{"table": "CHECK", "json": `"check": "database"`, "yaml": "- check: "} {
		if code, stdout, stderr := outcome(t, command(t, database, nil, "doctor", "-o", form)); code != exitOK || !strings.Contains(stdout, says) {
			t.Errorf("%s: %d %s%s", form, code, stdout, stderr)
		}
	}
	if code, stdout, stderr := outcome(t, command(t, database, nil, "doctor", "-o", "name")); code != exitUsage || stdout != "" || !strings.Contains(stderr, "table, json, yaml") {
		t.Errorf("%d %s%s", code, stdout, stderr)
	}
}

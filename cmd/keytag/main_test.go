package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/store/storetest"
)

func TestTheFirstStartPrintsAKeyThatWorksAsPasted(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		database := storetest.Empty(t, dialect)
		first := serve(t, database, nil, "--print-key")
		var line string
		for _, l := range strings.Split(first.printed(t), "\n") {
			if strings.Contains(l, "curl") {
				line = strings.TrimSpace(l)
			}
		}
		out, err := exec.Command("bash", "-c", line).Output()
		if err != nil || !strings.Contains(string(out), `"viewerKey":{"name":"First administrator key","status":"ACTIVE","scopes":["*"]`) {
			t.Errorf("%s\n%v %s", line, err, out)
		}
		if keys := keyText.FindAllString(first.printed(t), -1); len(keys) != 2 || keys[0] != keys[1] {
			t.Errorf("%d keys are printed", len(keys)) // the key, and the same in the curl line
		}
		for path, says := range map[string]string{"/healthz": "", "/readyz": "", "/playground": "<html"} {
			if status, body := get(t, first.url+path); status != http.StatusOK || !strings.Contains(body, says) {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
		first.stop(t, syscall.SIGTERM)
		if code := first.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit code %d: %s", code, first.logged())
		}
		if keyText.MatchString(first.logged()) {
			t.Error("a key is in the log")
		}
		second := serve(t, database, nil, "--print-key")
		second.stop(t, syscall.SIGTERM)
		if keyText.MatchString(second.printed(t)) {
			t.Error("the second start prints a key")
		}
	})
}

func TestWithoutATerminalNoKeyIsPrinted(t *testing.T) {
	database := storetest.Empty(t, "sqlite3")
	r := serve(t, database, nil)
	r.stop(t, syscall.SIGTERM)
	if r.printed(t) != "" || keyText.MatchString(r.logged()) {
		t.Error("something is printed, or a key logged")
	}
	if !regexp.MustCompile(`"level":"WARN".*keytag init`).MatchString(r.logged()) {
		t.Errorf("no warning: %s", r.logged())
	}
}

func TestTheKeyFile(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		file := filepath.Join(t.TempDir(), "key")
		env := []string{"KEYTAG_BOOTSTRAP_KEY_FILE=" + file}
		if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		database := storetest.Empty(t, dialect)
		if code, _, stderr := outcome(t, command(t, database, env, "serve")); code != 1 || !strings.Contains(stderr, file) {
			t.Errorf("over a file that exists: %d %s", code, stderr)
		}
		if content, _ := os.ReadFile(file); string(content) != "mine" {
			t.Error("the file was overwritten")
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		r := serve(t, database, env)
		key, err := os.ReadFile(file)
		info, statErr := os.Stat(file)
		if err != nil || statErr != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v %v %v", err, statErr, info)
		}
		if answer, err := ask(r.url, strings.TrimSpace(string(key)), "{ viewer { login } }"); err != nil || !strings.Contains(answer, `"admin"`) {
			t.Errorf("%v %s", err, answer)
		}
		r.stop(t, syscall.SIGTERM)
		again := serve(t, database, env)
		again.stop(t, syscall.SIGTERM)
		if content, err := os.ReadFile(file); err != nil || string(content) != string(key) {
			t.Errorf("the second start changed the file: %v", err)
		}
		if all := r.printed(t) + r.logged() + again.printed(t) + again.logged(); keyText.MatchString(all) {
			t.Errorf("a key is shown: %s", all)
		}
	})
}

func TestInitPrintsOnce(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		database := storetest.Empty(t, dialect)
		code, stdout, stderr := outcome(t, command(t, database, nil, "init"))
		if code != 0 || !keyText.MatchString(stdout) || keyText.MatchString(stderr) {
			t.Errorf("%d %s %s", code, stdout, stderr)
		}
		code, stdout, stderr = outcome(t, command(t, database, nil, "init"))
		if code != 1 || stdout != "" || !strings.Contains(stderr, "organization already") {
			t.Errorf("again: %d %s %s", code, stdout, stderr)
		}
	})
}

// Servers that start side by side on an empty database make one key between them.
func TestOneReplicaWins(t *testing.T) {
	database := storetest.Migrated(t, "postgres")
	db, err := sql.Open("postgres", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// Nobody can write an organization until all have seen that there is none.
	gate, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Rollback()
	if _, err := gate.Exec("LOCK TABLE organizations IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	var replicas [5]*running
	for i := range replicas {
		replicas[i] = start(t, database, nil, "--print-key")
	}
	for waiting, deadline := 0, time.Now().Add(30*time.Second); waiting < len(replicas); time.Sleep(5 * time.Millisecond) {
		if err := db.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d wait to write", waiting, len(replicas))
		}
	}
	if err := gate.Commit(); err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	var winners int
	for _, r := range replicas {
		r.await(t)
		out := r.printed(t)
		if printed.WriteString(out); out != "" {
			winners++
		}
	}
	key := keyText.FindString(printed.String())
	if winners != 1 || key == "" {
		t.Fatalf("%d of %d print a key", winners, len(replicas))
	}
	for _, r := range replicas {
		if answer, err := ask(r.url, key, "{ viewer { login } }"); err != nil || !strings.Contains(answer, `"admin"`) {
			t.Errorf("%v %s", err, answer)
		}
	}
}

func TestMigrateAndVersion(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		database := storetest.Empty(t, dialect)
		for _, step := range []struct {
			args string
			code int
			says string
		}{
			{"migrate status", 0, "pending\t"},
			{"serve --migrate=false", 1, "keytag migrate up"},
			{"migrate up", 0, ""},
			{"migrate up", 0, ""},
			{"migrate status", 0, "applied\t"},
			{"version", 0, "keytag "},
			{"nonsense", 2, "see keytag --help"},
			{"serve --nonsense", 2, "--nonsense"},
			{"serve --listen nowhere", 2, "KEYTAG_LISTEN: must be host:port"},
			{"serve --log-level loud", 2, "debug, info, warn, error"},
			{"serve --database-url mysql://u:hunter2@h/x", 2, "sqlite://PATH or postgres://"},
		} {
			code, stdout, stderr := outcome(t, command(t, database, nil, strings.Fields(step.args)...))
			if code != step.code || !strings.Contains(stdout+stderr, step.says) || strings.Contains(stdout+stderr, "hunter2") {
				t.Errorf("%s: %d %s%s", step.args, code, stdout, stderr)
			}
		}
	})
}

// What was acknowledged is there after the process was killed.
func TestKilledAndStartedAgain(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		database := storetest.Empty(t, dialect)
		_, stdout, _ := outcome(t, command(t, database, nil, "init"))
		admin := keyText.FindString(stdout)
		first := serve(t, database, nil)
		answer, err := ask(first.url, admin, "{ viewerKey { project { id } } }")
		if err != nil {
			t.Fatal(err)
		}
		project := regexp.MustCompile(`prj_\w+`).FindString(answer)
		var acknowledged []string
		var mu sync.Mutex
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				for i := 0; ; i++ {
					answer, err := ask(first.url, admin, fmt.Sprintf(`mutation { createApiKey(input: {projectId: %q, name: "w%d-%d"}) { secret } }`, project, w, i))
					if err != nil {
						return
					}
					if key := keyText.FindString(answer); key != "" {
						mu.Lock()
						acknowledged = append(acknowledged, key)
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(700 * time.Millisecond)
		first.stop(t, syscall.SIGKILL)
		writers.Wait()
		if len(acknowledged) == 0 {
			t.Fatal("nothing was acknowledged")
		}
		second := serve(t, database, nil)
		for _, key := range acknowledged {
			if answer, err := ask(second.url, key, "{ viewerKey { status } }"); err != nil || !strings.Contains(answer, "ACTIVE") {
				t.Fatalf("%v %s", err, answer)
			}
		}
		t.Logf("%d keys acknowledged and there", len(acknowledged))
	})
}

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
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

// The program itself is started here, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "keytag")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "keytag")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

var keyText = regexp.MustCompile(`ktg_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}`)

// command is the program with a database, on port 0.
func command(t testing.TB, database string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, args...)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "KEYTAG_DATABASE_URL=" + database, "KEYTAG_LISTEN=127.0.0.1:0", "KEYTAG_LOG_FORMAT=json"}, env...)
	c.Dir = t.TempDir()
	return c
}

// outcome runs the program to its end.
func outcome(t testing.TB, c *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// running is a server that listens.
type running struct {
	*exec.Cmd
	url  string
	out  string // file that standard output goes to
	mu   sync.Mutex
	log  strings.Builder
	done chan struct{}
}

// printed is what is on standard output by now.
func (r *running) printed(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(r.out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func serve(t testing.TB, database string, env []string, args ...string) *running {
	t.Helper()
	r := &running{Cmd: command(t, database, env, append([]string{"serve"}, args...)...), out: filepath.Join(t.TempDir(), "stdout"), done: make(chan struct{})}
	out, err := os.Create(r.out)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	r.Stdout = out
	stderr, err := r.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Process.Kill(); <-r.done })
	listening := make(chan string, 1)
	go func() {
		defer close(r.done)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			r.mu.Lock()
			r.log.WriteString(lines.Text() + "\n")
			r.mu.Unlock()
			var line struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				listening <- line.Address
			}
		}
		_ = r.Wait()
	}()
	select {
	case address := <-listening:
		r.url = "http://" + address
	case <-r.done:
		t.Fatalf("ended: %s", r.logged())
	case <-time.After(30 * time.Second):
		t.Fatalf("does not listen: %s", r.logged())
	}
	return r
}

func (r *running) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

func (r *running) stop(t testing.TB, signal os.Signal) {
	t.Helper()
	if err := r.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.done:
	case <-time.After(30 * time.Second):
		t.Fatal("does not stop")
	}
}

func get(t testing.TB, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func ask(url, key, query string) (string, error) {
	body, _ := json.Marshal(map[string]string{"query": query})
	request, err := http.NewRequest(http.MethodPost, url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return string(answer), err
}

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
		for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/playground": 200} {
			if status, body := get(t, first.url+path); status != want {
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
	if r.printed(t) != "" || !strings.Contains(r.logged(), "keytag init") {
		t.Errorf("%s%s", r.printed(t), r.logged())
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
		if all := r.printed(t) + r.logged(); keyText.MatchString(all) {
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

func TestOneReplicaWins(t *testing.T) {
	database := storetest.Empty(t, "postgres")
	var group sync.WaitGroup
	outputs := make([]string, 5)
	for i := range outputs {
		c := command(t, database, nil, "init")
		group.Go(func() {
			out, _ := c.Output() // all but one fail
			outputs[i] = string(out)
		})
	}
	group.Wait()
	if keys := keyText.FindAllString(strings.Join(outputs, "\n"), -1); len(keys) != 1 {
		t.Errorf("%d keys", len(keys))
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
			{"nonsense", 2, "nonsense"},
			{"serve --nonsense", 2, "nonsense"},
			{"serve --listen nowhere", 2, "KEYTAG_LISTEN"},
			{"serve --log-level loud", 2, "debug"},
		} {
			code, stdout, stderr := outcome(t, command(t, database, nil, strings.Fields(step.args)...))
			if code != step.code || !strings.Contains(stdout+stderr, step.says) {
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

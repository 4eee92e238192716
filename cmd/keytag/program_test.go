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
	"testing"
	"time"

	"github.com/keytag/keytag/internal/evidence"
)

// built is the directory that the program is built into, by the first test that starts it.
var built string

var binary = sync.OnceValues(func() (string, error) {
	if evidence.On() {
		return withHooks()
	}
	return build("keytag")
})

func build(name string, flags ...string) (string, error) {
	path := filepath.Join(built, name)
	out, err := exec.Command("go", append(append([]string{"build"}, flags...), "-o", path, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
}

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "keytag"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(built)
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
	return commandOf(t, path, database, env, args...)
}

// commandOf is command with another build of the program.
func commandOf(t testing.TB, path, database string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(path, args...)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "KEYTAG_DATABASE_URL=" + database, "KEYTAG_LISTEN=127.0.0.1:0", "KEYTAG_LOG_FORMAT=json"}, append(evidence.Environ(), env...)...)
	c.Dir = t.TempDir()
	return c
}

// outcome runs the program to its end, which has to come soon.
func outcome(t testing.TB, c *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(30*time.Second, func() { c.Process.Kill() }) // exit code -1
	defer limit.Stop()
	err := c.Wait()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	evidence.Keep(evidence.Logs, errs.Bytes())
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// running is a server that was started.
type running struct {
	*exec.Cmd
	url       string // known once it listens
	out       string // file that standard output goes to
	mu        sync.Mutex
	log       strings.Builder
	listening chan string   // gets its address
	done      chan struct{} // closed when it has ended
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

// serve returns a server that listens.
func serve(t testing.TB, database string, env []string, args ...string) *running {
	t.Helper()
	r := start(t, database, env, args...)
	r.await(t)
	return r
}

// start starts a server that ends with the test.
func start(t testing.TB, database string, env []string, args ...string) *running {
	t.Helper()
	return startCommand(t, command(t, database, env, append([]string{"serve"}, args...)...))
}

func startCommand(t testing.TB, c *exec.Cmd) *running {
	t.Helper()
	r := &running{
		Cmd:       c,
		out:       filepath.Join(t.TempDir(), "stdout"),
		listening: make(chan string, 1),
		done:      make(chan struct{}),
	}
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
	go func() {
		defer close(r.done)
		for lines := bufio.NewScanner(io.TeeReader(stderr, evidence.Writer(evidence.Logs))); lines.Scan(); {
			r.mu.Lock()
			r.log.WriteString(lines.Text() + "\n")
			r.mu.Unlock()
			var line struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				r.listening <- line.Address
			}
		}
		_ = r.Wait()
	}()
	return r
}

// await waits until the server listens.
func (r *running) await(t testing.TB) {
	t.Helper()
	select {
	case address := <-r.listening:
		r.url = "http://" + address
	case <-r.done:
		t.Fatalf("ended: %s", r.logged())
	case <-time.After(30 * time.Second):
		t.Fatalf("does not listen: %s", r.logged())
	}
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
	evidence.Answer(response, body)
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
	evidence.Answer(response, answer)
	return string(answer), err
}

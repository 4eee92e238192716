package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/seal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
	"github.com/keytag/keytag/internal/webhook"
)

var encryptionKey = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32))

// outboundEnv lets the program send webhooks to receivers of tests.
var outboundEnv = []string{"KEYTAG_ENCRYPTION_KEY=" + encryptionKey, "KEYTAG_ALLOW_PRIVATE_WEBHOOKS=true"}

// office sets alerts in the database of programs under test.
type office struct {
	*store.Store
	t       testing.TB
	alerts  *alert.Alerts
	keys    *keys.Authority
	admin   context.Context
	project string
}

func newOffice(t testing.TB, database string) *office {
	t.Helper()
	o := &office{Store: storetest.Connect(t, database), t: t}
	log := telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json")
	sealer, err := seal.Parse(encryptionKey)
	if err != nil {
		t.Fatal(err)
	}
	o.keys = keys.New(o.Store, time.Now, log)
	o.alerts = alert.New(o.Store, o.keys, time.Now, log, alert.Options{Outbound: keys.Outbound{Sealer: sealer, Webhooks: webhook.New(true, time.Now)}})
	var text string
	if err := directory.New(o.Store, o.keys, time.Now).Bootstrap(t.Context(), func(k secret.Secret) error { text = k.Reveal(); return nil }); err != nil {
		t.Fatal(err)
	}
	if o.admin, err = o.keys.Authenticate(t.Context(), text, keys.Use{}); err != nil {
		t.Fatal(err)
	}
	o.project = o.keys.ViewerKey(o.admin).ProjectID
	return o
}

// webhookSource is the id of a new alert source that posts to url.
func (o *office) webhookSource(url string) string {
	o.t.Helper()
	made, err := o.alerts.CreateWebhookSource(o.admin, alert.CreateWebhookSourceInput{Name: url, URL: url})
	if err != nil {
		o.t.Fatal(err)
	}
	return made.AlertSource.Row().ID
}

// alert gives a new key a notification; it may be called by several goroutines.
func (o *office) alert(name, source string, at time.Time) error {
	_, err := o.keys.Create(o.admin, keys.CreateInput{ProjectID: o.project, Name: &name, Notification: &keys.NotificationInput{NotifyAt: at, AlertSourceID: source}})
	return err
}

// unfinished counts the jobs that are not over.
func (o *office) unfinished() (scheduled, running int) {
	o.t.Helper()
	all, err := o.Client.Job.Query().All(principal.System(o.t.Context()))
	if err != nil {
		o.t.Fatal(err)
	}
	for _, row := range all {
		switch row.Status {
		case job.Scheduled:
			scheduled++
		case job.Running:
			running++
		}
	}
	return scheduled, running
}

// replica is a `keytag work` that was started.
type replica struct {
	*exec.Cmd
	log  lockedBuffer
	done chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// work starts a worker that ends with the test.
func work(t testing.TB, database string, env []string) *replica {
	t.Helper()
	r := &replica{Cmd: command(t, database, env, "work"), done: make(chan struct{})}
	r.Stderr = io.MultiWriter(&r.log, evidence.Writer(evidence.Logs))
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Process.Kill(); <-r.done })
	go func() {
		defer close(r.done)
		_ = r.Wait()
	}()
	return r
}

// end sends a signal and waits until the worker has ended.
func (r *replica) end(t testing.TB, signal os.Signal) {
	t.Helper()
	if err := r.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.done:
	case <-time.After(job.Lease):
		t.Fatalf("does not end: %s", r.log.String())
	}
}

// eventually waits until a condition holds.
func eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

func TestServeWithoutWorkerLeavesToWorkWhatIsDue(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		var mu sync.Mutex
		got := map[string]int{}
		begun, finish := make(chan string, 100), make(chan struct{})
		receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			begun <- r.URL.Path
			if r.URL.Path == "/slow" {
				<-finish
			}
			mu.Lock()
			defer mu.Unlock()
			got[r.URL.Path]++
		}))
		defer receiver.Close()
		received := func(path string) int {
			mu.Lock()
			defer mu.Unlock()
			return got[path]
		}
		database := storetest.Migrated(t, dialect)
		o := newOffice(t, database)
		quick, slow := o.webhookSource(receiver.URL+"/quick"), o.webhookSource(receiver.URL+"/slow")
		set := func(name, source string, in time.Duration) {
			t.Helper()
			if err := o.alert(name, source, time.Now().Add(in)); err != nil {
				t.Fatal(err)
			}
		}
		const first = 5
		for i := range first {
			set(fmt.Sprint("quick ", i), quick, 50*time.Millisecond)
		}
		server := serve(t, database, outboundEnv, "--worker=false")
		time.Sleep(3 * time.Second)
		if scheduled, running := o.unfinished(); scheduled != first || running != 0 || received("/quick") != 0 {
			t.Errorf("without a worker %d are scheduled, %d run, %d are delivered", scheduled, running, received("/quick"))
		}
		worker := work(t, database, outboundEnv)
		eventually(t, 20*time.Second, "all are delivered", func() bool {
			scheduled, running := o.unfinished()
			return scheduled+running == 0 && received("/quick") == first
		})

		// What is under way when the worker is told to end is finished; nothing is begun any more.
		for len(begun) > 0 {
			<-begun
		}
		set("slow", slow, 50*time.Millisecond)
		select {
		case <-begun:
		case <-time.After(20 * time.Second):
			t.Fatalf("the slow one is not begun: %s", worker.log.String())
		}
		if err := worker.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		set("too late", quick, 10*time.Millisecond)
		time.Sleep(1500 * time.Millisecond)
		select {
		case <-worker.done:
			t.Errorf("ended before what was under way: %s", worker.log.String())
		default:
		}
		close(finish)
		select {
		case <-worker.done:
		case <-time.After(20 * time.Second):
			t.Fatal("does not end")
		}
		if code := worker.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit code %d: %s", code, worker.log.String())
		}
		if scheduled, running := o.unfinished(); scheduled != 1 || running != 0 || received("/slow") != 1 || received("/quick") != first {
			t.Errorf("%d scheduled, %d running, %d slow and %d quick deliveries", scheduled, running, received("/slow"), received("/quick"))
		}
		if text := worker.log.String() + server.logged(); strings.Contains(text, `"level":"ERROR"`) {
			t.Errorf("errors: %s", text)
		}
	})
}

// Two programs share one database, also one file: each alert goes out once.
func TestTwoProgramsShareADatabase(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		const alerts = 60
		var mu sync.Mutex
		got := map[string]int{}
		receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(20 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			got[r.Header.Get("webhook-id")]++
		}))
		defer receiver.Close()
		database := storetest.Migrated(t, dialect)
		o := newOffice(t, database)
		source := o.webhookSource(receiver.URL)
		serving := serve(t, database, outboundEnv)
		working := work(t, database, outboundEnv)
		for i := range alerts {
			if err := o.alert(fmt.Sprint("key ", i), source, time.Now().Add(time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, 30*time.Second, "all are over", func() bool { scheduled, running := o.unfinished(); return scheduled+running == 0 })
		working.end(t, syscall.SIGTERM)
		serving.stop(t, syscall.SIGTERM)
		if working.ProcessState.ExitCode() != 0 || serving.ProcessState.ExitCode() != 0 {
			t.Errorf("exit codes %d and %d", working.ProcessState.ExitCode(), serving.ProcessState.ExitCode())
		}
		if len(got) != alerts {
			t.Errorf("%d of %d are delivered", len(got), alerts)
		}
		for id, n := range got {
			if n != 1 {
				t.Errorf("%s is delivered %d times", id, n)
			}
		}
		if text := working.log.String() + serving.logged(); strings.Contains(text, `"level":"ERROR"`) {
			t.Errorf("errors: %s", text)
		}
	})
}

// A worker that has nothing to do asks its database a few questions a second, and hardly computes.
func TestAnIdleWorkerCostsLittle(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		database := storetest.Migrated(t, dialect)
		newOffice(t, database)
		const idle = 6 * time.Second
		began := time.Now()
		worker := work(t, database, outboundEnv)
		eventually(t, 20*time.Second, "it works", func() bool { return strings.Contains(worker.log.String(), `"working"`) })
		started := transactions(t, database)
		time.Sleep(idle)
		asked := float64(transactions(t, database)-started) / idle.Seconds()
		worker.end(t, syscall.SIGTERM)
		computed := worker.ProcessState.UserTime() + worker.ProcessState.SystemTime()
		// Four statements, each of which the driver first describes and then runs.
		t.Logf("%.1f transactions a second, %v of CPU in %v with the start", asked, computed, time.Since(began).Round(time.Millisecond))
		if asked > 12 {
			t.Errorf("%.1f transactions a second", asked)
		}
		if computed > time.Second {
			t.Errorf("%v of CPU in %v", computed, idle)
		}
	})
}

// transactions counts those of a PostgreSQL database, zero for SQLite. Each message of the protocol that
// asks for something outside a change is one.
func transactions(t *testing.T, database string) (n int) {
	t.Helper()
	if !strings.HasPrefix(database, "postgres") {
		return 0
	}
	raw, err := sql.Open("postgres", database)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := raw.QueryRow("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

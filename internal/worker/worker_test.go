package worker_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/seal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
	"github.com/keytag/keytag/internal/webhook"
	"github.com/keytag/keytag/internal/worker"
)

// plant is a worker, with a key that alerts are about.
type plant struct {
	*worker.Worker
	t      testing.TB
	admin  context.Context
	alerts *alert.Alerts
	key    *db.APIKey
}

func each(t *testing.T, fn func(t *testing.T, p *plant)) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		log := telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json")
		sealer, err := seal.Parse(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32)))
		must(t, err)
		authority := keys.New(s, time.Now, log)
		alerts := alert.New(s, authority, time.Now, log, alert.Options{Outbound: keys.Outbound{Sealer: sealer, Webhooks: webhook.New(true, time.Now)}})
		p := &plant{
			Worker: &worker.Worker{Store: s, Keys: authority, Alerts: alerts, Clock: time.Now, Log: log},
			t:      t, alerts: alerts,
		}
		var text string
		must(t, directory.New(s, authority, time.Now).Bootstrap(t.Context(), func(k secret.Secret) error { text = k.Reveal(); return nil }))
		p.admin, err = authority.Authenticate(t.Context(), text, keys.Use{})
		must(t, err)
		p.key, err = s.Client.APIKey.Query().Only(principal.System(t.Context()))
		must(t, err)
		fn(t, p)
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%T: %v", err, err)
	}
}

// due adds n alerts that are due at an instant and go to a receiver.
func (p *plant) due(n int, at time.Time, url string) {
	p.t.Helper()
	made, err := p.alerts.CreateWebhookSource(p.admin, alert.CreateWebhookSourceInput{Name: fmt.Sprint(url, at), URL: url})
	must(p.t, err)
	source := made.AlertSource.Row()
	must(p.t, p.Store.Write(p.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		for range n {
			if _, err := queue.Add(ctx, tx, at, queue.Job{Kind: job.Alert, Key: p.key, Lane: url[len("http://"):], At: at, AlertSourceID: &source.ID}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// count is how many jobs are in each state.
func (p *plant) count() map[job.Status]int {
	p.t.Helper()
	all, err := p.Store.Client.Job.Query().All(principal.System(p.t.Context()))
	must(p.t, err)
	n := map[job.Status]int{}
	for _, row := range all {
		n[row.Status]++
	}
	return n
}

// run runs the worker until cancel is called; returned is closed when Run has returned.
func (p *plant) run() (cancel func(), returned <-chan struct{}) {
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	return cancel, done
}

func eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// silent are n receivers that accept, and answer when they are released and not before. Begun are the
// requests that each got.
func silent(t testing.TB, n int) (urls []string, begun []*atomic.Int64, release func()) {
	released := make(chan struct{})
	release = sync.OnceFunc(func() { close(released) })
	for range n {
		got := new(atomic.Int64)
		receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			got.Add(1)
			<-released
		}))
		t.Cleanup(func() { release(); receiver.Close() })
		urls, begun = append(urls, receiver.URL), append(begun, got)
	}
	return urls, begun, release
}

func sum(counts []*atomic.Int64) (n int) {
	for _, c := range counts {
		n += int(c.Load())
	}
	return n
}

func TestReceiversThatNeverAnswerDelayNobodyElse(t *testing.T) {
	each(t, func(t *testing.T, p *plant) {
		const alerts = 200
		var fast atomic.Int64
		receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fast.Add(1) }))
		defer receiver.Close()
		slow, begun, release := silent(t, 10)
		now := time.Now()
		for _, url := range slow {
			p.due(alerts/len(slow), now.Add(-time.Minute), url) // they stand before the others
		}
		p.due(alerts, now, receiver.URL)
		goroutines := runtime.NumGoroutine()
		var before runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)

		began := time.Now()
		cancel, returned := p.run()
		defer cancel()
		most := 0
		eventually(t, 10*time.Second, "the fast ones are delivered", func() bool {
			most = max(most, runtime.NumGoroutine())
			return fast.Load() == alerts
		})
		t.Logf("%d fast ones are delivered within %v, %d slow ones are under way, at most %d goroutines more", alerts, time.Since(began).Round(time.Millisecond), sum(begun), most-goroutines)
		eventually(t, 5*time.Second, "the fast ones are noted", func() bool { return p.count()[job.Completed] == alerts })
		for _, n := range begun {
			if n.Load() != 4 {
				t.Errorf("%d are under way to one receiver, want 4", n.Load())
			}
		}
		if n := p.count(); n[job.Running] != 40 || n[job.Scheduled] != alerts-40 {
			t.Errorf("jobs: %v", n)
		}
		var after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); most-goroutines > 600 || grown > 32<<20 {
			t.Errorf("%d goroutines and %d bytes more", most-goroutines, grown)
		}

		cancel()
		select {
		case <-returned:
			t.Error("Run returns though deliveries are under way")
		case <-time.After(1500 * time.Millisecond):
		}
		was := sum(begun)
		release()
		select {
		case <-returned:
		case <-time.After(5 * time.Second):
			t.Fatal("Run does not return")
		}
		if n := p.count(); sum(begun) != was || n[job.Running] != 0 || n[job.Completed] != alerts+was {
			t.Errorf("when Run has returned: %d begun, were %d; jobs: %v", sum(begun), was, n)
		}
	})
}

// However many alerts are due, no more than 112 are under way at a time; as they end others begin,
// without a pause.
func TestWhatIsUnderWayIsBounded(t *testing.T) {
	each(t, func(t *testing.T, p *plant) {
		const receivers, alerts, most = 40, 8, 112
		urls, begun, release := silent(t, receivers)
		for _, url := range urls {
			p.due(alerts, time.Now(), url)
		}
		cancel, returned := p.run()
		defer cancel()
		eventually(t, 10*time.Second, "112 are under way", func() bool { return sum(begun) >= most })
		time.Sleep(2 * worker.Interval)
		if n := sum(begun); n != most {
			t.Errorf("%d are under way at once, want %d", n, most)
		}
		release()
		began := time.Now()
		eventually(t, 10*time.Second, "all are delivered", func() bool { return p.count()[job.Completed] == receivers*alerts })
		t.Logf("the others took %v", time.Since(began).Round(time.Millisecond))
		cancel()
		<-returned
	})
}

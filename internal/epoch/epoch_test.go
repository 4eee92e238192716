package epoch_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/epoch"
	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
)

var quiet = telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json")

// replica is a store whose process remembers, until it is told to stop.
type replica struct {
	*store.Store
	stop func()
}

func follow(t *testing.T, s *store.Store) replica {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Follow(ctx, quiet)
	}()
	r := replica{s, sync.OnceFunc(func() { cancel(); <-ended })}
	t.Cleanup(r.stop)
	r.generation(t)
	return r
}

// generation waits until memory is trusted.
func (r replica) generation(t *testing.T) uint64 {
	t.Helper()
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if g, ok := r.Epoch.Now(); ok {
			return g
		}
		if time.Now().After(until) {
			t.Fatal("memory is not trusted")
		}
	}
}

// change runs a statement as a change of the first replica.
func (r replica) change(t *testing.T, statement string) time.Duration {
	t.Helper()
	began := time.Now()
	err := r.Write(principal.System(t.Context()), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.ExecContext(ctx, statement)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

func (r replica) leases(t *testing.T) (n int) {
	t.Helper()
	n, err := r.Client.Lease.Query().Count(principal.System(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const rename = `UPDATE organizations SET name = name`

// What was remembered before a change is worthless to all when the change is acknowledged.
func TestAChangeIsKnownToAllWhenItIsAcknowledged(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Migrated(t, dialect)
		var replicas []replica
		for range 3 {
			replicas = append(replicas, follow(t, storetest.Connect(t, url)))
		}
		for i := range 30 {
			before := make([]uint64, len(replicas))
			for n, r := range replicas {
				before[n] = r.generation(t)
			}
			took := replicas[i%len(replicas)].change(t, rename)
			for n, r := range replicas {
				if g, ok := r.Epoch.Now(); ok && g == before[n] {
					t.Fatalf("change %d: replica %d remembers", i, n)
				}
			}
			if took > 500*time.Millisecond {
				t.Logf("a change took %v", took)
			}
		}
	})
}

// A process without memory of its own, such as a command, has the others forget too.
func TestAnotherProcessChanges(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Migrated(t, dialect)
		r := follow(t, storetest.Connect(t, url))
		before := r.generation(t)
		replica{Store: storetest.Connect(t, url)}.change(t, rename)
		if g, ok := r.Epoch.Now(); ok && g == before {
			t.Error("the replica remembers")
		}
	})
}

// Whoever does not look is waited for until its trust is over, and once.
func TestASilentReplicaIsWaitedForOnce(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		r := follow(t, storetest.Open(t, dialect))
		r.change(t, `INSERT INTO leases (id, seen) VALUES ('silent', 0)`)
		if took := r.change(t, rename); took < time.Second || took > 3*time.Second/2 {
			t.Errorf("a change took %v", took)
		}
		if took := r.change(t, rename); took > 900*time.Millisecond {
			t.Errorf("the next change took %v", took)
		}
		if n := r.leases(t); n != 1 {
			t.Errorf("%d leases", n)
		}
	})
}

// A lease that is gone is taken anew before memory is trusted again.
func TestALostLease(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		r := follow(t, storetest.Open(t, dialect))
		r.change(t, `DELETE FROM leases`)
		for until := time.Now().Add(5 * time.Second); r.leases(t) == 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatal("no lease")
			}
		}
		r.generation(t)
	})
}

func TestMemoryEndsWithWhatFollows(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Migrated(t, dialect)
		r := follow(t, storetest.Connect(t, url))
		r.stop()
		if _, ok := r.Epoch.Now(); ok {
			t.Error("memory is trusted")
		}
		if n := (replica{Store: storetest.Connect(t, url)}).leases(t); n != 0 {
			t.Errorf("%d leases", n)
		}
	})
}

// Without a database memory is trusted for less than a second.
func TestMemoryEndsWithTheDatabase(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		r := follow(t, storetest.Open(t, dialect))
		began := time.Now()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		for ok := true; ok; time.Sleep(time.Millisecond) {
			if _, ok = r.Epoch.Now(); time.Since(began) > time.Second {
				t.Fatal("memory is trusted after a second")
			}
		}
	})
}

// Only what can make an answer wrong makes others forget.
func TestWhatRaisesTheEpoch(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		r := follow(t, storetest.Open(t, dialect))
		for statement, raises := range map[string]bool{
			rename:                                            true,
			`DELETE FROM environments`:                        true,
			`UPDATE api_keys SET name = name`:                 true,
			`UPDATE users SET login = login`:                  true,
			`UPDATE projects SET name = name`:                 true,
			`UPDATE jobs SET attempts = attempts`:             false,
			`INSERT INTO leases (id, seen) VALUES ('x', 100)`: false,
			`SELECT id FROM api_keys`:                         false,
		} {
			before := r.generation(t)
			r.change(t, statement)
			if after := r.generation(t); after > before != raises {
				t.Errorf("%s: generation %d → %d", statement, before, after)
			}
		}
		before := r.generation(t)
		err := r.Write(principal.System(t.Context()), func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.ExecContext(store.Beside(ctx), `UPDATE api_keys SET look_at = NULL`)
			return err
		})
		if after := r.generation(t); err != nil || after != before {
			t.Errorf("beside: generation %d → %d, %v", before, after, err)
		}
	})
}

// What is remembered under a generation is found under that one alone, and not while memory is not trusted.
func TestMemo(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		s := storetest.Open(t, dialect)
		memo := epoch.NewMemo[string, int](s.Epoch)
		reads := 0
		find := func() int {
			t.Helper()
			n, err := memo.Find("k", func() (int, bool, error) { reads++; return reads, true, nil })
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if find(); find() != 2 {
			t.Error("remembered without trust")
		}
		r := follow(t, s)
		first := find()
		if find() != first {
			t.Error("not remembered")
		}
		r.change(t, rename)
		r.generation(t)
		if find() == first {
			t.Error("remembered after a change")
		}
	})
}

func BenchmarkNow(b *testing.B) {
	s := storetest.Open(b, "sqlite3")
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go s.Follow(ctx, quiet)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.Epoch.Now()
		}
	})
}

// A change while three replicas follow.
func BenchmarkChange(b *testing.B) {
	url := storetest.Migrated(b, "postgres")
	ctx, cancel := context.WithCancel(b.Context())
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel()
	var stores []*store.Store
	for range 3 {
		s := storetest.Connect(b, url)
		stores = append(stores, s)
		following.Go(func() { s.Follow(ctx, quiet) })
	}
	time.Sleep(200 * time.Millisecond)
	for b.Loop() {
		err := stores[0].Write(principal.System(ctx), func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.ExecContext(ctx, rename)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

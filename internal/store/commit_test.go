package store_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

// breaker is a TCP proxy before PostgreSQL that breaks a connection around its COMMIT.
type breaker struct {
	net.Listener
	server string
	// armed makes the next COMMIT break its connection, once.
	armed atomic.Bool
	// deliver passes that COMMIT on and breaks the connection when the server answers it.
	deliver bool
	// dead ends all connections and refuses new ones once one was broken, so that no witness can be
	// asked.
	dead   bool
	broken chan struct{}
}

// newBreaker returns the proxy and the URL of the same database through it.
func newBreaker(t *testing.T, address string, deliver, dead bool) (*breaker, string) {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &breaker{Listener: listener, server: parsed.Host, deliver: deliver, dead: dead, broken: make(chan struct{})}
	var connections sync.WaitGroup
	t.Cleanup(func() { listener.Close(); connections.Wait() })
	connections.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() { b.serve(client) })
		}
	})
	parsed.Host = listener.Addr().String()
	return b, parsed.String()
}

func (b *breaker) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", b.server)
	if err != nil {
		return
	}
	defer server.Close()
	if b.dead {
		go func() { <-b.broken; client.Close() }()
	}
	var breaks atomic.Bool
	go func() {
		defer client.Close()
		answer := make([]byte, 64<<10)
		for {
			n, err := server.Read(answer)
			if err != nil {
				return
			}
			if breaks.Load() {
				close(b.broken)
				return
			}
			if _, err := client.Write(answer[:n]); err != nil {
				return
			}
		}
	}()
	request := make([]byte, 64<<10)
	for {
		n, err := client.Read(request)
		if err != nil {
			return
		}
		if bytes.Contains(request[:n], []byte("COMMIT\x00")) && b.armed.CompareAndSwap(true, false) {
			if !b.deliver {
				close(b.broken)
				return
			}
			breaks.Store(true)
		}
		if _, err := server.Write(request[:n]); err != nil {
			return
		}
	}
}

// Whatever became of a commit whose answer got lost, Write says the truth or that it does not know.
func TestCommitWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		deliver, dead, witness bool
		unknown                bool
		rows                   int
	}{
		"committed, witness found":     {deliver: true, witness: true, rows: 1},
		"not committed, no witness":    {witness: true, unknown: true},
		"committed, without a witness": {deliver: true, unknown: true, rows: 1},
		"committed, server gone":       {deliver: true, dead: true, witness: true, unknown: true, rows: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct := storetest.Migrated(t, dialect.Postgres)
			proxy, through := newBreaker(t, direct, c.deliver, c.dead)
			s := storetest.Connect(t, through)
			proxy.armed.Store(true)
			runs, start := 0, time.Now()
			// The caller gives up when the connection breaks: that changes nothing.
			ctx, cancel := context.WithCancel(system(t))
			go func() { <-proxy.broken; cancel() }()
			err := s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
				runs++
				if c.witness {
					if err := addEvent(ctx, tx, "evt_1"); err != nil {
						return err
					}
				}
				return addOrganization(ctx, tx, "org_1", "one")
			})
			if got := errors.Is(err, store.ErrOutcomeUnknown); got != c.unknown || !c.unknown && err != nil {
				t.Errorf("error %v, want unknown: %t", err, c.unknown)
			}
			<-proxy.broken
			if runs != 1 {
				t.Errorf("%d runs", runs)
			}
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("took %v", took)
			}
			if n := organizations(t, storetest.Connect(t, direct), "one"); n != c.rows {
				t.Errorf("%d rows, want %d", n, c.rows)
			}
		})
	}
}

// A commit that the server refused is no mystery.
func TestRefusedCommitIsKnown(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, dialect.Postgres)
	err := s.Write(system(t), func(ctx context.Context, tx *store.Tx) error {
		if err := addEvent(ctx, tx, "evt_1"); err != nil {
			return err
		}
		// Swallowing the error of a statement leaves a transaction that can only be undone.
		if _, err := tx.ExecContext(ctx, "SELECT 1/0"); err == nil {
			t.Error("no division by zero")
		}
		return nil
	})
	if err == nil || errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("aborted transaction: %v", err)
	}
	err = s.Write(system(t), func(ctx context.Context, tx *store.Tx) error {
		for _, statement := range []string{
			"CREATE TEMPORARY TABLE later (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
			"INSERT INTO later VALUES (1), (1)",
		} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("deferred constraint: %v", err)
	}
}

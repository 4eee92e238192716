package graph_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

// stuck lets no statement about keys come to an end until the test is over: on PostgreSQL the table is locked
// by another; a statement of SQLite, which waits for nobody, begins late.
func (s *site) stuck(t *testing.T) (free func()) {
	if s.store.Dialect() == dialect.SQLite {
		s.mu.Lock()
		s.observe = func(store.Statement) { time.Sleep(2100 * time.Millisecond) }
		s.mu.Unlock()
		return func() {
			s.mu.Lock()
			s.observe = nil
			s.mu.Unlock()
		}
	}
	locked, over, ended := make(chan error), make(chan struct{}), make(chan error)
	go func() {
		ended <- s.store.Write(principal.System(t.Context()), func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.ExecContext(ctx, "LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
			locked <- err
			<-over
			return err
		})
	}()
	if err := <-locked; err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		close(over)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// lockedOut is how many statements wait for a lock on PostgreSQL.
func lockedOut(t *testing.T, st *store.Store) (n int) {
	rows, err := st.Client.QueryContext(principal.System(t.Context()),
		`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

// A search that does not come to an end is given up after two seconds, and with it the others of its
// operation; nothing of it is left, and the next operation begins anew.
func TestSearchesAreGivenUp(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		t.Parallel()
		s := newSite(t, st)
		if a := s.ask(s.admin, `{ viewerKey { id } }`, nil); len(a.Errors) > 0 { // who asks is remembered from here on
			t.Fatal(a.text)
		}
		var many strings.Builder
		for i := range 20 {
			fmt.Fprintf(&many, `k%d: apiKeys(filter: {hasNotification: false}, orderBy: {field: NAME, direction: ASC}) { totalCount nodes { id } } `, i)
		}
		free := s.stuck(t)
		defer free()
		began := time.Now()
		a := s.ask(s.admin, `{ `+many.String()+` }`, nil)
		took := time.Since(began)
		if len(a.Errors) != 20 {
			t.Fatalf("%d errors: %s", len(a.Errors), a.text)
		}
		for _, e := range a.Errors {
			if e.Extensions.Code != "query.too_expensive" || strings.Join(e.Extensions.Fields, " ") != "filter orderBy" {
				t.Errorf("refused with %+v", e)
			}
		}
		if took < 2*time.Second || took > 10*time.Second {
			t.Errorf("given up after %s", took)
		}
		if st.Dialect() == dialect.Postgres {
			if waiting := lockedOut(t, st); waiting != 0 {
				t.Errorf("%d statements still wait", waiting)
			}
		}
		free()
		if a := s.ask(s.admin, `{ apiKeys { totalCount } }`, nil); len(a.Errors) > 0 {
			t.Errorf("afterwards: %s", a.text)
		}
	})
}

// Searches that find no room wait for two seconds, and then say that the server is busy.
func TestSearchesWaitForEachOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		t.Parallel()
		s := newSite(t, st)
		if a := s.ask(s.admin, `{ viewerKey { id } }`, nil); len(a.Errors) > 0 { // who asks is remembered from here on
			t.Fatal(a.text)
		}
		free := s.stuck(t)
		defer free()
		codes := make(chan string, 3*st.Readers())
		began := time.Now()
		var all sync.WaitGroup
		for range cap(codes) {
			all.Go(func() {
				for _, e := range s.ask(s.admin, `{ apiKeys(first: 1) { nodes { id } } }`, nil).Errors {
					codes <- e.Extensions.Code
				}
			})
		}
		all.Wait()
		close(codes)
		counts := map[string]int{}
		for code := range codes {
			counts[code]++
		}
		if counts["query.too_expensive"] == 0 || counts["query.busy"] == 0 || len(counts) != 2 {
			t.Errorf("refused: %v", counts)
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

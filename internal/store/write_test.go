package store_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/keytag/keytag/ent/db/organization"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

func TestWriteIsAllOrNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		failure := errors.New("failure")
		for name, end := range map[string]func(context.CancelFunc) error{
			"error":    func(context.CancelFunc) error { return failure },
			"panic":    func(context.CancelFunc) error { panic(failure) },
			"canceled": func(cancel context.CancelFunc) error { cancel(); return nil },
		} {
			err := func() (err error) {
				defer func() {
					if r := recover(); r != nil {
						err = r.(error)
					}
				}()
				ctx, cancel := context.WithCancel(system(t))
				defer cancel()
				return s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
					if err := addOrganization(ctx, tx, "org_1", "one"); err != nil {
						return err
					}
					return end(cancel)
				})
			}()
			want := failure
			if name == "canceled" {
				want = context.Canceled
			}
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
			if n := organizations(t, s, "one"); n != 0 {
				t.Errorf("%s: %d rows were written", name, n)
			}
		}
		// Nothing above may have left the one SQLite writer in a transaction.
		if err := s.Write(system(t), func(ctx context.Context, tx *store.Tx) error {
			return addOrganization(ctx, tx, "org_1", "one")
		}); err != nil {
			t.Fatal(err)
		}
		if n := organizations(t, s, "one"); n != 1 {
			t.Errorf("%d rows, want 1", n)
		}
	})
}

// ent runs some changes as several statements in a transaction that it begins itself: here too they
// belong to ours.
func TestChangesOfSeveralStatementsJoinTheTransaction(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		failure := errors.New("failure")
		write := func(result error) error {
			return s.Write(system(t), func(ctx context.Context, tx *store.Tx) error {
				if err := addOrganization(ctx, tx, "org_1", "one"); err != nil {
					return err
				}
				if _, err := tx.Organization.UpdateOneID("org_1").SetName("two").Save(ctx); err != nil {
					return err
				}
				if n, err := tx.Organization.Update().SetName("three").Save(ctx); err != nil || n != 1 {
					return fmt.Errorf("%d rows: %w", n, err)
				}
				return result
			})
		}
		if err := write(failure); !errors.Is(err, failure) {
			t.Fatal(err)
		}
		if n := organizations(t, s, "three"); n != 0 {
			t.Errorf("%d rows after an error", n)
		}
		if err := write(nil); err != nil {
			t.Fatal(err)
		}
		if n := organizations(t, s, "three"); n != 1 {
			t.Errorf("%d rows, want 1", n)
		}
	})
}

// A guarded update has one winner, also between replicas.
func TestGuardedUpdatesHaveOneWinner(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Migrated(t, dialect)
		replicas := []*store.Store{storetest.Connect(t, url), storetest.Connect(t, url)}
		if err := replicas[0].Write(system(t), func(ctx context.Context, tx *store.Tx) error {
			return addOrganization(ctx, tx, "org_1", "free")
		}); err != nil {
			t.Fatal(err)
		}
		var winners atomic.Int32
		var group sync.WaitGroup
		for i := range 40 {
			group.Go(func() {
				err := replicas[i%2].Write(system(t), func(ctx context.Context, tx *store.Tx) error {
					n, err := tx.Organization.Update().
						Where(organization.ID("org_1"), organization.Name("free")).SetName("taken").Save(ctx)
					winners.Add(int32(n))
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if winners.Load() != 1 {
			t.Errorf("%d winners", winners.Load())
		}
	})
}

// A transaction on SQLite that reads first and writes then queues up as a whole: begun as a reader it
// would fail as soon as another writes.
func TestSQLiteTransactionsQueueUpBetweenProcesses(t *testing.T) {
	url := storetest.Migrated(t, dialect.SQLite)
	replicas := []*store.Store{storetest.Connect(t, url), storetest.Connect(t, url)}
	if err := replicas[0].Write(system(t), func(ctx context.Context, tx *store.Tx) error {
		return addOrganization(ctx, tx, "org_1", "0")
	}); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			err := replicas[i%2].Write(system(t), func(ctx context.Context, tx *store.Tx) error {
				row, err := tx.Organization.Get(ctx, "org_1")
				if err != nil {
					return err
				}
				n, err := strconv.Atoi(row.Name)
				if err != nil {
					return err
				}
				time.Sleep(2 * time.Millisecond)
				return tx.Organization.UpdateOneID("org_1").SetName(strconv.Itoa(n + 1)).Exec(ctx)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if organizations(t, replicas[0], "20") != 1 {
		t.Error("updates were lost")
	}
}

// Two transactions that lock two rows in opposite order: PostgreSQL ends one of them as a deadlock,
// and Write runs it again.
func TestWriteRunsADeadlockedTransactionAgain(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, dialect.Postgres)
	if err := s.Write(system(t), func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(addOrganization(ctx, tx, "org_1", "one"), addOrganization(ctx, tx, "org_2", "two"))
	}); err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int32
	var meet, group sync.WaitGroup
	meet.Add(2)
	for _, order := range [][]string{{"org_1", "org_2"}, {"org_2", "org_1"}} {
		group.Go(func() {
			first := true
			err := s.Write(system(t), func(ctx context.Context, tx *store.Tx) error {
				runs.Add(1)
				for i, id := range order {
					if err := tx.Organization.UpdateOneID(id).SetName(order[0] + id).Exec(ctx); err != nil {
						return err
					}
					if i == 0 && first {
						first = false
						meet.Done()
						meet.Wait()
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if runs.Load() != 3 {
		t.Errorf("%d runs, want 3: two that met and one again", runs.Load())
	}
}

func TestWriteGivesUpAfterThreeTries(t *testing.T) {
	s := storetest.Open(t, dialect.Postgres)
	runs := 0
	err := s.Write(system(t), func(ctx context.Context, tx *store.Tx) error {
		runs++
		_, err := tx.ExecContext(ctx, "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")
		return err
	})
	if runs != 3 || pq.As(err, pqerror.TRSerializationFailure) == nil {
		t.Errorf("%d runs, %v", runs, err)
	}
}

// A server that restarts, or a proxy that forgets, kills the pooled connections.
func TestDeadPooledConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	url := storetest.Migrated(t, dialect.Postgres)
	s, killer := storetest.Connect(t, url), storetest.Connect(t, url)
	write := func(id string) error {
		return s.Write(system(t), func(ctx context.Context, tx *store.Tx) error {
			return addOrganization(ctx, tx, id, id)
		})
	}
	if err := write("org_1"); err != nil {
		t.Fatal(err)
	}
	if err := killer.Write(system(t), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if err := write("org_2"); err != nil {
		t.Errorf("write: %v", err)
	}
	if n := organizations(t, s, "org_2"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

package keys_test

import (
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
)

// countUses lets the database itself count how often a last use is written.
func countUses(t *testing.T, w *world) func() int {
	t.Helper()
	statements := []string{
		`CREATE TABLE written_uses (key_id text)`,
		`CREATE TRIGGER count_uses AFTER UPDATE OF last_used_at ON api_keys BEGIN INSERT INTO written_uses VALUES (new.id); END`,
	}
	if w.store.Dialect() == dialect.Postgres {
		statements[1] = `CREATE FUNCTION count_uses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO written_uses VALUES (new.id); RETURN new; END $$`
		statements = append(statements, `CREATE TRIGGER count_uses AFTER UPDATE OF last_used_at ON api_keys FOR EACH ROW EXECUTE FUNCTION count_uses()`)
	}
	must(t, w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
		for _, statement := range statements {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}))
	return func() (n int) {
		t.Helper()
		rows, err := w.store.Client.QueryContext(w.system(), `SELECT count(*) FROM written_uses`)
		must(t, err)
		defer rows.Close()
		rows.Next()
		must(t, rows.Scan(&n))
		return n
	}
}

func TestAHundredUsesInAMinuteAreOneWrite(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Migrated(t, dialect)
		w := newWorld(t, storetest.Connect(t, url))
		replicas := []*keys.Authority{w.Authority, keys.New(storetest.Connect(t, url), w.clock, telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json"))}
		_, text := w.issue(w.as(w.admin), keys.CreateInput{})
		written := countUses(t, w)
		first := start.Add(time.Second)
		for i, c := range []struct {
			after  time.Duration
			moves  bool
			writes int
		}{
			{0, true, 1},
			{30 * time.Second, false, 1},
			{59_900 * time.Millisecond, false, 1},
			{time.Minute, true, 2},
		} {
			w.at(first.Add(c.after))
			want := first
			if c.moves {
				want = w.clock()
			}
			var group sync.WaitGroup
			for n := range 100 {
				group.Go(func() {
					ctx, err := replicas[n%2].Authenticate(t.Context(), text, keys.Use{})
					if err != nil {
						t.Error(err)
						return
					}
					if got := replicas[n%2].ViewerKey(ctx).LastUsedAt; !got.Equal(want) {
						t.Errorf("step %d: last use %s, want %s", i, got, want)
					}
				})
			}
			group.Wait()
			if n := written(); n != c.writes {
				t.Errorf("after %s: %d writes, want %d", c.after, n, c.writes)
			}
		}
	})
}

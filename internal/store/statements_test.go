package store_test

import (
	"context"
	"fmt"
	"testing"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

// selected asks for a value within a transaction, so that it is always the same session that answers.
func selected[T any](ctx context.Context, tx *store.Tx, query string, args ...any) (value T, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return value, err
	}
	defer rows.Close()
	return value, entsql.ScanOne(rows, &value)
}

func TestStatementsArePreparedOnce(t *testing.T) {
	s := storetest.Open(t, dialect.Postgres)
	ctx := principal.System(context.Background())
	err := s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		for i := range 20 {
			if n, err := selected[int](ctx, tx, "SELECT 7 + $1::int", i); err != nil || n != 7+i {
				return fmt.Errorf("%d: %d, %v", i, n, err)
			}
		}
		n, err := selected[int](ctx, tx, "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement = 'SELECT 7 + $1::int'")
		if err == nil && n != 20 {
			err = fmt.Errorf("one prepared statement ran %d times, want 20", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestConnectionsKeepFewStatements(t *testing.T) {
	s := storetest.Open(t, dialect.Postgres)
	ctx := principal.System(context.Background())
	err := s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		for i := range 300 {
			query := fmt.Sprintf("SELECT %d + $1::int", i%250)
			if n, err := selected[int](ctx, tx, query, 1); err != nil || n != i%250+1 {
				return fmt.Errorf("%s: %d, %v", query, n, err)
			}
		}
		n, err := selected[int](ctx, tx, "SELECT count(*) FROM pg_prepared_statements")
		if err == nil && n != 100 {
			err = fmt.Errorf("%d statements are kept prepared, want 100", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Whatever a session has prepared, another replica may migrate the database to the next version.
func TestPreparedStatementsFollowTheSchema(t *testing.T) {
	s := storetest.Open(t, dialect.Postgres)
	ctx := principal.System(context.Background())
	alter := func(statement string) {
		t.Helper()
		err := s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.ExecContext(ctx, statement)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	alter("CREATE TABLE shape (id int, value int)")
	alter("INSERT INTO shape VALUES (1, 42)")
	const query = "SELECT value FROM shape WHERE id = $1"
	inside := func() (text string) {
		t.Helper()
		err := s.Write(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
			text, err = selected[string](ctx, tx, query, 1)
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return text
	}
	outside := func() (text string) {
		t.Helper()
		rows, err := s.Client.QueryContext(ctx, query, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		if err := entsql.ScanOne(rows, &text); err != nil {
			t.Error(err)
		}
		return text
	}
	for range 3 {
		if got := []string{inside(), outside()}; got[0] != "42" || got[1] != "42" {
			t.Fatal(got)
		}
	}
	alter("ALTER TABLE shape ALTER COLUMN value TYPE text USING value || ' as text'")
	for range 3 {
		if got := []string{inside(), outside()}; got[0] != "42 as text" || got[1] != "42 as text" {
			t.Fatal(got)
		}
	}
}

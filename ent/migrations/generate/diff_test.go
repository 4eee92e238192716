package main

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ariga.io/atlas/sql/migrate"
	"entgo.io/ent/dialect"
	"github.com/pressly/goose/v3"

	"github.com/keytag/keytag/ent/migrations"
	"github.com/keytag/keytag/internal/store/storetest"
)

var directories = map[string]string{dialect.SQLite: "../sqlite", dialect.Postgres: "../postgres"}

// openEmpty opens an empty database past the store, for what the store does not do.
func openEmpty(t *testing.T, name string) *sql.DB {
	t.Helper()
	driver, source := "postgres", storetest.Empty(t, name)
	if name == dialect.SQLite {
		driver, source = "sqlite", strings.TrimPrefix(source, "sqlite://")
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestTheFilesLeadToTheSchema(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, name string) {
		// A copy, since a migration that is missing would be written.
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(directories[name])); err != nil {
			t.Fatal(err)
		}
		at := storetest.Empty(t, name)
		at = strings.TrimPrefix(at, "sqlite://")
		err := diff(t.Context(), name, at, dir, "99990101000000", "missing")
		if errors.Is(err, migrate.ErrNoPlan) {
			return
		}
		missing, _ := os.ReadFile(filepath.Join(dir, "99990101000000_missing.sql"))
		t.Errorf("`go run ./ent/migrations/generate -name …` has not been run: %v\n%s", err, missing)
	})
}

func TestBothDatabasesHaveTheSameVersions(t *testing.T) {
	var versions []string
	for _, dir := range directories {
		files, err := filepath.Glob(filepath.Join(dir, "*.sql"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", dir, files, err)
		}
		names := ""
		for _, file := range files {
			names += filepath.Base(file) + "\n"
		}
		versions = append(versions, names)
	}
	if versions[0] != versions[1] {
		t.Errorf("%s\n%s", versions[0], versions[1])
	}
}

func TestDownLeavesNothingAndUpWorksAgain(t *testing.T) {
	tables := map[string]string{
		dialect.SQLite:   "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'",
		dialect.Postgres: "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'goose_db_version'",
	}
	storetest.EachDialect(t, func(t *testing.T, name string) {
		db := openEmpty(t, name)
		files, err := migrations.FS(name)
		if err != nil {
			t.Fatal(err)
		}
		provider, err := goose.NewProvider(goose.Dialect(name), db, files)
		if err != nil {
			t.Fatal(err)
		}
		count := func() (n int) {
			t.Helper()
			if err := db.QueryRow(tables[name]).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		for range 2 {
			if _, err := provider.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := count(); n == 0 {
				t.Error("up made no tables")
			}
			if _, err := provider.DownTo(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			if n := count(); n != 0 {
				t.Errorf("down left %d tables", n)
			}
		}
	})
}

// Ids and names page in the order of their bytes, whatever the locale of the server.
func TestPostgresTextOrdersByBytes(t *testing.T) {
	s := storetest.Open(t, dialect.Postgres)
	rows, err := s.Client.QueryContext(t.Context(), `SELECT table_name || '.' || column_name, coalesce(collation_name, 'default')
		FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name <> 'goose_db_version' AND data_type IN ('text', 'character varying')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	seen := 0
	for rows.Next() {
		var column, collation string
		if err := rows.Scan(&column, &collation); err != nil {
			t.Fatal(err)
		}
		if seen++; collation != "C" {
			t.Errorf("%s has the collation %s", column, collation)
		}
	}
	if err := rows.Err(); err != nil || seen == 0 {
		t.Errorf("%d columns, %v", seen, err)
	}
}

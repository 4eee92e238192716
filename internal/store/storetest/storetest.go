// Package storetest gives tests databases of their own, on SQLite and on PostgreSQL. The PostgreSQL
// server is that of KEYTAG_TEST_POSTGRES_URL, whose user may create databases; without it a
// throw-away server is started for the test process. A machine that cannot run one fails the tests.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest/pgserver"
)

// Dialects are those that every storage test runs on, by ent's names.
var Dialects = []string{dialect.SQLite, dialect.Postgres}

// Each runs fn as the subtests `sqlite` and `postgres`, each with a fresh, migrated store.
func Each(t *testing.T, fn func(t *testing.T, s *store.Store)) {
	EachDialect(t, func(t *testing.T, dialect string) { fn(t, Open(t, dialect)) })
}

// EachDialect runs fn as the subtests `sqlite` and `postgres`.
func EachDialect(t *testing.T, fn func(t *testing.T, dialect string)) {
	for _, name := range Dialects {
		t.Run(strings.TrimSuffix(name, "3"), func(t *testing.T) { fn(t, name) })
	}
}

// Open returns a store on a fresh, migrated database that goes with the test.
func Open(tb testing.TB, dialect string) *store.Store {
	tb.Helper()
	return Connect(tb, Migrated(tb, dialect))
}

// Connect opens the database of a URL until the test ends. Connected twice, it is two replicas.
func Connect(tb testing.TB, url string) *store.Store {
	tb.Helper()
	s, err := store.Open(context.Background(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		keepJournal(tb, url) // closing removes it
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Migrated returns the URL, as KEYTAG_DATABASE_URL takes it, of a fresh, migrated database.
func Migrated(tb testing.TB, name string) string {
	tb.Helper()
	if name == dialect.SQLite {
		image, err := sqliteImage()
		if err != nil {
			tb.Fatal(err)
		}
		file := filepath.Join(tb.TempDir(), "keytag.db")
		if err := os.WriteFile(file, image, 0o600); err != nil {
			tb.Fatal(err)
		}
		return sqlite(tb, file)
	}
	template, err := postgresTemplate()
	if err != nil {
		tb.Fatal(err)
	}
	return create(tb, template)
}

// Empty returns the URL of a fresh database without tables.
func Empty(tb testing.TB, name string) string {
	tb.Helper()
	if name == dialect.SQLite {
		return sqlite(tb, filepath.Join(tb.TempDir(), "keytag.db"))
	}
	return create(tb, "template0")
}

// create makes a PostgreSQL database that is dropped when the test ends.
func create(tb testing.TB, template string) string {
	tb.Helper()
	admin, server, err := connectServer()
	if err != nil {
		tb.Fatal(err)
	}
	name := "keytag_test_" + strings.ToLower(rand.Text())
	if _, err := admin.Exec("CREATE DATABASE " + name + " TEMPLATE " + template); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		// PostgreSQL sleeps 100 ms when it meets a connection that is about to end, so wait for
		// those a moment. What a killed program left open is ended by force.
		for range 10 {
			var connected int
			err := admin.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE datname = $1", name).Scan(&connected)
			if err != nil || connected == 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if err := keepRows(tb, at(server, name)); err != nil {
			tb.Error(err)
		}
		if _, err := admin.Exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			tb.Error(err)
		}
	})
	return at(server, name)
}

// server returns the URL of the PostgreSQL server. One that is started here ends with the process.
var server = sync.OnceValues(func() (string, error) {
	if given := os.Getenv("KEYTAG_TEST_POSTGRES_URL"); given != "" {
		return given, nil
	}
	started, err := pgserver.Start(context.Background())
	if err != nil {
		return "", err
	}
	return started.URL(), nil
})

var adminPool = sync.OnceValues(func() (*sql.DB, error) {
	url, err := server()
	if err != nil {
		return nil, err
	}
	return sql.Open("postgres", url)
})

// connectServer returns the connections for making databases, and the server's URL.
func connectServer() (*sql.DB, string, error) {
	url, err := server()
	if err != nil {
		return nil, "", err
	}
	admin, err := adminPool()
	return admin, url, err
}

// at returns the URL of another database of the server.
func at(server, database string) string {
	parsed, err := url.Parse(server)
	if err != nil {
		panic("storetest: KEYTAG_TEST_POSTGRES_URL is not a URL")
	}
	parsed.Path = "/" + database
	return parsed.String()
}

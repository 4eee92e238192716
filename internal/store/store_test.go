package store_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

func TestOpenNamesABadURLWithoutItsPassword(t *testing.T) {
	for url, want := range map[string]string{
		"":                                                        "sqlite:// or postgres://",
		"keytag.db":                                               "sqlite:// or postgres://",
		"mysql://u:hunter2@db/keytag":                             "sqlite:// or postgres://",
		"sqlite://":                                               "sqlite://PATH",
		"sqlite://keytag.db?_pragma=x":                            "without parameters",
		"sqlite:///nonexistent/dir/keytag.db":                     "no such file or directory",
		"postgres://u:hunter2/x@db/keytag":                        "percent-encoded",
		"postgres://u:hunter2#@db:x/keytag":                       "percent-encoded",
		"postgres://u:12345/hunter2@db/keytag":                    "percent-encoded",
		"postgres://u:12345#hunter2@db/keytag":                    "percent-encoded",
		"postgres://u:12345?hunter2@db/keytag":                    "percent-encoded",
		"postgres://u:hunter2@db/keytag?sslmode=hunter2":          "postgres://db/keytag",
		"postgres://u:hunter2@db/keytag?synchronous_commit=off":   "synchronous_commit must be on",
		"postgres://u:hunter2@db/keytag?synchronous_commit=local": "synchronous_commit must be on",
		"postgres://u:hunter2@127.0.0.1:1/keytag?sslmode=disable": "open the database",
		"postgres://u:hunter2@a,b/k?target_session_attrs=standby": "target_session_attrs must be primary",
		"postgres://u:hunter2@127.0.0.1:1/k?sslmode=disable&connect_timeout=hunter2": "postgres://127.0.0.1:1/k",
	} {
		s, err := store.Open(context.Background(), url)
		if err == nil {
			s.Close()
			t.Errorf("%q: opened", url)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "12345") {
			t.Errorf("%q: %v; want something with %q and no password", url, err, want)
		}
	}
}

// Of several hosts that which takes changes is found, whichever is asked first, and reads go there too.
func TestSeveralHosts(t *testing.T) {
	at, err := url.Parse(storetest.Migrated(t, dialect.Postgres))
	if err != nil {
		t.Fatal(err)
	}
	parameters := at.Query()
	parameters.Set("host", "127.0.0.1,"+at.Hostname())
	parameters.Set("port", "1,"+at.Port())
	at.Host, at.RawQuery = "", parameters.Encode()
	s := storetest.Connect(t, at.String())
	if pending, err := s.Pending(t.Context()); err != nil || pending != 0 {
		t.Errorf("%d pending, %v", pending, err)
	}
}

func TestSQLiteFileIsForItsOwnerAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keytag.db")
	s := storetest.Connect(t, "sqlite://"+file)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

// The settings without which acknowledged commits get lost or foreign keys are not kept.
func TestSettings(t *testing.T) {
	settings := map[string]map[string]string{
		dialect.SQLite:   {"PRAGMA journal_mode": "wal", "PRAGMA synchronous": "2", "PRAGMA foreign_keys": "1", "PRAGMA busy_timeout": "5000"},
		dialect.Postgres: {"SHOW synchronous_commit": "on", "SHOW timezone": "UTC", "SHOW transaction_read_only": "off", "SHOW idle_in_transaction_session_timeout": "15s"},
	}
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		err := s.Write(system(t), func(ctx context.Context, tx *store.Tx) error {
			for query, want := range settings[s.Dialect()] {
				rows, err := tx.QueryContext(ctx, query)
				if err != nil {
					return err
				}
				var got string
				rows.Next()
				err = errors.Join(rows.Scan(&got), rows.Close())
				if err != nil || got != want {
					t.Errorf("%s is %q, want %q (%v)", query, got, want, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestNothingIsWrittenOutsideWrite(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := system(t)
		if err := s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
			return addOrganization(ctx, tx, "org_1", "one")
		}); err != nil {
			t.Fatal(err)
		}
		attempts := map[string]func() error{
			"insert": func() error {
				return addOrganization(ctx, &store.Tx{Client: s.Client}, "org_2", "two")
			},
			"update": func() error { return s.Client.Organization.Update().SetName("two").Exec(ctx) },
			"update one": func() error {
				return s.Client.Organization.UpdateOneID("org_1").SetName("two").Exec(ctx)
			},
			"delete": func() error { _, err := s.Client.Organization.Delete().Exec(ctx); return err },
			"exec": func() error {
				_, err := s.Client.ExecContext(ctx, "DELETE FROM organizations")
				return err
			},
			"returning": func() error {
				rows, err := s.Client.QueryContext(ctx, "UPDATE organizations SET name = 'two' RETURNING id")
				if err != nil {
					return err
				}
				for rows.Next() {
				}
				return errors.Join(rows.Err(), rows.Close())
			},
			"transaction": func() error { _, err := s.Client.Tx(ctx); return err },
		}
		for name, attempt := range attempts {
			if err := attempt(); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		if organizations(t, s, "one") != 1 || organizations(t, s, "two") != 0 {
			t.Error("something was written")
		}
	})
}

func TestPing(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		s, err := store.Open(t.Context(), storetest.Migrated(t, dialect))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if s.Ping(t.Context()) == nil {
			t.Error("a closed store answers")
		}
	})
}

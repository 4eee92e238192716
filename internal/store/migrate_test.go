package store_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

func TestMigrateManyAtOnceAndTwice(t *testing.T) {
	t.Parallel()
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Empty(t, dialect)
		var replicas []*store.Store
		for range 5 {
			replicas = append(replicas, storetest.Connect(t, url))
		}
		before, err := replicas[0].Status(t.Context())
		if err != nil || len(before) == 0 || before[0].Applied || !strings.HasSuffix(before[0].Name, "_initial.sql") {
			t.Errorf("status of an empty database: %+v, %v", before, err)
		}
		if pending, err := replicas[0].Pending(t.Context()); err != nil || pending != len(before) {
			t.Errorf("%d pending, want %d (%v)", pending, len(before), err)
		}
		var group sync.WaitGroup
		for _, s := range replicas {
			group.Go(func() {
				if err := s.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
				if pending, err := s.Pending(t.Context()); err != nil || pending != 0 {
					t.Errorf("%d pending after Migrate (%v)", pending, err)
				}
			})
		}
		group.Wait()
		if err := replicas[0].Migrate(t.Context()); err != nil {
			t.Errorf("again: %v", err)
		}
		if err := replicas[1].Write(system(t), func(ctx context.Context, tx *store.Tx) error {
			return addOrganization(ctx, tx, "org_1", "one")
		}); err != nil {
			t.Error(err)
		}
	})
}

const first = `-- +goose Up
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents (id) ON DELETE CASCADE);
INSERT INTO parents VALUES (1);
INSERT INTO children VALUES (1, 1);
`

func file(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }

// count returns the rows of a table that ent does not know, -1 when there is no such table.
func count(t *testing.T, s *store.Store, table string) int {
	t.Helper()
	rows, err := s.Client.QueryContext(system(t), "SELECT count(*) FROM "+table)
	if err != nil {
		return -1
	}
	defer rows.Close()
	var n int
	rows.Next()
	if err := rows.Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// What two processes do at the same time must happen once, also where the statements of the second
// would not fail.
func TestConcurrentMigrationsRunOnce(t *testing.T) {
	t.Parallel()
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Empty(t, dialect)
		files := fstest.MapFS{"1_first.sql": file(first)}
		if err := store.MigrateFiles(storetest.Connect(t, url), t.Context(), files); err != nil {
			t.Fatal(err)
		}
		// Slow enough for all to have seen what is pending when the first commits.
		files["2_second.sql"] = file(`-- +goose Up
INSERT INTO parents
WITH RECURSIVE slow (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM slow WHERE n < 300000)
SELECT max(id) + 1 FROM parents, slow;
`)
		files["3_third.sql"] = files["2_second.sql"]
		var group sync.WaitGroup
		for range 5 {
			s := storetest.Connect(t, url)
			group.Go(func() {
				if err := store.MigrateFiles(s, context.Background(), files); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if n := count(t, storetest.Connect(t, url), "parents"); n != 3 {
			t.Errorf("%d rows, want 3", n)
		}
	})
}

func TestFailedMigrationIsUndoneAndEarlierOnesStay(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		s := storetest.Connect(t, storetest.Empty(t, dialect))
		err := store.MigrateFiles(s, t.Context(), fstest.MapFS{
			"1_first.sql":  file(first),
			"2_second.sql": file("-- +goose Up\nCREATE TABLE half (id int);\nINSERT INTO nowhere VALUES (1);\n"),
		})
		if err == nil || !strings.Contains(err.Error(), "2_second.sql") {
			t.Errorf("%v does not name the file", err)
		}
		if count(t, s, "parents") != 1 || count(t, s, "half") != -1 {
			t.Error("first migration not kept, or second not undone")
		}
	})
}

// Atlas alters SQLite tables by making new ones and dropping the old, which with foreign keys on
// would delete every row that refers to them.
func TestSQLiteTablesAreRebuiltWithTheirChildren(t *testing.T) {
	s := storetest.Connect(t, storetest.Empty(t, dialect.SQLite))
	rebuild := `-- +goose Up
CREATE TABLE new_parents (id int PRIMARY KEY, name text);
INSERT INTO new_parents (id) SELECT id FROM parents;
DROP TABLE parents;
ALTER TABLE new_parents RENAME TO parents;
`
	files := fstest.MapFS{"1_first.sql": file(first), "2_rebuild.sql": file(rebuild)}
	if err := store.MigrateFiles(s, t.Context(), files); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, "children"); n != 1 {
		t.Errorf("%d children, want 1", n)
	}
	files["3_orphan.sql"] = file("-- +goose Up\nDELETE FROM parents;\n")
	err := store.MigrateFiles(s, t.Context(), files)
	if err == nil || !strings.Contains(err.Error(), "rows of children refer") {
		t.Errorf("orphans: %v", err)
	}
	if n := count(t, s, "parents"); n != 1 {
		t.Errorf("%d parents, want 1", n)
	}
}

// Command generate writes the next versioned migration of both databases: for each it replays the
// files that exist into an empty database and writes what is missing to reach ent/schema. The
// PostgreSQL half uses KEYTAG_TEST_POSTGRES_URL, or starts a throw-away server.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/sqltool"
	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/internal/store/storetest/pgserver"
)

func main() {
	name := flag.String("name", "", "what the migration does, in snake_case")
	reseal := flag.Bool("seal", false, "write the checksum files anew after a migration was edited by hand, and nothing else")
	dir := flag.String("dir", "ent/migrations", "the directory that holds sqlite/ and postgres/")
	flag.Parse()
	do := func() error { return run(context.Background(), *name, *dir) }
	if *reseal {
		do = func() error { return sealAll(*dir) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name, dir string) error {
	if !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(name) {
		return errors.New("-name must be snake_case, e.g. -name add_webhooks")
	}
	scratch, err := os.MkdirTemp("", "keytag-generate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	server := os.Getenv("KEYTAG_TEST_POSTGRES_URL")
	if server == "" {
		started, err := pgserver.Start(ctx)
		if err != nil {
			return err
		}
		defer started.Stop()
		server = started.URL()
	}
	version := time.Now().UTC().Format("20060102150405")
	for _, half := range []struct{ dialect, directory, url string }{
		{dialect.SQLite, "sqlite", filepath.Join(scratch, "empty.db")},
		{dialect.Postgres, "postgres", server},
	} {
		err := diff(ctx, half.dialect, half.url, filepath.Join(dir, half.directory), version, name)
		if errors.Is(err, migrate.ErrNoPlan) {
			fmt.Println(half.directory + ": nothing to change")
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", half.directory, err)
		}
		fmt.Println(half.directory + ": " + version + "_" + name + ".sql")
	}
	return nil
}

// sealAll writes the checksum files of both databases anew.
func sealAll(dir string) error {
	for _, half := range []string{"sqlite", "postgres"} {
		files, err := sqltool.NewGooseDir(filepath.Join(dir, half))
		if err != nil {
			return err
		}
		if err := writeSum(files); err != nil {
			return err
		}
	}
	return nil
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"entgo.io/ent/dialect"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"github.com/keytag/keytag/ent/migrations"
)

const versionTable = "goose_db_version"

// Migration is one versioned migration that this program knows.
type Migration struct {
	Version int64 // UTC time of its making, as YYYYMMDDhhmmss
	Name    string
	Applied bool
}

// Migrate applies what is pending, each migration in a transaction of its own, so that after an
// error all before the failing one stay. Any number of processes may call it at the same time; all
// return when the work is done.
func (s *Store) Migrate(ctx context.Context) error {
	files, err := migrations.FS(s.dialect)
	if err != nil {
		return err
	}
	return s.migrate(ctx, files)
}

func (s *Store) migrate(ctx context.Context, files fs.FS) error {
	pool := s.migrator()
	defer pool.Close()
	provider, err := provider(s.dialect, pool, files)
	if err != nil {
		return err
	}
	for done := -1; ; {
		_, err := provider.Up(ctx)
		if err == nil {
			return nil
		}
		// On SQLite, which has no lock to queue at, another process may have applied first what
		// failed here and was undone: then more is done than before.
		applied, readErr := s.applied(ctx)
		if s.dialect != dialect.SQLite || readErr != nil || len(applied) == done {
			return named(err)
		}
		done = len(applied)
	}
}

// named adds the file that failed, which goose leaves out.
func named(err error) error {
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		return fmt.Errorf("migrate: %s: %w", path.Base(partial.Failed.Source.Path), partial.Err)
	}
	return fmt.Errorf("migrate: %w", err)
}

// provider is goose for one pool.
func provider(name string, pool *sql.DB, files fs.FS) (*goose.Provider, error) {
	versions, err := database.NewStore(database.Dialect(name), versionTable)
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if name == dialect.SQLite {
		options = append(options, goose.WithStore(exclusive{versions}))
		return goose.NewProvider(goose.DialectCustom, pool, files, options...)
	}
	// Tried every second, for five minutes: a session that waits inside PostgreSQL would hold up
	// CREATE INDEX CONCURRENTLY.
	queue, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return nil, err
	}
	options = append(options, goose.WithSessionLocker(queue))
	return goose.NewProvider(goose.DialectPostgres, pool, files, options...)
}

// exclusive is the version table on SQLite: of two processes that apply the same migration, the one
// that commits later cannot enter it and is undone as a whole.
type exclusive struct{ database.Store }

func (e exclusive) CreateVersionTable(ctx context.Context, tx database.DBTxConn) error {
	if err := e.Store.CreateVersionTable(ctx, tx); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "CREATE UNIQUE INDEX "+versionTable+"_version_id ON "+versionTable+" (version_id)")
	return err
}

// Insert ends a migration. Foreign keys were off until here.
func (e exclusive) Insert(ctx context.Context, tx database.DBTxConn, request database.InsertRequest) error {
	var table string
	err := tx.QueryRowContext(ctx, `SELECT "table" FROM pragma_foreign_key_check LIMIT 1`).Scan(&table)
	if err == nil {
		return fmt.Errorf("rows of %s refer to rows that do not exist", table)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return e.Store.Insert(ctx, tx, request)
}

// Status lists the migrations in their order. It only reads.
func (s *Store) Status(ctx context.Context) ([]Migration, error) {
	files, err := migrations.FS(s.dialect)
	if err != nil {
		return nil, err
	}
	known, err := provider(s.dialect, s.reader, files)
	if err != nil {
		return nil, err
	}
	applied, err := s.applied(ctx)
	if err != nil {
		return nil, err
	}
	var list []Migration
	for _, source := range known.ListSources() {
		list = append(list, Migration{source.Version, path.Base(source.Path), applied[source.Version]})
	}
	return list, nil
}

// Pending is the number of migrations still to be applied.
func (s *Store) Pending(ctx context.Context) (int, error) {
	list, err := s.Status(ctx)
	pending := 0
	for _, migration := range list {
		if !migration.Applied {
			pending++
		}
	}
	return pending, err
}

// applied reads the version table, which the first Migrate makes.
func (s *Store) applied(ctx context.Context) (map[int64]bool, error) {
	exists := "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '" + versionTable + "'"
	if s.dialect == dialect.Postgres {
		exists = "SELECT count(to_regclass('" + versionTable + "'))"
	}
	var tables int
	if err := s.reader.QueryRowContext(ctx, exists).Scan(&tables); err != nil || tables == 0 {
		return nil, err
	}
	versions, err := database.NewStore(database.Dialect(s.dialect), versionTable)
	if err != nil {
		return nil, err
	}
	rows, err := versions.ListMigrations(ctx, s.reader)
	if err != nil {
		return nil, err
	}
	applied := map[int64]bool{}
	for _, row := range rows {
		applied[row.Version] = row.IsApplied
	}
	return applied, nil
}

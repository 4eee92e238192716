package benchdata

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	_ "modernc.org/sqlite" // registers "sqlite"
)

type sqlite struct{ pool *sql.DB }

// openSQLite opens the file for one connection that holds it alone and keeps no journal.
func openSQLite(path string) (target, error) {
	pool, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	s := &sqlite{pool}
	for _, pragma := range []string{"journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "foreign_keys = OFF",
		"cache_size = -65536"} { // KiB
		if err := s.exec(context.Background(), "PRAGMA "+pragma); err != nil {
			return nil, errors.Join(err, pool.Close())
		}
	}
	return s, nil
}

func (s *sqlite) close() error { return s.pool.Close() }

func (s *sqlite) exec(ctx context.Context, statement string) error {
	_, err := s.pool.ExecContext(ctx, statement)
	return err
}

func (s *sqlite) filled(ctx context.Context) (found bool, err error) {
	err = s.pool.QueryRowContext(ctx, filled).Scan(&found)
	return found, err
}

// strip leaves the indexes of primary keys, which SQLite cannot drop; ids come in order.
func (s *sqlite) strip(ctx context.Context) (rebuild []string, err error) {
	var drop []string
	for _, t := range tables {
		rows, err := s.pool.QueryContext(ctx,
			"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL ORDER BY name", t.name)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var name, definition string
			if err := rows.Scan(&name, &definition); err != nil {
				return nil, errors.Join(err, rows.Close())
			}
			drop = append(drop, `DROP INDEX "`+name+`"`)
			rebuild = append(rebuild, definition)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	for _, statement := range drop {
		if err := s.exec(ctx, statement); err != nil {
			return nil, err
		}
	}
	return rebuild, nil
}

func (s *sqlite) analyse(ctx context.Context) error { return s.exec(ctx, "ANALYZE") }

// inserts is the sink: one transaction, rows of a table gathered for one statement.
type inserts struct {
	ctx     context.Context
	tx      *sql.Tx
	pending map[*table]*batch
}

type batch struct {
	full   *sql.Stmt
	values []any
}

const rowsPerInsert = 64

func (s *sqlite) load(ctx context.Context, fill func(sink) error) error {
	tx, err := s.pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	to := &inserts{ctx, tx, map[*table]*batch{}}
	err = fill(to)
	for t, b := range to.pending {
		if err == nil && len(b.values) > 0 {
			_, err = tx.ExecContext(ctx, insert(t, len(b.values)/len(t.columns)), b.values...)
		}
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (i *inserts) add(t *table, row []any) error {
	b := i.pending[t]
	if b == nil {
		full, err := i.tx.PrepareContext(i.ctx, insert(t, rowsPerInsert))
		if err != nil {
			return err
		}
		b = &batch{full: full}
		i.pending[t] = b
	}
	for _, value := range row {
		b.values = append(b.values, stored(value))
	}
	if len(b.values) < rowsPerInsert*len(t.columns) {
		return nil
	}
	_, err := b.full.ExecContext(i.ctx, b.values...)
	b.values = b.values[:0]
	return err
}

func insert(t *table, rows int) string {
	row := "(?" + strings.Repeat(", ?", len(t.columns)-1) + ")"
	return "INSERT INTO " + t.name + " (" + strings.Join(t.columns, ", ") + ") VALUES " + row + strings.Repeat(", "+row, rows-1)
}

// stored is a value as the store writes it: instants are integer microseconds, JSON is bytes.
func stored(value any) any {
	switch v := value.(type) {
	case time.Time:
		return v.UnixMicro()
	case document:
		return []byte(v)
	}
	return value
}

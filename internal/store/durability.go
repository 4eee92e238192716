package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"entgo.io/ent/dialect"
)

// Setting is one of the database on which it depends that what was acknowledged is kept.
type Setting struct {
	Name  string
	Value string
	// Safe are the values with which nothing is lost.
	Safe []string
}

// IsSafe reports whether Value is among Safe.
func (s Setting) IsSafe() bool { return slices.Contains(s.Safe, s.Value) }

// durable are the settings, by dialect. On SQLite they are those of a connection, which the DSN asks for; a file
// system may not carry them out.
var durable = map[string][]Setting{
	dialect.SQLite: {
		{Name: "journal_mode", Safe: []string{"wal"}},
		{Name: "synchronous", Safe: []string{"full", "extra"}},
		{Name: "foreign_keys", Safe: []string{"on"}},
	},
	dialect.Postgres: {
		{Name: "fsync", Safe: []string{"on"}},
		{Name: "full_page_writes", Safe: []string{"on"}},
		{Name: "synchronous_commit", Safe: []string{"on", "remote_apply"}},
	},
}

// sqliteNames are the numbers that SQLite tells: https://sqlite.org/pragma.html
var sqliteNames = map[string][]string{"synchronous": {"off", "normal", "full", "extra"}, "foreign_keys": {"off", "on"}}

// Durability reads the settings as they are in force where this program writes.
func (s *Store) Durability(ctx context.Context) ([]Setting, error) {
	ask := "PRAGMA "
	if s.dialect == dialect.Postgres {
		ask = "SHOW "
	}
	settings := slices.Clone(durable[s.dialect])
	for i := range settings {
		if err := s.writer.QueryRowContext(ctx, ask+settings[i].Name).Scan(&settings[i].Value); err != nil {
			return nil, fmt.Errorf("%s: %w", settings[i].Name, err)
		}
		names := sqliteNames[settings[i].Name]
		if n, err := strconv.Atoi(settings[i].Value); err == nil && n >= 0 && n < len(names) {
			settings[i].Value = names[n]
		}
	}
	return settings, nil
}

// IsWritable reports whether the database takes writes: a PostgreSQL standby does not.
func (s *Store) IsWritable(ctx context.Context) (bool, error) {
	if s.dialect == dialect.SQLite {
		return true, nil
	}
	var readOnly string
	err := s.writer.QueryRowContext(ctx, "SHOW transaction_read_only").Scan(&readOnly)
	return readOnly == "off", err
}

// Clock is the time of the database's server. On SQLite there is none but that of this machine: ok is false.
func (s *Store) Clock(ctx context.Context) (at time.Time, ok bool, err error) {
	if s.dialect == dialect.SQLite {
		return time.Time{}, false, nil
	}
	err = s.reader.QueryRowContext(ctx, "SELECT clock_timestamp()").Scan(&at)
	return at.UTC(), err == nil, err
}

// SQLiteFiles are the files of a database URL, those of journals among them; none if it is of PostgreSQL.
func SQLiteFiles(url string) []string {
	path, ok := strings.CutPrefix(url, "sqlite://")
	if !ok {
		return nil
	}
	return []string{path, path + "-wal", path + "-shm"}
}

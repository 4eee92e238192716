package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"entgo.io/ent/dialect"
	_ "modernc.org/sqlite" // registers "sqlite"
)

// SQLite readers work side by side, from the page cache; the number bounds memory.
const sqliteReaders = 8

// openSQLite opens the file with one writer, since SQLite allows no more, and several readers.
func openSQLite(path string) (*Store, error) {
	if path == "" || strings.ContainsAny(path, "?\x00") {
		return nil, errors.New("database URL must be sqlite://PATH, without parameters")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// SQLite would make the file readable for all; its journals take over the mode of the file.
	// An existing file is not even opened, as closing it again would drop SQLite's locks on it.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case err == nil:
		err = file.Close()
	case errors.Is(err, os.ErrExist):
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	s := &Store{dialect: dialect.SQLite}
	for _, pool := range []struct {
		db      **sql.DB
		size    int
		options url.Values
	}{
		{&s.writer, 1, url.Values{"_txlock": {"immediate"}, "_pragma": {"foreign_keys(1)"}}},
		{&s.reader, sqliteReaders, url.Values{"_query_only": {"1"}}},
	} {
		db, err := sqlitePool(path, pool.size, pool.options)
		if err != nil {
			return nil, err
		}
		*pool.db = db
	}
	s.looker, s.watcher, s.leases = s.reader, s.reader, s.writer
	// Rebuilding a table, which is how SQLite alters most things, needs foreign keys off, and
	// inside a transaction they cannot be switched.
	s.migrator = func() *sql.DB {
		db, _ := sqlitePool(path, 1, url.Values{"_txlock": {"immediate"}}) // the DSN opened above
		return db
	}
	return s, nil
}

func sqlitePool(path string, size int, options url.Values) (*sql.DB, error) {
	options["_pragma"] = append([]string{
		"busy_timeout(5000)", // ms
		"journal_mode(WAL)",
		"synchronous(FULL)", // NORMAL loses commits in a power cut
	}, options["_pragma"]...)
	// Instants are stored as integer microseconds, which compare right, and not as text.
	options.Set("_time_integer_format", "unix_micro")
	options.Set("_inttotime", "1")
	db, err := sql.Open("sqlite", path+"?"+options.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

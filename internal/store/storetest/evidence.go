package storetest

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/keytag/keytag/internal/evidence"
)

// mostKept is how much is kept of a PostgreSQL database, in bytes.
const mostKept = 32 << 20

// sqlite is the URL of a file that is kept as evidence when the test ends.
func sqlite(tb testing.TB, file string) string {
	url := "sqlite://" + file
	tb.Cleanup(func() {
		evidence.Link(evidence.Databases, tb.Name(), file)
		keepJournal(tb, url)
	})
	return url
}

// keepJournal keeps what SQLite has not yet brought to its file.
func keepJournal(tb testing.TB, url string) {
	if file, ok := strings.CutPrefix(url, "sqlite://"); ok {
		evidence.Link(evidence.Databases, tb.Name()+"-wal", file+"-wal")
	}
}

// keepRows keeps all rows of a PostgreSQL database as text.
func keepRows(tb testing.TB, url string) (err error) {
	if !evidence.On() {
		return nil
	}
	db, err := sql.Open("postgres", url)
	if err != nil {
		return err
	}
	defer db.Close()
	var all sql.NullString // one query, since there are many small databases
	err = db.QueryRow(`SELECT string_agg(format('SELECT %L || t::text FROM %I.%I t', tablename || ' ', schemaname, tablename), ' UNION ALL ')
		FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`).Scan(&all)
	if err != nil || !all.Valid {
		return err
	}
	rows, err := db.Query(all.String)
	if err != nil {
		return err
	}
	defer rows.Close()
	file := evidence.New(evidence.Databases, tb.Name())
	text := bufio.NewWriter(file)
	defer func() { err = errors.Join(err, text.Flush(), file.Close()) }()
	kept := 0
	for rows.Next() {
		var row sql.RawBytes
		if err := rows.Scan(&row); err != nil {
			return err
		}
		if kept += len(row); kept > mostKept {
			evidence.Keep(evidence.LeftOut, fmt.Appendf(nil, "%s: all but the first %d MiB of a PostgreSQL database\n", tb.Name(), mostKept>>20))
			return nil
		}
		_, _ = text.Write(row) // Flush tells
		_ = text.WriteByte('\n')
	}
	return rows.Err()
}

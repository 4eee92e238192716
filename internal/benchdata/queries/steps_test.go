package queries_test

import (
	"fmt"
	"testing"
	"time"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// steps runs a statement on the SQLite database of a file, and counts the instructions of its program that
// were carried out and the rows that it gave. database/sql has no way to ask for them.
func steps(t *testing.T, file, text string, args []any) (count, rows int) {
	t.Helper()
	tls := libc.NewTLS()
	defer tls.Close()
	var held []uintptr
	defer func() {
		for _, p := range held {
			libc.Xfree(tls, p)
		}
	}()
	hold := func(s string) uintptr {
		p, err := libc.CString(s)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, p)
		return p
	}
	out := libc.Xcalloc(tls, 1, 8)
	held = append(held, out)
	var db uintptr
	check := func(what string, code int32) {
		t.Helper()
		if code != sqlite3.SQLITE_OK {
			t.Fatalf("%s: %s", what, libc.GoString(sqlite3.Xsqlite3_errmsg(tls, db)))
		}
	}
	code := sqlite3.Xsqlite3_open_v2(tls, hold(file), out, sqlite3.SQLITE_OPEN_READONLY, 0)
	db = libc.AtomicLoadPUintptr(out)
	defer sqlite3.Xsqlite3_close_v2(tls, db)
	check("open", code)
	code = sqlite3.Xsqlite3_prepare_v2(tls, db, hold(text), -1, out, 0)
	statement := libc.AtomicLoadPUintptr(out)
	defer sqlite3.Xsqlite3_finalize(tls, statement)
	check(text, code)
	for i, arg := range args {
		at := int32(i + 1)
		switch v := arg.(type) {
		case string:
			check(v, sqlite3.Xsqlite3_bind_text(tls, statement, at, hold(v), int32(len(v)), 0))
		case time.Time:
			check(text, sqlite3.Xsqlite3_bind_int64(tls, statement, at, v.UnixMicro()))
		case int:
			check(text, sqlite3.Xsqlite3_bind_int64(tls, statement, at, int64(v)))
		default:
			t.Fatal(fmt.Sprintf("a value of type %T", arg))
		}
	}
	for {
		switch code := sqlite3.Xsqlite3_step(tls, statement); code {
		case sqlite3.SQLITE_ROW:
			rows++
		case sqlite3.SQLITE_DONE:
			return int(sqlite3.Xsqlite3_stmt_status(tls, statement, sqlite3.SQLITE_STMTSTATUS_VM_STEP, 0)), rows
		default:
			check(text, code)
		}
	}
}

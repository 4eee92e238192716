package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/keytag/keytag/internal/store/storetest"
)

// The server on this machine is asked, wherever its configuration has it listen.
func TestHealth(t *testing.T) {
	t.Parallel()
	database := storetest.Migrated(t, "sqlite3")
	r := serve(t, database, []string{"KEYTAG_ADMIN_LISTEN=127.0.0.1:0"})
	health := func(env ...string) (int, string) {
		code, _, errs := outcome(t, command(t, database, env, "health"))
		return code, errs
	}
	listen := strings.TrimPrefix(r.url, "http://")
	admin := strings.TrimPrefix(adminAddress(t, r), "http://")
	for _, env := range [][]string{
		{"KEYTAG_LISTEN=" + listen},
		{"KEYTAG_LISTEN=" + strings.TrimPrefix(listen, "127.0.0.1")}, // every address
		{"KEYTAG_LISTEN=127.0.0.1:1", "KEYTAG_ADMIN_LISTEN=" + admin},
	} {
		if code, errs := health(env...); code != exitOK {
			t.Errorf("%v: exit %d: %s", env, code, errs)
		}
	}
	r.stop(t, syscall.SIGTERM)
	if code, errs := health("KEYTAG_LISTEN=" + listen); code != exitUnreachable {
		t.Errorf("exit %d: %s", code, errs)
	}
}

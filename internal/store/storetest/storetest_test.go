package storetest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/store/storetest/pgserver"
)

func TestEveryDatabaseIsFreshAndMigrated(t *testing.T) {
	for range 2 {
		storetest.Each(t, func(t *testing.T, s *store.Store) {
			ctx := principal.System(t.Context())
			if pending, err := s.Pending(ctx); err != nil || pending != 0 {
				t.Errorf("%d pending, %v", pending, err)
			}
			if n, err := s.Client.Organization.Query().Count(ctx); err != nil || n != 0 {
				t.Errorf("%d organizations, %v", n, err)
			}
			if err := s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
				return tx.Organization.Create().SetID("org_1").SetName("one").SetCreatedAt(time.Now()).Exec(ctx)
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

// holder is the variable that makes TestServerEndsWithItsStarter the starter: the process that is
// killed.
const holder = "KEYTAG_TEST_HOLD_SERVER"

func TestServerEndsWithItsStarter(t *testing.T) {
	if os.Getenv(holder) != "" {
		server, err := pgserver.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString(server.URL() + "\n")
		select {} // until killed
	}
	tmp := t.TempDir()
	// The server may run as another user, who has to get in and to remove its directory.
	if err := os.Chmod(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(tmp); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	starter := exec.Command(os.Args[0], "-test.run=^TestServerEndsWithItsStarter$")
	starter.Env = append(os.Environ(), holder+"=1", "TMPDIR="+tmp)
	output, err := starter.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	url := make([]byte, 512)
	n, err := output.Read(url)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Connect(t, strings.TrimSpace(string(url[:n]))) // it runs
	pids, _ := filepath.Glob(filepath.Join(tmp, "keytag-postgres-*", "data", "postmaster.pid"))
	if len(pids) != 1 {
		t.Fatalf("%d servers", len(pids))
	}
	content, err := os.ReadFile(pids[0])
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := starter.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = starter.Wait() // killed, as meant
	for range 500 {
		left, _ := os.ReadDir(tmp)
		if len(left) == 0 && syscall.Kill(pid, 0) == syscall.ESRCH {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("the server %d or its directory is still there", pid)
}

func BenchmarkMigrated(b *testing.B) {
	for _, name := range storetest.Dialects {
		b.Run(strings.TrimSuffix(name, "3"), func(b *testing.B) {
			storetest.Migrated(b, name) // makes the template
			for b.Loop() {
				storetest.Migrated(b, name)
			}
		})
	}
}

// Package pgserver runs a throw-away PostgreSQL server from the binaries on the machine, for tests
// and for generating migrations. It listens on loopback only, keeps nothing, trades durability for
// speed, and ends with the process that started it, however that process ends.
package pgserver

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	_ "github.com/lib/pq" // registers "postgres"
)

// Server is one running server.
type Server struct {
	url   string
	log   string // file
	shell *exec.Cmd
	// lifeline is the standard input of shell: the server lives as long as somebody holds it.
	lifeline io.Closer
	ended    chan struct{}
}

// supervise runs the server ($1, with its arguments behind the directory $2) until it ends or until
// standard input does, which happens also when the process at the other end is killed. Then it
// removes the directory.
const supervise = `
server=$1 directory=$2
shift 2
"$server" "$@" >"$directory/log" 2>&1 </dev/null &
server=$!
exec 3<&0
{ read -r _ <&3; kill -QUIT "$server"; } &
watcher=$!
wait "$server"
kill "$watcher" 2>/dev/null
rm -rf "$directory"
`

// settings trade durability, which a throw-away server does not need, for speed.
var settings = []string{
	"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=300",
	"fsync=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0",
}

// Start makes an empty server and returns when it accepts connections, after one to two seconds.
// It fails when there are no PostgreSQL binaries; the error says what to install. PostgreSQL
// refuses to run as root, so as root it runs as the user postgres or nobody.
func Start(ctx context.Context) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	owner, err := unprivileged()
	if err != nil {
		return nil, err
	}
	directory, err := os.MkdirTemp("", "keytag-postgres-")
	if err != nil {
		return nil, err
	}
	password := rand.Text()
	if err := initialise(ctx, bin, directory, password, owner); err != nil {
		return nil, errors.Join(err, os.RemoveAll(directory))
	}
	s, err := launch(ctx, bin, directory, password, owner)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(directory))
	}
	return s, nil
}

// URL connects to the database `postgres` as superuser.
func (s *Server) URL() string { return s.url }

// Log is the file that the server writes its log to, until Stop.
func (s *Server) Log() string { return s.log }

// Stop ends the server and removes its data.
func (s *Server) Stop() error {
	err := s.lifeline.Close()
	<-s.ended
	return err
}

func initialise(ctx context.Context, bin, directory, password string, owner *syscall.Credential) error {
	pwfile := filepath.Join(directory, "password")
	if err := os.WriteFile(pwfile, []byte(password), 0o600); err != nil {
		return err
	}
	if owner != nil {
		for _, path := range []string{directory, pwfile} {
			if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
				return err
			}
		}
	}
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata", filepath.Join(directory, "data"),
		"--username=keytag", "--auth=scram-sha-256", "--pwfile="+pwfile,
		"--encoding=UTF8", "--locale=C", "--no-sync")
	confine(initdb, directory, owner)
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, output)
	}
	return nil
}

func launch(ctx context.Context, bin, directory, password string, owner *syscall.Credential) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := []string{"-c", supervise, "sh", filepath.Join(bin, "postgres"), directory,
		"-D", filepath.Join(directory, "data"), "-p", strconv.Itoa(port)}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	shell := exec.Command("/bin/sh", args...)
	confine(shell, directory, owner)
	lifeline, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := shell.Start(); err != nil {
		return nil, err
	}
	at := url.URL{Scheme: "postgres", User: url.UserPassword("keytag", password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/postgres", RawQuery: "sslmode=disable"}
	s := &Server{url: at.String(), log: filepath.Join(directory, "log"), shell: shell, lifeline: lifeline, ended: make(chan struct{})}
	go func() {
		_ = shell.Wait() // how a server that we throw away ended says nothing
		close(s.ended)
	}()
	if err := s.await(ctx); err != nil {
		log, _ := os.ReadFile(s.log)
		return nil, errors.Join(fmt.Errorf("start PostgreSQL: %w\n%s", err, log), s.Stop())
	}
	return s, nil
}

// await returns when the server accepts connections.
func (s *Server) await(ctx context.Context) error {
	db, err := sql.Open("postgres", s.url)
	if err != nil {
		return err
	}
	defer db.Close()
	deadline := time.After(30 * time.Second)
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return errors.New("the server ended at once")
		case <-deadline:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// confine lets the program neither see our environment, where PG* variables would mislead it, nor
// get the signals of our terminal.
func confine(cmd *exec.Cmd, directory string, owner *syscall.Credential) {
	cmd.Dir = directory
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: owner}
}

// binaries finds the directory that holds initdb and postgres, the newest where there are several.
func binaries() (string, error) {
	var found []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			found = append(found, filepath.Dir(path))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",             // Debian, Ubuntu
		"/usr/pgsql-*/bin",                      // RPM packages of postgresql.org
		"/opt/homebrew/opt/postgresql*/bin",     // Homebrew
		"/usr/local/opt/postgresql*/bin",        // Homebrew on Intel
		"/usr/libexec/postgresql*", "/usr/bin/", // Alpine, Arch, Fedora
	} {
		matches, _ := filepath.Glob(pattern)
		for i := len(matches) - 1; i >= 0; i-- {
			found = append(found, matches[i])
		}
	}
	for _, bin := range found {
		if executable(filepath.Join(bin, "initdb")) && executable(filepath.Join(bin, "postgres")) {
			return bin, nil
		}
	}
	return "", errors.New("no PostgreSQL binaries (initdb, postgres) in PATH or the usual places: " +
		"install them (Debian: apt-get install postgresql) or set KEYTAG_TEST_POSTGRES_URL to a server whose user may create databases")
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// unprivileged returns whom to run the server as; nil: as ourselves.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// Package evidence keeps what tests leave behind in the directory that KEYTAG_TEST_EVIDENCE names, so that the
// secrets of a whole run can be searched for in all of it; withevidence does that. Without the variable nothing
// is kept. What cannot be kept ends the test process by a panic: a search of half of it would prove nothing.
package evidence

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// Variable names the directory.
const Variable = "KEYTAG_TEST_EVIDENCE"

// Kind is what something is evidence of, and the directory below the evidence's that holds it.
type Kind string

// Secrets are what is searched for, one a line. LeftOut says in words what is not there, one a line. All others
// are searched.
const (
	Secrets   Kind = "secrets"
	LeftOut   Kind = "left-out"
	Logs      Kind = "logs"
	Traces    Kind = "traces"    // as OTLP sends them
	Databases Kind = "databases" // files of SQLite, rows of PostgreSQL as text
	Errors    Kind = "errors"    // answers that tell of an error, with their headers
	Answers   Kind = "answers"   // all others, without the fields that hand over a secret
	Mails     Kind = "mails"
)

// Searched are the kinds that are searched.
var Searched = []Kind{Logs, Traces, Databases, Errors, Answers, Mails}

var directory = os.Getenv(Variable)

// On reports whether evidence is kept.
func On() bool { return directory != "" }

// Environ is what a program under test needs in its environment to note its secrets.
func Environ() []string {
	if !On() {
		return nil
	}
	return []string{Variable + "=" + directory}
}

var (
	mu    sync.Mutex
	files = map[Kind]*os.File{}
	names atomic.Int64
)

// Keep adds content to the file of this process and kind, by one system call: what a process wrote stays when
// it is killed. Safe for concurrent use.
func Keep(kind Kind, content []byte) {
	if !On() || len(content) == 0 {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	file := files[kind]
	if file == nil {
		var err error
		file, err = os.OpenFile(place(kind, "of"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		must(err)
		files[kind] = file
	}
	_, err := file.Write(content)
	must(err)
}

// Writer keeps what is written to it.
func Writer(kind Kind) io.Writer { return writer(kind) }

type writer Kind

func (w writer) Write(p []byte) (int, error) {
	Keep(Kind(w), p)
	return len(p), nil
}

// New makes a file of its own, to be closed by the caller; name helps to find whose it is. Only while evidence
// is kept.
func New(kind Kind, name string) io.WriteCloser {
	file, err := os.Create(named(kind, name))
	must(err)
	return file
}

// Link keeps a file as it is now, and as it is changed until it is removed; one that does not exist is left
// out. name helps to find whose it is.
func Link(kind Kind, name, file string) {
	if !On() {
		return
	}
	to := named(kind, name)
	err := os.Link(file, to)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return
	}
	content, err := os.ReadFile(file) // on another file system
	must(err)
	must(os.WriteFile(to, content, 0o600))
}

// named is a new place, with a name in words.
func named(kind Kind, name string) string {
	name = strings.NewReplacer("/", "-", " ", "-").Replace(name)
	return place(kind, fmt.Sprint(names.Add(1), "-", name[:min(len(name), 100)], "-of"))
}

func place(kind Kind, name string) string {
	within := filepath.Join(directory, string(kind))
	must(os.MkdirAll(within, 0o700))
	return filepath.Join(within, fmt.Sprintf("%s-%s-%d", name, filepath.Base(os.Args[0]), os.Getpid()))
}

func must(err error) {
	if err != nil {
		panic("evidence: " + err.Error())
	}
}

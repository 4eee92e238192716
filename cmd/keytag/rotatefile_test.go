package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// between lets requests through to the server, but for those that trouble takes: it gets what is asked, and has the
// server answer by through.
func (s *shell) between(trouble func(w http.ResponseWriter, r *http.Request, body string, through func(http.ResponseWriter))) {
	target, err := url.Parse(s.server.url)
	if err != nil {
		s.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		trouble(w, r, string(body), func(w http.ResponseWriter) { proxy.ServeHTTP(w, r) })
	}))
	s.t.Cleanup(front.Close)
	s.url = front.URL
}

// works expects the key in a file to work, and the file to be as it was made.
func (s *shell) works(file string) {
	s.t.Helper()
	url := s.url
	s.url = s.server.url
	defer func() { s.url = url }()
	s.run(0, s.as(file, "whoami"))
	if info, err := os.Stat(s.path(file)); err != nil || info.Mode().Perm() != 0o600 {
		s.t.Errorf("%v, %v", info.Mode(), err)
	}
}

// alone expects nothing beside a file.
func (s *shell) alone(file string) {
	s.t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "."+file) {
			s.t.Errorf("%s is left", e.Name())
		}
	}
}

func drop(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// Whatever goes wrong on the way, the file holds a key that works, and the next call finishes the rotation.
func TestRotationOfAFileIsInterrupted(t *testing.T) {
	isRotation := func(body string) bool { return strings.Contains(body, "rotateViewerKey") }
	for name, grace := range map[string]string{"with grace": "PT1H", "without grace": "PT0S"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t, "sqlite3")
			rotate := []string{"keys", "rotate", "--self", "--write-to", "service", "--grace", grace}

			s.make("service")
			before := s.read("service")
			s.run(0, s.as("service", rotate...))
			if s.works("service"); s.read("service") == before {
				t.Error("the key is the same")
			}
			s.alone("service")

			// The reply is lost once: the call that is made again brings it.
			var lost atomic.Int32
			s.between(func(w http.ResponseWriter, _ *http.Request, body string, through func(http.ResponseWriter)) {
				if isRotation(body) && lost.Add(1) == 1 {
					through(httptest.NewRecorder())
					drop(w)
				}
				through(w)
			})
			before = s.read("service")
			s.run(0, s.as("service", rotate...))
			if s.works("service"); s.read("service") == before || lost.Load() != 2 {
				t.Errorf("the key is the same, or was asked for %d times", lost.Load())
			}
			s.alone("service")

			// The program is killed when the server has rotated the key, and when the new one is tried.
			for moment, at := range map[string]func(body string) bool{"rotated": isRotation, "tried": func(body string) bool { return !isRotation(body) }} {
				held := make(chan struct{})
				s.between(func(w http.ResponseWriter, r *http.Request, body string, through func(http.ResponseWriter)) {
					if at(body) {
						through(httptest.NewRecorder())
						held <- struct{}{}
						<-r.Context().Done()
						drop(w)
					}
					through(w)
				})
				before = s.read("service")
				c := s.as("service", rotate...)
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				select {
				case <-held:
				case <-time.After(20 * time.Second):
					t.Fatal("nothing is asked")
				}
				c.Process.Kill()
				c.Wait()
				if s.read("service") != before {
					t.Errorf("%s: the file is another already", moment)
				}
				if grace != "PT0S" {
					s.works("service")
				}
				s.url = s.server.url
				s.run(0, s.as("service", rotate...))
				if s.works("service"); s.read("service") == before {
					t.Errorf("%s: the key is the same", moment)
				}
				s.alone("service")
			}

			// The server is gone when the new key is to be tried.
			s.between(func(w http.ResponseWriter, _ *http.Request, body string, through func(http.ResponseWriter)) {
				if !isRotation(body) {
					drop(w)
				}
				through(w)
			})
			before = s.read("service")
			s.run(exitUnreachable, s.as("service", rotate...))
			if s.read("service") != before {
				t.Error("a key that nobody has tried is in the file")
			}
			s.url = s.server.url
			s.run(0, s.as("service", rotate...))
			if s.works("service"); s.read("service") == before {
				t.Error("the key is the same")
			}
			s.alone("service")
		})
	}
}

// What cannot be done is not begun, or leaves the file as it is.
func TestRotationOfAFileIsRefused(t *testing.T) {
	t.Parallel()
	s := newShell(t, "sqlite3")
	id := s.make("service")
	rotate := func(file string) []string { return []string{"keys", "rotate", "--self", "--write-to", file} }
	status := func() string {
		out, _ := s.run(0, s.as("service", "whoami", "-o", "json"))
		return out
	}
	if err := os.WriteFile(s.path("other"), []byte("root:x:0:0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(exitUsage, s.as("service", rotate("other")...))
	s.run(exitUsage, s.as("service", rotate("nowhere/service")...))
	if err := os.MkdirAll(s.path(".service.rotation/full"), 0o700); err != nil { // so the state cannot be written
		t.Fatal(err)
	}
	s.run(exitFailure, s.as("service", rotate("service")...))
	if !strings.Contains(status(), `"replacedBy": null`) {
		t.Error("rotated though nothing could be written")
	}
	if err := os.RemoveAll(s.path(".service.rotation")); err != nil {
		t.Fatal(err)
	}
	if s.read("other") != "root:x:0:0" {
		t.Error("a file that holds no key is another")
	}

	// Somebody else has rotated the key.
	before := s.read("service")
	s.run(0, s.as("admin", "keys", "rotate", id, "--grace", "PT1H"))
	s.run(exitConflict, s.as("service", rotate("service")...))
	if s.works("service"); s.read("service") != before {
		t.Error("the file is another")
	}
	s.alone("service")
}

// A link goes on leading to the file, whose key is the new one.
func TestRotationOfALinkedFile(t *testing.T) {
	t.Parallel()
	s := newShell(t, "sqlite3")
	s.make("service")
	if err := os.Symlink("service", s.path("link")); err != nil {
		t.Fatal(err)
	}
	before := s.read("service")
	s.run(0, s.as("link", "keys", "rotate", "--self", "--write-to", "link"))
	if to, err := os.Readlink(s.path("link")); err != nil || to != "service" || s.read("service") == before {
		t.Errorf("%q, %v", to, err)
	}
	s.works("service")
}

// Of two rotations of a file at once one is told so, or comes after the other; the file's key works.
func TestRotationsOfAFileMeet(t *testing.T) {
	t.Parallel()
	s := newShell(t, "sqlite3")
	s.make("service")
	codes := make(chan int)
	for range 4 {
		c := s.as("service", "keys", "rotate", "--self", "--write-to", "service")
		go func() {
			code, _, _ := outcome(t, c)
			codes <- code
		}()
	}
	done := 0
	for range 4 {
		switch code := <-codes; code {
		case exitOK:
			done++
		case exitConflict:
		default:
			t.Errorf("exit %d", code)
		}
	}
	if done == 0 {
		t.Error("none was done")
	}
	s.works("service")
	s.alone("service")
}

// reply has the client believe that the server said so.
func reply(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"message":"not now","extensions":{"code":%q}}]}`, code)
}

// A fault of the server leaves open what was done, and is no reason to give up a key that may be the only one left.
func TestTheServerFailsDuringTheRotationOfAFile(t *testing.T) {
	t.Parallel()
	s := newShell(t, "sqlite3")
	rotate := []string{"keys", "rotate", "--self", "--write-to", "service"}
	s.make("service")
	for _, fault := range []struct {
		status int
		code   string
		exit   int
	}{{http.StatusOK, "internal", exitFailure}, {http.StatusServiceUnavailable, "auth.unavailable", exitUnreachable}} {
		// It has rotated the key when it fails.
		s.between(func(w http.ResponseWriter, _ *http.Request, body string, through func(http.ResponseWriter)) {
			if !strings.Contains(body, "rotateViewerKey") {
				through(w)
				return
			}
			through(httptest.NewRecorder())
			reply(w, fault.status, fault.code)
		})
		before := s.read("service")
		s.run(fault.exit, s.as("service", rotate...))
		if s.works("service"); s.read("service") != before {
			t.Errorf("%s: the file is another already", fault.code)
		}
		// It fails when the new key is tried, and then again.
		s.between(func(w http.ResponseWriter, _ *http.Request, body string, through func(http.ResponseWriter)) {
			if strings.Contains(body, "rotateViewerKey") {
				through(w)
				return
			}
			through(httptest.NewRecorder())
			reply(w, fault.status, fault.code)
		})
		for range 2 {
			s.run(fault.exit, s.as("service", rotate...))
			if s.works("service"); s.read("service") != before {
				t.Errorf("%s: the file is another already", fault.code)
			}
		}
		s.url = s.server.url
		s.run(0, s.as("service", rotate...))
		if s.works("service"); s.read("service") == before {
			t.Errorf("%s: the key is the same", fault.code)
		}
		s.alone("service")
	}
}

// A successor that somebody ended before it was in the file makes room for another.
func TestTheSuccessorEndsDuringTheRotationOfAFile(t *testing.T) {
	t.Parallel()
	s := newShell(t, "sqlite3")
	rotate := []string{"keys", "rotate", "--self", "--write-to", "service"}
	s.make("service")
	s.between(func(w http.ResponseWriter, _ *http.Request, body string, through func(http.ResponseWriter)) {
		if !strings.Contains(body, "rotateViewerKey") {
			drop(w)
		}
		through(w)
	})
	before := s.read("service")
	s.run(exitUnreachable, s.as("service", rotate...))
	s.url = s.server.url
	out, _ := s.run(0, s.as("service", "whoami", "-o", "json"))
	var key struct{ ReplacedBy struct{ ID string } }
	if err := json.Unmarshal([]byte(out), &key); err != nil {
		t.Fatal(err)
	}
	s.run(0, s.as("admin", "keys", "revoke", key.ReplacedBy.ID))
	s.run(0, s.as("service", rotate...))
	if s.works("service"); s.read("service") == before {
		t.Error("the key is the same")
	}
	s.alone("service")
}

// The file of one key is no place for the successor of another, and a rotation that is over is not begun again.
func TestAFileHoldsAnotherKey(t *testing.T) {
	t.Parallel()
	s := newShell(t, "sqlite3")
	s.make("service")
	s.make("other")
	before, other := s.read("service"), s.read("other")
	s.run(exitConflict, s.as("service", "keys", "rotate", "--self", "--write-to", "other"))
	if s.works("other"); s.read("other") != other {
		t.Error("the other file is another")
	}
	out, _ := s.run(0, s.as("service", "whoami", "-o", "json"))
	if !strings.Contains(out, `"replacedBy": null`) {
		t.Error("rotated though it could not be kept")
	}

	// Killed when the new key was in its place: the note was still there.
	var note []byte
	s.between(func(w http.ResponseWriter, _ *http.Request, body string, through func(http.ResponseWriter)) {
		if strings.Contains(body, "rotateViewerKey") {
			note, _ = os.ReadFile(s.path(".service.rotation"))
		}
		through(w)
	})
	s.run(0, s.as("service", "keys", "rotate", "--self", "--write-to", "service"))
	after := s.read("service")
	for name, text := range map[string][]byte{".service.rotation": note, "old": []byte(before)} {
		if err := os.WriteFile(s.path(name), text, 0o600); err != nil || len(text) == 0 {
			t.Fatal(err)
		}
	}
	s.run(exitConflict, s.as("old", "keys", "rotate", "--self", "--write-to", "service"))
	if s.works("service"); s.read("service") != after {
		t.Error("the file is another")
	}
	s.run(0, s.as("service", "keys", "rotate", "--self", "--write-to", "service"))
	s.works("service")
	s.alone("service")
}

// The server has rotated the key, and the new one cannot be written, or not be put into its place.
func TestTheDiskFailsDuringTheRotationOfAFile(t *testing.T) {
	t.Parallel()
	s := newShell(t, "sqlite3")
	rotate := []string{"keys", "rotate", "--self", "--write-to", "service"}
	s.make("service")
	for moment, at := range map[string]string{"written": "rotateViewerKey", "put into its place": "viewerKey {"} {
		path := map[string]string{"written": ".service.next", "put into its place": "service"}[moment]
		s.between(func(w http.ResponseWriter, _ *http.Request, body string, through func(http.ResponseWriter)) {
			if strings.Contains(body, at) { // a directory is in the way
				if path == "service" {
					os.Rename(s.path(path), s.path("kept"))
				}
				if err := os.MkdirAll(s.path(path+"/full"), 0o700); err != nil {
					t.Error(err)
				}
			}
			through(w)
		})
		before := s.read("service")
		s.run(exitFailure, s.as("service", rotate...))
		if err := os.RemoveAll(s.path(path)); err != nil {
			t.Fatal(err)
		}
		if path == "service" {
			if err := os.Rename(s.path("kept"), s.path(path)); err != nil {
				t.Fatal(err)
			}
		}
		if s.works("service"); s.read("service") != before {
			t.Errorf("%s: the file is another", moment)
		}
		s.url = s.server.url
		s.run(0, s.as("service", rotate...))
		if s.works("service"); s.read("service") == before {
			t.Errorf("%s: the key is the same", moment)
		}
		s.alone("service")
	}
}

// Whoever owns the directory cannot make the program take a file of somebody else's for the next key.
func TestALinkIsNoNextKey(t *testing.T) {
	t.Parallel()
	s := newShell(t, "sqlite3")
	s.make("service")
	s.make("other")
	other, old := s.read("other"), s.read("service")
	state := fmt.Sprintf(`{"keyPrefix":%q,"input":{}}`, old[:strings.LastIndexByte(old, '_')])
	for name, link := range map[string]func(string, string) error{"symbolic": os.Symlink, "hard": os.Link} {
		if err := os.WriteFile(s.path(".service.rotation"), []byte(state), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := link(s.path("other"), s.path(".service.next")); err != nil {
			t.Fatal(err)
		}
		s.run(0, s.as("service", "keys", "rotate", "--self", "--write-to", "service"))
		if info, err := os.Lstat(s.path("service")); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		if s.works("service"); s.read("service") == other || s.read("other") != other {
			t.Errorf("%s: the other key was taken", name)
		}
		s.alone("service")
		old = s.read("service")
		state = fmt.Sprintf(`{"keyPrefix":%q,"input":{}}`, old[:strings.LastIndexByte(old, '_')])
	}
}

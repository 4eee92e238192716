package main

import (
	"bytes"
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

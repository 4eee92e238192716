package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// start runs s on a port of its own and returns its address, a way to begin the
// shutdown, and the outcome of Run.
func start(t *testing.T, s *Server) (address string, stop context.CancelFunc, outcome <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, listener) }()
	return listener.Addr().String(), cancel, done
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

func TestRequestInFlightIsAnsweredDuringShutdown(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s, _ := newServer(Options{GraphQL: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
		if r.Context().Err() != nil {
			t.Error("shutdown cancelled a request in flight")
		}
		_, _ = io.WriteString(w, "answered")
	})})
	address, stop, outcome := start(t, s)

	answer := make(chan string, 1)
	go func() {
		response, err := http.Post("http://"+address+"/graphql", "application/json", nil)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		answer <- fmt.Sprint(string(body), err)
	}()
	<-entered
	if got := ask(s, "GET", "/readyz"); got.Code != 200 {
		t.Errorf("ready before shutdown: %d", got.Code)
	}
	stop()
	waitFor(t, func() bool { return ask(s, "GET", "/readyz").Code == 503 })
	if got := ask(s, "GET", "/readyz"); !strings.Contains(got.Body.String(), "shutting down") {
		t.Errorf("readyz says %s", got.Body)
	}
	waitFor(t, func() bool {
		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			connection.Close()
		}
		return err != nil
	})
	select {
	case err := <-outcome:
		t.Fatalf("Run returned %v with a request in flight", err)
	default:
	}
	close(release)
	if got := <-answer; got != "answered<nil>" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-outcome; err != nil {
		t.Errorf("Run returned %v", err)
	}
}

func TestShutdownEndsEvenWhenARequestDoesNot(t *testing.T) {
	entered, ended := make(chan struct{}), make(chan struct{})
	s, _ := newServer(Options{GraphQL: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done() // only the closed connection ends it
		close(ended)
	})})
	s.grace = 50 * time.Millisecond
	address, stop, outcome := start(t, s)
	go func() { _, _ = http.Get("http://" + address + "/graphql") }()
	<-entered
	stop()
	if err := <-outcome; err == nil || !strings.Contains(err.Error(), "still running 50ms after") {
		t.Errorf("Run returned %v", err)
	}
	<-ended
}

func TestRunReportsABrokenListener(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	s, _ := newServer(Options{})
	if err := s.Run(t.Context(), listener); err == nil {
		t.Error("no error")
	}
}

func TestPanicAfterTheHeadersBreaksTheAnswerOff(t *testing.T) {
	s, log := newServer(Options{GraphQL: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic("late")
	})})
	address, stop, outcome := start(t, s)
	response, err := http.Get("http://" + address + "/graphql")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("the answer looks complete: %s", body)
	}
	log.find(t, "panic")
	stop()
	if err := <-outcome; err != nil {
		t.Error(err)
	}
}

func TestLargeHeadersAreRefused(t *testing.T) {
	s, _ := newServer(Options{})
	address, stop, outcome := start(t, s)
	request, err := http.NewRequest("GET", "http://"+address+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Large", strings.Repeat("x", 80<<10))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", response.StatusCode)
	}
	stop()
	if err := <-outcome; err != nil {
		t.Error(err)
	}
}

// Work that takes longer than a client may take to send and to receive is neither ended nor cut off.
func TestLongWorkIsAnswered(t *testing.T) {
	s, _ := newServer(Options{GraphQL: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		select {
		case <-r.Context().Done():
			t.Errorf("the request ended: %v", context.Cause(r.Context()))
		case <-time.After(300 * time.Millisecond):
		}
		_, _ = io.WriteString(w, "done")
	})})
	s.reading, s.writing = 100*time.Millisecond, 100*time.Millisecond
	address, stop, outcome := start(t, s)
	for _, sent := range []io.Reader{nil, strings.NewReader("{}")} {
		response, err := http.Post("http://"+address+"/graphql", "application/json", sent)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if string(body) != "done" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
	}
	// A client that does not send its request in time is still cut off.
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_, _ = io.WriteString(connection, "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
	_ = connection.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadAll(connection); err != nil {
		t.Errorf("a slow sender is kept: %v", err)
	}
	stop()
	if err := <-outcome; err != nil {
		t.Error(err)
	}
}

// Who sends slowly, or nothing more, is cut off, however much it drips.
func TestSlowClientsAreCutOff(t *testing.T) {
	read := make(chan error, 1)
	s, _ := newServer(Options{GraphQL: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		read <- err
	})})
	s.reading, s.idle = 200*time.Millisecond, 100*time.Millisecond
	address, _, _ := start(t, s)
	const whole = "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
	for _, c := range []struct {
		name, sent, drip string
		readable         bool
	}{
		{"headers", "POST /graphql HTTP/1.1\r\n", "X-Drip: drop\r\n", false},
		{"body", "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", "x", false},
		{"nothing", "", "", false},
		{"no second request", whole, "", true},
		{"half a second request", whole + "POST /gr", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			connection, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			begun := time.Now()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = connection.SetReadDeadline(begun.Add(5 * time.Second))
				_, _ = io.Copy(io.Discard, connection)
			}()
			_, _ = io.WriteString(connection, c.sent)
			for open := true; open; {
				select {
				case <-ended:
					open = false
				case <-time.After(10 * time.Millisecond):
					_, _ = io.WriteString(connection, c.drip)
				}
			}
			if took := time.Since(begun); took > 3*time.Second {
				t.Errorf("cut off after %s", took)
			}
			if strings.HasPrefix(c.sent, "POST /graphql") && strings.Contains(c.sent, "\r\n\r\n") {
				if err := <-read; (err == nil) != c.readable {
					t.Errorf("the body: %v", err)
				}
			}
		})
	}
}

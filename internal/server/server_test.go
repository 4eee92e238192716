package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/telemetry"
)

const key = "ktg_4fQ9xT2aB1_0123456789abcdefghijABCDEFGHIJ01crc32X"

// logged is what a logger wrote, one decoded record after the other.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) find(t *testing.T, message string) map[string]any {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if record["msg"] == message {
			return record
		}
	}
	t.Fatalf("no record %q in\n%s", message, l)
	return nil
}

func ready(context.Context) (string, error) { return "", nil }

// newServer fills in what a test leaves out.
func newServer(options Options) (*Server, *logged) {
	log := &logged{}
	options.Logger = telemetry.Logger(log, "debug", "json")
	if options.GraphQL == nil {
		options.GraphQL = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "graphql") })
	}
	if options.Ready == nil {
		options.Ready = ready
	}
	return New(options), log
}

func ask(s *Server, method, target string, header ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, request)
	return recorder
}

func TestPaths(t *testing.T) {
	playground := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "playground") })
	with, _ := newServer(Options{Playground: playground})
	without, _ := newServer(Options{})
	cases := []struct {
		server         *Server
		method, target string
		status         int
		body           string
	}{
		{with, "POST", "/graphql", 200, "graphql"},
		{with, "GET", "/graphql?query=x", 200, "graphql"},
		{with, "DELETE", "/graphql", 200, "graphql"},
		{with, "GET", "/playground", 200, "playground"},
		{with, "GET", "/playground/app.js", 200, "playground"},
		{with, "POST", "/playground", 405, "Method Not Allowed\n"},
		{with, "GET", "/", 302, "<a href=\"/playground\">Found</a>.\n\n"},
		{with, "GET", "/other", 404, "404 page not found\n"},
		{without, "GET", "/", 404, "404 page not found\n"},
		{without, "GET", "/playground", 404, "404 page not found\n"},
		{without, "GET", "/healthz", 200, "ok\n"},
		{without, "POST", "/healthz", 405, "Method Not Allowed\n"},
		{without, "GET", "/readyz", 200, "{\"status\":\"ok\"}\n"},
	}
	for _, c := range cases {
		got := ask(c.server, c.method, c.target)
		if got.Code != c.status || got.Body.String() != c.body {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.target, got.Code, got.Body, c.status, c.body)
		}
		if h := got.Header(); h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Request-Id") == "" {
			t.Errorf("%s %s: headers %v", c.method, c.target, h)
		}
	}
	if location := ask(with, "GET", "/").Header().Get("Location"); location != "/playground" {
		t.Errorf("/ leads to %q", location)
	}
}

func TestReadiness(t *testing.T) {
	s, log := newServer(Options{Ready: func(context.Context) (string, error) {
		return "database unreachable", errors.New("pq: no route to host")
	}})
	got := ask(s, "GET", "/readyz")
	if got.Code != 503 || got.Body.String() != "{\"status\":\"unavailable\",\"reason\":\"database unreachable\"}\n" {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if h := got.Header(); h.Get("Content-Type") != "application/json; charset=utf-8" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", h)
	}
	if record := log.find(t, "not ready"); record["err"] != "pq: no route to host" {
		t.Errorf("logged %v", record)
	}
}

func TestReadinessDoesNotWaitForever(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	s, _ := newServer(Options{Ready: func(ctx context.Context) (string, error) {
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > readyTimeout {
			t.Errorf("deadline %v, %v", deadline, ok)
		}
		<-release // deaf to its context
		return "", nil
	}})
	start := time.Now()
	got := ask(s, "GET", "/readyz")
	if got.Code != 503 || !strings.Contains(got.Body.String(), "no answer within 2 seconds") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if took := time.Since(start); took < readyTimeout || took > readyTimeout+2*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestRequestID(t *testing.T) {
	s, _ := newServer(Options{GraphQL: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, telemetry.RequestID(r.Context()))
	})})
	for _, given := range []string{"a", "A-b_c.9", strings.Repeat("x", 64)} {
		got := ask(s, "POST", "/graphql", "X-Request-Id", given)
		if got.Body.String() != given || got.Header().Get("X-Request-Id") != given {
			t.Errorf("given %q: context %q, header %q", given, got.Body, got.Header().Get("X-Request-Id"))
		}
	}
	seen := map[string]bool{}
	for _, given := range []string{"", "a b", "ä", "a\nb", strings.Repeat("x", 65), key} {
		got := ask(s, "POST", "/graphql", "X-Request-Id", given)
		id := got.Body.String()
		if id == given || seen[id] || !sane.MatchString(id) || got.Header().Get("X-Request-Id") != id {
			t.Errorf("given %q: made %q", given, id)
		}
		seen[id] = true
	}
}

func TestRequestRecord(t *testing.T) {
	var record *telemetry.Request
	s, _ := newServer(Options{GraphQL: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		record = telemetry.RequestFrom(r.Context())
	})})
	for address, want := range map[string]string{
		"192.0.2.1:80":          "192.0.2.1",
		"[::ffff:192.0.2.1]:80": "192.0.2.1",
		"[fe80::1%eth0]:80":     "fe80::1",
		"@":                     "invalid IP",
	} {
		request := httptest.NewRequest("POST", "/graphql", nil)
		request.RemoteAddr = address
		request.Header.Set("User-Agent", strings.Repeat("ä", 300)+"\xff")
		s.ServeHTTP(httptest.NewRecorder(), request)
		if record.RemoteIP.String() != want {
			t.Errorf("%s: remote IP %s, want %s", address, record.RemoteIP, want)
		}
		if record.UserAgent != strings.Repeat("ä", 128) {
			t.Errorf("user agent %q", record.UserAgent)
		}
	}
}

func TestAccessLog(t *testing.T) {
	s, log := newServer(Options{GraphQL: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		telemetry.Annotate(r.Context(), slog.String("operation", "Me"))
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "12345")
	})})
	ask(s, "POST", "/graphql?access_token="+key, "X-Request-Id", "r1", "Authorization", "Bearer "+key)
	record := log.find(t, "request")
	if duration, ok := record["duration_us"].(float64); !ok || duration < 0 {
		t.Errorf("duration_us = %v", record["duration_us"])
	}
	delete(record, "time")
	delete(record, "duration_us")
	want := "map[bytes:5 level:INFO method:POST msg:request operation:Me path:/graphql request_id:r1 status:202]"
	if got := fmt.Sprint(record); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}

	ask(s, "GET", "/"+key)
	if strings.Contains(log.String(), key[15:]) || strings.Contains(log.String(), "access_token") {
		t.Errorf("key or query string in the log:\n%s", log)
	}
}

func TestProbesAreLoggedOnlyWhenTheyFail(t *testing.T) {
	s, log := newServer(Options{})
	ask(s, "GET", "/healthz")
	if record := log.find(t, "request"); record["level"] != "DEBUG" {
		t.Errorf("logged %v", record)
	}
	s, log = newServer(Options{Ready: func(context.Context) (string, error) { return "migrations pending", nil }})
	ask(s, "GET", "/readyz")
	if record := log.find(t, "request"); record["level"] != "INFO" || record["status"] != 503.0 {
		t.Errorf("logged %v", record)
	}
}

func TestPanicIsMasked(t *testing.T) {
	s, log := newServer(Options{GraphQL: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		panic("cause with " + key)
	})})
	got := ask(s, "POST", "/graphql", "X-Request-Id", "r1")
	want := `{"errors":[{"message":"Something went wrong on our side.","extensions":{"code":"internal","requestId":"r1"}}]}`
	if got.Code != 500 || got.Body.String() != want {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if h := got.Header(); h.Get("Content-Length") != "" || h.Get("Cache-Control") != "no-store" || h.Get("X-Cloud-Error-Codes") != "internal" {
		t.Errorf("headers %v", h)
	}
	record := log.find(t, "panic")
	if record["cause"] != "cause with ktg_4fQ9xT2aB1_[redacted]" || record["request_id"] != "r1" || !strings.Contains(fmt.Sprint(record["stack"]), "server_test.go") {
		t.Errorf("logged %v", record)
	}
	if log.find(t, "request")["status"] != 500.0 {
		t.Errorf("access log %v", log.find(t, "request"))
	}
}

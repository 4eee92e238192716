package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"time"

	"github.com/keytag/keytag/graph"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/auth"
	"github.com/keytag/keytag/internal/benchdata"
	"github.com/keytag/keytag/internal/benchdata/hot/plain"
	"github.com/keytag/keytag/internal/benchdata/rig"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/server"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/telemetry"
)

// allocated is what a handler allocates for a request, without what net/http does around it.
type allocated struct {
	name           string
	objects, bytes float64
}

// allocations measures handlers in this process, keytag's with all that surrounds it.
func allocations(ctx context.Context, database, live string) (list []allocated, err error) {
	s, err := store.Open(ctx, database)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	log := telemetry.Logger(telemetry.NewLines(io.Discard), "info", "json")
	go s.Follow(ctx, slog.New(slog.DiscardHandler))
	keytag := wholly(s, log)
	text := benchdata.AdminKeyText(seed, 0)
	view := rig.Body(viewerKey, nil)
	if err := remembering(s); err != nil {
		return nil, err
	}
	shown, err := viewed(answer(keytag, text, view))
	if err != nil {
		return nil, err
	}
	known := plain.Keys{sha256.Sum256([]byte(text)): shown}
	for _, m := range []struct {
		name    string
		handler http.Handler
		body    []byte
	}{
		{bareName, known.ByHand(), view},
		{gqlgenName, known.Gqlgen(), view},
		{"keytag, viewerKey", keytag, view},
		{"keytag, verifyApiKey", keytag, rig.Body(verifyAPIKey, map[string]any{"secret": live})},
	} {
		const warmUp, n = 200, 5000
		var before, after runtime.MemStats
		r := request(text)
		w := &nowhere{http.Header{}}
		for i := range warmUp + n {
			if i == warmUp {
				runtime.ReadMemStats(&before)
			}
			r.Body = io.NopCloser(bytes.NewReader(m.body))
			r.ContentLength = int64(len(m.body))
			clear(w.header)
			m.handler.ServeHTTP(w, r)
		}
		runtime.ReadMemStats(&after)
		const own = 2 // of the loop
		list = append(list, allocated{m.name, float64(after.Mallocs-before.Mallocs)/n - own, float64(after.TotalAlloc-before.TotalAlloc) / n})
	}
	return list, nil
}

// remembering waits until keys are answered from memory.
func remembering(s *store.Store) error {
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, ok := s.Epoch.Now(); ok {
			return nil
		}
		if time.Now().After(until) {
			return errors.New("keys are not answered from memory")
		}
	}
}

// wholly is keytag's handler as `keytag serve` makes it.
func wholly(s *store.Store, log *slog.Logger) http.Handler {
	authority := keys.New(s, time.Now, log)
	door := &auth.Authenticator{Keys: authority, Log: log}
	return server.New(server.Options{Logger: log, GraphQL: graph.NewHandler(
		&graph.Resolver{Keys: authority, Directory: directory.New(s, authority, time.Now), Trail: &audit.Trail{Store: s, Clock: time.Now}, Clock: time.Now, Version: "benchmark"},
		graph.Options{Authenticate: door.Authenticate, Afford: door.Afford, Log: log},
	)})
}

func request(text string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+text)
	return r
}

func answer(handler http.Handler, text string, body []byte) []byte {
	r := request(text)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Body.Bytes()
}

// nowhere is a response that nobody reads.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) WriteHeader(int)             {}
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }

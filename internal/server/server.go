// Package server is the HTTP door: the paths, what happens around every
// request, health, and an orderly end.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"
)

// Options say what the server serves.
type Options struct {
	Logger  *slog.Logger
	GraphQL http.Handler // answers /graphql, whatever the method
	// Origins are those whose pages may ask /graphql from a browser.
	Origins []string
	// Playground answers GET at /playground and beneath; `/` leads there. Nil
	// leaves both out.
	Playground http.Handler
	// Metrics answers GET at /metrics, here or at Admin. Optional.
	Metrics http.Handler
	// Elsewhere leaves out /metrics: Admin has it.
	Elsewhere bool
	// Proxies are the blocks of addresses whose X-Forwarded-For is believed.
	Proxies []netip.Prefix
	// Ready reports whether requests can be served now. When not, reason is
	// shown to everybody, and err, if any, goes to the log. It is asked with a
	// deadline of two seconds.
	Ready func(context.Context) (reason string, err error)
}

// Server is an http.Handler with a life: Run starts and ends it.
type Server struct {
	logger   *slog.Logger
	handler  http.Handler
	admin    http.Handler // of RunAdmin
	ready    func(context.Context) (string, error)
	draining atomic.Bool
	proxies  []netip.Prefix
	grace    time.Duration // for requests in flight at shutdown
	reading  time.Duration // for a client to send its request, headers and all
	idle     time.Duration // for a client to send the next one
	writing  time.Duration // for a client to take the answer, at least; at most twice as long
}

// New wires the paths. Nothing runs yet.
func New(options Options) *Server {
	s := &Server{logger: options.Logger, ready: options.Ready, proxies: options.Proxies,
		grace: 15 * time.Second, reading: 30 * time.Second, idle: 120 * time.Second, writing: 60 * time.Second}
	mux := http.NewServeMux()
	mux.Handle("/graphql", shared(options.GraphQL, options.Origins))
	if options.Playground != nil {
		mux.Handle("GET /playground", options.Playground)
		mux.Handle("GET /playground/", options.Playground)
		mux.Handle("GET /{$}", http.RedirectHandler("/playground", http.StatusFound))
	}
	s.watched(mux, options.Metrics, !options.Elsewhere)
	s.handler = s.record(secured(s.recovered(mux)))
	admin := http.NewServeMux()
	s.watched(admin, options.Metrics, true)
	s.admin = s.record(secured(s.recovered(admin)))
	return s
}

// watched adds the paths of those who watch over the server.
func (s *Server) watched(mux *http.ServeMux, metrics http.Handler, here bool) {
	mux.HandleFunc("GET /healthz", alive)
	mux.Handle("GET /readyz", s.readiness())
	if metrics != nil && here {
		mux.Handle("GET /metrics", metrics)
	}
}

// RunAdmin serves /healthz, /readyz and /metrics alone, on a listener of their own, until ctx is done: end it when
// Run has returned, so that /readyz tells of the shutdown.
func (s *Server) RunAdmin(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s.admin, ReadTimeout: s.reading, WriteTimeout: s.writing,
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
	}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); ctx.Err() == nil {
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	}
	return nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.handler.ServeHTTP(w, r)
}

// Run serves listener until ctx is done. Then it accepts nothing new, reports
// itself not ready, and gives requests in flight 15 seconds. It returns nil when
// all of them were answered. The listener is closed in every case.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:     s,
		ReadTimeout: s.reading, // from the first byte of the headers; a ReadHeaderTimeout of its own costs each request one more
		// No WriteTimeout: it would count the time that the work takes. See response.begin.
		IdleTimeout:    s.idle,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
		// Requests outlive ctx: its end is the beginning of an orderly shutdown.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnContext: withConnection,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()

	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	s.draining.Store(true)
	s.logger.Info("shutting down", "grace", s.grace.String())

	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.grace)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		return errors.Join(fmt.Errorf("requests were still running %s after shutdown began", s.grace), server.Close())
	}
	return nil
}

package server

import (
	"encoding/json"
	"io"
	"net/http"
	"time"
)

const readyTimeout = 2 * time.Second

// alive answers that the process runs, and asks nothing else.
func alive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, "ok\n")
}

// readiness answers whether requests should be sent here now: 200, or 503 with
// the reason.
func (s *Server) readiness() http.Handler {
	ask := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			writeUnavailable(w, "shutting down")
			return
		}
		reason, err := s.ready(r.Context())
		if err != nil {
			s.logger.WarnContext(r.Context(), "not ready", "reason", reason, "err", err)
		}
		if reason != "" || err != nil {
			writeUnavailable(w, reason)
			return
		}
		_, _ = w.Write(health{Status: "ok"}.encode())
	})
	// A database that swallows packets may ignore the deadline of its context.
	bounded := http.TimeoutHandler(ask, readyTimeout, string(health{"unavailable", "no answer within 2 seconds"}.encode()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		bounded.ServeHTTP(w, r)
	})
}

type health struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

func (h health) encode() []byte {
	encoded, err := json.Marshal(h)
	if err != nil {
		panic(err) // two strings are always JSON
	}
	return append(encoded, '\n')
}

func writeUnavailable(w http.ResponseWriter, reason string) {
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write(health{"unavailable", reason}.encode())
}

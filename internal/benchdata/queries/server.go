package queries

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/graph"
	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/benchdata"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/store"
)

// Server answers documents in this process, as an administrator of the largest organization, and tells what
// it asks its database.
type Server struct {
	handler http.Handler
	store   *store.Store
	// as binds a context to the administrator.
	as func(context.Context) (context.Context, error)
}

// NewServer serves a database that was filled from the seed.
func NewServer(s *store.Store, seed uint64, clock func() time.Time) *Server {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	authority := keys.New(s, clock, log)
	as := func(ctx context.Context) (context.Context, error) {
		return authority.Authenticate(ctx, benchdata.AdminKeyText(seed, 0), keys.Use{})
	}
	return &Server{store: s, as: as, handler: graph.NewHandler(
		&graph.Resolver{
			Keys: authority, Directory: directory.New(s, authority, clock), Alerts: alert.New(s, authority, clock, log, alert.Options{}),
			Trail: &audit.Trail{Store: s, Clock: clock}, Clock: clock, Version: "benchmark",
		},
		graph.Options{Log: log, Authenticate: func(r *http.Request) (context.Context, error) {
			ctx, err := as(r.Context())
			if see, ok := r.Context().Value(observer{}).(func(store.Statement)); ok && err == nil {
				ctx = store.Observe(ctx, see)
			}
			return ctx, err
		}},
	)}
}

type observer struct{}

// Ask is an Ask.
func (s *Server) Ask(ctx context.Context, document string, variables map[string]any) (json.RawMessage, error) {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "/graphql", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response := httptest.NewRecorder()
	s.handler.ServeHTTP(response, request)
	var answer struct {
		Data   json.RawMessage
		Errors []struct{ Message string }
	}
	if err := json.Unmarshal(response.Body.Bytes(), &answer); err != nil {
		return nil, err
	}
	if response.Code != http.StatusOK || len(answer.Errors) > 0 {
		return nil, fmt.Errorf("%d %s", response.Code, response.Body)
	}
	return answer.Data, nil
}

// Statements are those that a query makes, in any order, but for those that tell who asks; and the page that
// it answers.
func (s *Server) Statements(ctx context.Context, q Query) ([]store.Statement, *Page, error) {
	var mu sync.Mutex
	var made []store.Statement
	data, err := s.Ask(context.WithValue(ctx, observer{}, func(one store.Statement) {
		mu.Lock()
		defer mu.Unlock()
		made = append(made, one)
	}), q.Document, q.Variables)
	if err != nil {
		return nil, nil, err
	}
	found, err := q.Page(data)
	return made, found, err
}

// Settings are what the store sets in the sessions of PostgreSQL that it reads in: names with values, which
// another session takes by SET.
func (s *Server) Settings(ctx context.Context) (map[string]string, error) {
	ctx, err := s.as(ctx)
	if err != nil {
		return nil, err
	}
	texts, err := s.store.Client.APIKey.Query().Limit(1).Modify(func(s *sql.Selector) {
		s.SelectExpr(sql.Expr("(SELECT json_object_agg(name, setting)::text FROM pg_settings WHERE source = 'client')"))
	}).Strings(ctx)
	if err != nil {
		return nil, err
	}
	settings := map[string]string{}
	return settings, json.Unmarshal([]byte(texts[0]), &settings)
}

package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/lib/pq"

	"github.com/keytag/keytag/internal/benchdata/queries"
	"github.com/keytag/keytag/internal/store"
)

// reading is how many rows and index entries PostgreSQL reads for a page, and how many keys the page
// holds.
type reading struct{ read, returned int }

// readings explains what the server asks for each query, in a session like its own.
func (t *target) readings(ctx context.Context, seed uint64) ([]reading, error) {
	s, err := store.Open(ctx, t.url)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	conn, err := t.database.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	server := queries.NewServer(s, seed, time.Now)
	settings, err := server.Settings(ctx)
	if err != nil {
		return nil, err
	}
	for name, value := range settings {
		if err := set(ctx, conn, name, value); err != nil {
			return nil, err
		}
	}
	list := make([]reading, len(t.queries))
	for i, q := range t.queries {
		if list[i], err = read(ctx, conn, server, q, settings["plan_cache_mode"]); err != nil {
			return nil, fmt.Errorf("plan of %s: %w", q.Name, err)
		}
	}
	return list, nil
}

// read takes the worse plan of a statement, where the session leaves it to PostgreSQL whether to plan for
// the values or for all values.
func read(ctx context.Context, conn *sql.Conn, server *queries.Server, q queries.Query, mode string) (r reading, err error) {
	statements, found, err := server.Statements(ctx, q)
	if err != nil {
		return r, err
	}
	r.returned = len(found.Nodes)
	modes := []string{mode}
	if mode == "" || mode == "auto" {
		modes = []string{"force_custom_plan", "force_generic_plan"}
	}
	for _, s := range statements {
		worst := 0
		for _, mode := range modes {
			if err := set(ctx, conn, "plan_cache_mode", mode); err != nil {
				return r, err
			}
			p, err := queries.Explain(ctx, conn, s)
			if err != nil {
				return r, err
			}
			worst = max(worst, p.Rows)
		}
		r.read += worst
	}
	return r, nil
}

func set(ctx context.Context, conn *sql.Conn, name, value string) error {
	_, err := conn.ExecContext(ctx, "SET "+pq.QuoteIdentifier(name)+" = "+pq.QuoteLiteral(value))
	return err
}

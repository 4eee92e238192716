package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/keytag/keytag/internal/benchdata/rig"
	"github.com/keytag/keytag/internal/secret"
)

// beside is what goes on besides the requests of a case.
type beside interface {
	// prepare comes before a run of a length, over a connection to the same server.
	prepare(ctx context.Context, c *rig.Connection, span time.Duration) error
	// run goes on until ctx ends.
	run(ctx context.Context, c *rig.Connection) error
	// measured comes when the requests are over.
	measured(ctx context.Context) error
	// report says what went on.
	report() string
}

// revoking revokes a key every 10 ms.
type revoking struct {
	admin string // text of the key that may

	ready []string // ids of keys
	done  int      // of them
	rates []float64
}

const revokeEvery = 10 * time.Millisecond

type refusals []struct{ Message string }

func (r refusals) err() error {
	if len(r) > 0 {
		return fmt.Errorf("refused: %s", r[0].Message)
	}
	return nil
}

// ask is for the data of an answer that has no errors.
func ask(c *rig.Connection, key, document string, variables map[string]any, data any) error {
	body, err := c.Data(rig.GraphQL(key, document, variables))
	if err != nil {
		return err
	}
	return json.Unmarshal(body, &struct{ Data any }{data})
}

func (r *revoking) prepare(_ context.Context, c *rig.Connection, span time.Duration) error {
	var me struct {
		ViewerKey struct{ Project struct{ ID string } }
	}
	if err := ask(c, r.admin, `{ viewerKey { project { id } } }`, nil, &me); err != nil {
		return err
	}
	r.ready, r.done = nil, 0
	for range 2 * span / revokeEvery {
		var made struct {
			CreateAPIKey struct {
				APIKey     struct{ ID string }
				UserErrors refusals
			}
		}
		if err := ask(c, r.admin, `mutation ($p: ID!, $d: String!) { createApiKey(input: {projectId: $p, description: $d}) { apiKey { id } userErrors { message } } }`,
			map[string]any{"p": me.ViewerKey.Project.ID, "d": secret.Mint().Prefix()}, &made); err != nil {
			return err
		}
		if err := made.CreateAPIKey.UserErrors.err(); err != nil {
			return err
		}
		r.ready = append(r.ready, made.CreateAPIKey.APIKey.ID)
	}
	return nil
}

func (r *revoking) run(ctx context.Context, c *rig.Connection) error {
	ticks := time.NewTicker(revokeEvery)
	defer ticks.Stop()
	began := time.Now()
	for ctx.Err() == nil && r.done < len(r.ready) {
		var gone struct {
			RevokeAPIKey struct{ UserErrors refusals }
		}
		if err := ask(c, r.admin, `mutation ($id: ID!) { revokeApiKey(input: {id: $id}) { userErrors { message } } }`, map[string]any{"id": r.ready[r.done]}, &gone); err != nil {
			return err
		}
		if err := gone.RevokeAPIKey.UserErrors.err(); err != nil {
			return err
		}
		r.done++
		select {
		case <-ticks.C:
		case <-ctx.Done():
		}
	}
	r.rates = append(r.rates, float64(r.done)/time.Since(began).Seconds())
	return nil
}

func (r *revoking) measured(context.Context) error { return nil }

func (r *revoking) report() string {
	return fmt.Sprintf("keys revoked a second beside it: %.0f", rig.SpreadOf(r.rates).Median)
}

// usesSpan holds three times what a use waits for to be written.
const usesSpan = 15 * time.Second

// using makes the last use of all keys old, and counts the uses that are written.
type using struct {
	database database

	began time.Time
	rates []float64 // a second
}

func (u *using) instant(sqlite bool, at time.Time) any {
	if sqlite {
		return at.UnixMicro()
	}
	return at
}

func (u *using) prepare(ctx context.Context, _ *rig.Connection, _ time.Duration) error {
	db, err := rig.Open(u.database.url)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, `UPDATE api_keys SET last_used_at = created_at WHERE last_used_at > $1`, u.instant(db.SQLite, time.Now().Add(-time.Hour)))
	u.began = time.Now()
	return err
}

func (u *using) run(ctx context.Context, _ *rig.Connection) error {
	<-ctx.Done()
	return nil
}

func (u *using) measured(ctx context.Context) error {
	db, err := rig.Open(u.database.url)
	if err != nil {
		return err
	}
	defer db.Close()
	var written float64
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM api_keys WHERE last_used_at >= $1`, u.instant(db.SQLite, u.began)).Scan(&written); err != nil {
		return err
	}
	u.rates = append(u.rates, written/time.Since(u.began).Seconds())
	return nil
}

func (u *using) report() string {
	return fmt.Sprintf("uses written a second: %.0f, in runs of %s, of keys that were not used in the last minute", rig.SpreadOf(u.rates).Median, usesSpan)
}

// asides are the reports of what went on besides cases.
func asides(cases []*kase) string {
	var lines []string
	for _, c := range cases {
		if c.beside != nil {
			lines = append(lines, "- "+strings.TrimPrefix(c.name, "keytag, ")+": "+c.beside.report())
		}
	}
	return strings.Join(lines, "\n")
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keytag/keytag/internal/benchdata/rig"
	"github.com/keytag/keytag/internal/secret"
)

// company is what goes on besides the requests of a case.
type company interface {
	// prepare comes before a run of a length.
	prepare(ctx context.Context, s *rig.Server, span time.Duration) error
	// run goes on until ctx ends.
	run(ctx context.Context, s *rig.Server) error
	// measured comes when the requests are over.
	measured(ctx context.Context) error
	// report says what went on.
	report() string
}

// revoking revokes a key every 10 ms.
type revoking struct {
	admin string // text of the key that may

	ready chan string // ids of keys
	rates []float64
}

const (
	revokeEvery = 10 * time.Millisecond
	// revokers are at work at a time: a revocation may take longer than the time between two.
	revokers = 8
)

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

func (r *revoking) prepare(ctx context.Context, s *rig.Server, span time.Duration) error {
	c, err := rig.Dial(ctx, s.Address)
	if err != nil {
		return err
	}
	defer c.Close()
	var me struct {
		ViewerKey struct{ Project struct{ ID string } }
	}
	if err := ask(c, r.admin, `{ viewerKey { project { id } } }`, nil, &me); err != nil {
		return err
	}
	r.ready = make(chan string, 2*span/revokeEvery)
	for range cap(r.ready) {
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
		r.ready <- made.CreateAPIKey.APIKey.ID
	}
	return nil
}

func (r *revoking) run(ctx context.Context, s *rig.Server) error {
	ticks := time.NewTicker(revokeEvery)
	defer ticks.Stop()
	began := time.Now()
	var done atomic.Int64
	revoke := func() error {
		c, err := rig.Dial(ctx, s.Address)
		if err != nil {
			return err
		}
		defer c.Close()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-ticks.C:
			}
			var gone struct {
				RevokeAPIKey struct{ UserErrors refusals }
			}
			if err := ask(c, r.admin, `mutation ($id: ID!) { revokeApiKey(input: {id: $id}) { userErrors { message } } }`, map[string]any{"id": <-r.ready}, &gone); err != nil {
				return err
			}
			if err := gone.RevokeAPIKey.UserErrors.err(); err != nil {
				return err
			}
			done.Add(1)
		}
	}
	var all errgroup.Group
	for range revokers {
		all.Go(revoke)
	}
	err := all.Wait()
	r.rates = append(r.rates, float64(done.Load())/time.Since(began).Seconds())
	return err
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

func (u *using) prepare(ctx context.Context, _ *rig.Server, _ time.Duration) error {
	db, err := rig.Open(u.database.url)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, `UPDATE api_keys SET last_used_at = created_at WHERE last_used_at > $1`, u.instant(db.SQLite, time.Now().Add(-time.Hour)))
	u.began = time.Now()
	return err
}

func (u *using) run(ctx context.Context, _ *rig.Server) error {
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
		if c.company != nil && c.runs != nil {
			lines = append(lines, "- "+strings.TrimPrefix(c.name, "keytag, ")+": "+c.company.report())
		}
	}
	return strings.Join(lines, "\n")
}

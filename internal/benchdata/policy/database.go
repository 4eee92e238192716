package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/keytag/keytag/internal/benchdata/rig"
	"github.com/keytag/keytag/internal/lifecycle"
)

// database is asked past the server.
type database struct{ *rig.Database }

// ownDatabase makes a database on a PostgreSQL server.
func ownDatabase(ctx context.Context, server string) (address string, drop func(), err error) {
	if server == "" {
		return "", nil, errors.New("neither --database nor KEYTAG_TEST_POSTGRES_URL is given")
	}
	at, err := url.Parse(server)
	if err != nil {
		return "", nil, errors.New("KEYTAG_TEST_POSTGRES_URL is not a URL")
	}
	db, err := sql.Open("postgres", server)
	if err != nil {
		return "", nil, err
	}
	name := "keytag_policy_" + strings.ToLower(rand.Text()[:10])
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, errors.Join(err, db.Close())
	}
	at.Path = "/" + name
	return at.String(), func() {
		_, err := db.Exec("DROP DATABASE " + name + " WITH (FORCE)")
		if err = errors.Join(err, db.Close()); err != nil {
			fmt.Println("drop the database:", err)
		}
	}, nil
}

// facts are what a result has to be read with.
type facts struct {
	keys     int
	settings string
}

func (f facts) String() string { return fmt.Sprintf("%d keys, %s", f.keys, f.settings) }

func (d *database) facts(ctx context.Context) (f facts, err error) {
	var organizations int
	if err := d.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM organizations), (SELECT count(*) FROM api_keys)").Scan(&organizations, &f.keys); err != nil {
		return f, err
	}
	if organizations != 1 {
		return f, fmt.Errorf("the database has %d organizations, not one", organizations)
	}
	f.settings, err = d.Settings(ctx)
	return f, err
}

// changedSince counts the keys that were written, uses aside.
func (d *database) changedSince(ctx context.Context, t time.Time) (n int, err error) {
	err = d.QueryRowContext(ctx, "SELECT count(*) FROM api_keys WHERE updated_at >= $1", lifecycle.Instant(t)).Scan(&n)
	return n, err
}

// liveKey is the key that stands at a part of those that live at t, in the order of their ids.
func (d *database) liveKey(ctx context.Context, t time.Time, part float64) (id string, err error) {
	const live = "FROM api_keys WHERE effective_expires_at > $1"
	var n int
	if err := d.QueryRowContext(ctx, "SELECT count(*) "+live, lifecycle.Instant(t)).Scan(&n); err != nil {
		return "", err
	}
	err = d.QueryRowContext(ctx, "SELECT id "+live+" ORDER BY id LIMIT 1 OFFSET $2", lifecycle.Instant(t), int(part*float64(n))).Scan(&id)
	return id, err
}

// cursor is the last key that the change on its way has done.
func (d *database) cursor(ctx context.Context) (id string, err error) {
	err = d.QueryRowContext(ctx, "SELECT coalesce(max(cursor), '') FROM policy_sweeps").Scan(&id)
	return id, err
}

func (d *database) sweeps(ctx context.Context) (n int, err error) {
	err = d.QueryRowContext(ctx, "SELECT count(*) FROM policy_sweeps").Scan(&n)
	return n, err
}

// late counts the live keys, and those of them that end later than a policy says.
func (d *database) late(ctx context.Context, life, disuse lifecycle.Period) (late, live int, err error) {
	rows, err := d.QueryContext(ctx, `SELECT created_at, last_used_at, unused_since, expires_at, inactivity_expires_at FROM api_keys
		WHERE effective_expires_at > $1 AND pending_since IS NULL`, lifecycle.Instant(time.Now()))
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var created time.Time
		var lastUsed, unusedSince, expires, inactive sql.NullTime
		if err := rows.Scan(&created, &lastUsed, &unusedSince, &expires, &inactive); err != nil {
			return 0, 0, err
		}
		used := created
		for _, later := range []sql.NullTime{lastUsed, unusedSince} {
			if later.Valid {
				used = later.Time
			}
		}
		live++
		if endsLater(expires, life.From(created.UTC())) || endsLater(inactive, disuse.From(used.UTC())) {
			late++
		}
	}
	return late, live, rows.Err()
}

func endsLater(end sql.NullTime, latest time.Time) bool {
	return !end.Valid || end.Time.After(latest)
}

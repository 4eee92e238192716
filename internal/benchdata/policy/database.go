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

	"github.com/keytag/keytag/internal/lifecycle"
)

// database is asked past the server, through the drivers that package benchdata registers.
type database struct {
	*sql.DB
	sqlite bool
}

func open(url string) (*database, error) {
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(5000)&_query_only=1")
		return &database{db, true}, err
	}
	db, err := sql.Open("postgres", url)
	return &database{db, false}, err
}

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
	settings := `SELECT 'PostgreSQL ' || string_agg(name || ' ' || current_setting(name), ', ' ORDER BY name DESC) FROM pg_settings
		WHERE name IN ('server_version', 'fsync', 'full_page_writes', 'synchronous_commit', 'shared_buffers', 'max_wal_size')`
	if d.sqlite {
		settings = "SELECT 'SQLite ' || sqlite_version()"
	}
	return f, d.QueryRowContext(ctx, settings).Scan(&f.settings)
}

// micros is an instant of a column, and at one of a parameter, both in microseconds since 1970.
func (d *database) micros(column string) string {
	if d.sqlite {
		return column
	}
	return "(extract(epoch FROM " + column + ") * 1000000)::bigint"
}

func (d *database) at(parameter string) string {
	if d.sqlite {
		return parameter
	}
	return "timestamptz 'epoch' + " + parameter + " * interval '1 microsecond'"
}

// changedSince counts the keys that were written, uses aside.
func (d *database) changedSince(ctx context.Context, t time.Time) (n int, err error) {
	err = d.QueryRowContext(ctx, "SELECT count(*) FROM api_keys WHERE updated_at >= "+d.at("$1"), t.UnixMicro()).Scan(&n)
	return n, err
}

// liveKey is the key that stands at a part of those that live at t, in the order of their ids.
func (d *database) liveKey(ctx context.Context, t time.Time, part float64) (id string, err error) {
	live := "FROM api_keys WHERE effective_expires_at > " + d.at("$1")
	var n int
	if err := d.QueryRowContext(ctx, "SELECT count(*) "+live, t.UnixMicro()).Scan(&n); err != nil {
		return "", err
	}
	err = d.QueryRowContext(ctx, "SELECT id "+live+" ORDER BY id LIMIT 1 OFFSET $2", t.UnixMicro(), int(part*float64(n))).Scan(&id)
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
	rows, err := d.QueryContext(ctx, fmt.Sprintf("SELECT %s, %s, %s, %s FROM api_keys WHERE effective_expires_at > %s",
		d.micros("created_at"), d.micros("coalesce(unused_since, last_used_at, created_at)"), d.micros("expires_at"), d.micros("inactivity_expires_at"), d.at("$1")),
		time.Now().UnixMicro())
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var created, used int64
		var expires, inactive sql.NullInt64
		if err := rows.Scan(&created, &used, &expires, &inactive); err != nil {
			return 0, 0, err
		}
		live++
		if endsLater(expires, life.From(time.UnixMicro(created).UTC())) || endsLater(inactive, disuse.From(time.UnixMicro(used).UTC())) {
			late++
		}
	}
	return late, live, rows.Err()
}

func endsLater(end sql.NullInt64, latest time.Time) bool {
	return !end.Valid || end.Int64 > latest.UnixMicro()
}

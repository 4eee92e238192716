package rig

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/keytag/keytag/internal/benchdata"
)

// Database is asked past the server, through the drivers that package benchdata registers. Its
// instants are times on both.
type Database struct {
	*sql.DB
	SQLite bool
}

// Open opens the database of a URL, as KEYTAG_DATABASE_URL takes it; a file only to read.
func Open(url string) (*Database, error) {
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(5000)&_query_only=1&_time_integer_format=unix_micro&_inttotime=1")
		return &Database{db, true}, err
	}
	db, err := sql.Open("postgres", url)
	return &Database{db, false}, err
}

// Settings are the version of the database, and what it is set to.
func (d *Database) Settings(ctx context.Context) (settings string, err error) {
	query := `SELECT 'PostgreSQL ' || string_agg(name || ' ' || current_setting(name), ', ' ORDER BY name <> 'server_version', name) FROM pg_settings
		WHERE name IN ('server_version', 'fsync', 'full_page_writes', 'synchronous_commit', 'shared_buffers', 'max_wal_size')`
	if d.SQLite {
		query = "SELECT 'SQLite ' || sqlite_version()"
	}
	err = d.QueryRowContext(ctx, query).Scan(&settings)
	return settings, err
}

// Fill fills a database unless it is filled. It is then as if no server had ever run on it: one would first
// make up, key by key, for the time without.
func Fill(ctx context.Context, url string, o benchdata.Options) error {
	began := time.Now()
	_, err := benchdata.Load(ctx, url, o, func(string) {})
	switch {
	case errors.Is(err, benchdata.ErrNotEmpty):
		return forget(ctx, url)
	case err != nil:
		return fmt.Errorf("fill the database: %w", err)
	}
	fmt.Printf("filled in %.0f s\n", time.Since(began).Seconds())
	return nil
}

func forget(ctx context.Context, url string) error {
	driver, address := "postgres", url
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		driver, address = "sqlite", path
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "DELETE FROM heartbeats")
	return errors.Join(err, db.Close())
}

// On is the URL of a database of another name on the server of a postgres:// URL, which is made if
// there is none.
func On(ctx context.Context, server, name string) (address string, err error) {
	at, err := url.Parse(server)
	if err != nil {
		return "", errors.New("the address of the server is not a URL")
	}
	db, err := sql.Open("postgres", server)
	if err != nil {
		return "", err
	}
	defer db.Close()
	at.Path = "/" + name
	var found bool
	if err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&found); err != nil || found {
		return at.String(), err
	}
	_, err = db.ExecContext(ctx, "CREATE DATABASE "+name)
	return at.String(), err
}

package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"entgo.io/ent/dialect"
	"github.com/lib/pq"
)

// Sizes of the pools of one process, which listens over one more. Four of them fit into a server's usual
// 100 connections.
const (
	postgresReaders = 10
	postgresWriters = 8
	postgresLookers = 3
	postgresLeases  = 2
	idleFor         = 5 * time.Minute
	connectTimeout  = 5 * time.Second
	// idleInTransaction is much longer than any transaction waits for anything but the database.
	idleInTransaction = "15s"
)

// How long the server may take to answer what is no long work; to make a page takes two seconds at most.
const (
	readerAnswer = 10 * time.Second
	lookerAnswer = 1500 * time.Millisecond
)

// openPostgres configures the pools; nothing connects yet. Errors of parsers are not passed on,
// since they quote what they could not parse, which may be a piece of the password.
func openPostgres(address string) (*Store, error) {
	parsed, err := url.Parse(address)
	// An @ without a user: the text before it was cut short by a character of the password.
	if err != nil || parsed.User == nil && strings.Contains(address, "@") {
		return nil, errors.New("database URL is not a valid postgres:// URL (special characters in user and password must be percent-encoded)")
	}
	if address, err = toPrimary(parsed); err != nil {
		return nil, err
	}
	config, err := pq.NewConfig(address)
	if err != nil {
		return nil, fmt.Errorf("database URL postgres://%s%s has a parameter that is not allowed", parsed.Host, parsed.Path)
	}
	if config.ConnectTimeout <= 0 {
		config.ConnectTimeout = connectTimeout
	}
	if config.ApplicationName == "" {
		config.ApplicationName = "keytag"
	}
	if config.Runtime == nil {
		config.Runtime = map[string]string{}
	}
	config.Runtime["timezone"] = "UTC"
	config.Runtime["jit"] = "off" // compiling takes longer than any statement of ours
	// A commit that was acknowledged must survive the server; stricter levels may be asked for.
	switch config.Runtime["synchronous_commit"] {
	case "":
		config.Runtime["synchronous_commit"] = "on"
	case "on", "remote_apply":
	default:
		return nil, errors.New("database URL: synchronous_commit must be on or remote_apply, else acknowledged changes can be lost")
	}
	writer := config.Clone()
	// A process that stops within a transaction must not hold its rows, and what others may remember, for ever.
	if writer.Runtime["idle_in_transaction_session_timeout"] == "" {
		writer.Runtime["idle_in_transaction_session_timeout"] = idleInTransaction
	}
	reader := config.Clone()
	reader.Runtime["default_transaction_read_only"] = "on"
	// Statements are written so that one index answers them, row by row and in its order, whatever the values
	// are. Plans for the values would cost a planning each time, and whatever else PostgreSQL prefers where
	// it thinks of few rows reads all of them to show a page.
	reader.Runtime["plan_cache_mode"] = "force_generic_plan"
	for _, way := range []string{"enable_bitmapscan", "enable_seqscan", "enable_hashjoin", "enable_mergejoin"} {
		reader.Runtime[way] = "off"
	}
	reader.Runtime["max_parallel_workers_per_gather"] = "0"
	// A note in a lease that a crash takes back was made for nothing, and that is all.
	leases := config.Clone()
	leases.Runtime["synchronous_commit"] = "off"
	s := &Store{dialect: dialect.Postgres}
	for _, p := range []struct {
		pool   **sql.DB
		config pq.Config
		size   int
		alone  bool
		wire   wire
	}{
		{&s.writer, writer, postgresWriters, false, wire{config.ConnectTimeout, 0}},
		{&s.reader, reader, postgresReaders, true, wire{config.ConnectTimeout, readerAnswer}},
		{&s.looker, reader, postgresLookers, true, wire{lookerAnswer, lookerAnswer}},
		{&s.leases, leases, postgresLeases, true, wire{lookerAnswer, lookerAnswer}},
	} {
		if *p.pool, err = postgresPool(p.config, p.size, p.alone, p.wire); err != nil {
			return nil, err
		}
	}
	s.watcher = s.leases
	s.listen = func(ctx context.Context, wake func()) { listen(ctx, address, config.ConnectTimeout, wake) }
	s.migrator = func() *sql.DB {
		connector, _ := pq.NewConnectorConfig(config) // the configuration used above
		return pool(connector, 1)
	}
	return s, nil
}

// toPrimary has a URL of several hosts lead to the one that takes changes: what a standby answers is from before them.
func toPrimary(address *url.URL) (string, error) {
	const attributes = "target_session_attrs"
	parameters := address.Query()
	switch parameters.Get(attributes) {
	case "", "any", "read-write", "primary":
	default:
		return "", errors.New("database URL: target_session_attrs must be primary, since a standby answers from before changes")
	}
	if parameters.Has(attributes) || strings.Contains(address.Host+parameters.Get("host"), ",") {
		parameters.Set(attributes, "primary")
		address.RawQuery = parameters.Encode()
	}
	return address.String(), nil
}

// postgresPool makes a pool of sessions, for statements alone or for transactions.
func postgresPool(config pq.Config, size int, alone bool, w wire) (*sql.DB, error) {
	config.ConnectTimeout = w.connect
	connector, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, errors.New("database URL has a parameter that is not allowed")
	}
	connector.Dialer(w)
	return pool(preparing{connector, alone}, size), nil
}

func pool(connector driver.Connector, size int) *sql.DB {
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	db.SetConnMaxIdleTime(idleFor)
	return db
}

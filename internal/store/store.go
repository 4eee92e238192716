// Package store opens the database by its URL, SQLite or PostgreSQL, and is the only way to write to
// it: each Write is one explicit transaction, and everything outside one is read-only.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/ent/db"
	_ "github.com/keytag/keytag/ent/db/runtime" // wires ent/policy into the client
	"github.com/keytag/keytag/internal/epoch"
)

// Store is one open database. It is safe for concurrent use.
type Store struct {
	// Client reads, each statement by itself; writes through it fail. Rows that a Write in flight
	// has not committed are invisible to it.
	Client *db.Client
	// Lookups is Client for looking up keys that are presented: over connections that no list keeps busy, and
	// which break when there is no answer.
	Lookups *db.Client
	// Epoch tells what may be remembered of what was read.
	Epoch *epoch.Epoch

	dialect string
	reader  *sql.DB // sessions that the database itself holds to reading
	writer  *sql.DB
	looker  *sql.DB                                // for Lookups; reader on SQLite
	watcher *sql.DB                                // for Epoch to look: leases, which no look-up keeps busy; reader on SQLite
	leases  *sql.DB                                // for Epoch to write; writer on SQLite
	listen  func(ctx context.Context, wake func()) // for Epoch to be woken; nil on SQLite
	// migrator opens the pool that migrations run in; the caller closes it.
	migrator func() *sql.DB
}

// Open opens `sqlite://PATH` (created when missing, mode 0600) or `postgres://…` and checks that it
// answers. It neither migrates nor checks that someone did. Errors never hold the URL's password.
func Open(ctx context.Context, url string) (*Store, error) {
	var s *Store
	var err error
	switch scheme, rest, _ := strings.Cut(url, "://"); scheme {
	case "sqlite":
		s, err = openSQLite(rest)
	case "postgres", "postgresql":
		s, err = openPostgres(url)
	default:
		err = errors.New("database URL must begin with sqlite:// or postgres://")
	}
	if err != nil {
		return nil, err
	}
	for _, pool := range s.pools() {
		if err := pool.PingContext(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("open the database: %w", err), s.Close())
		}
	}
	s.Client = db.NewClient(db.Driver(outside(s.dialect, s.reader)))
	s.Lookups = db.NewClient(db.Driver(outside(s.dialect, s.looker)))
	s.Epoch = epoch.New(s.dialect == dialect.Postgres, s.watcher, s.leases)
	return s, nil
}

// pools are those that are open, each once; the one that makes the file of SQLite first.
func (s *Store) pools() []*sql.DB {
	pools := []*sql.DB{s.writer, s.reader}
	for _, more := range []*sql.DB{s.looker, s.leases} {
		if !slices.Contains(pools, more) {
			pools = append(pools, more)
		}
	}
	return pools
}

// Pools are those connections that statements are sent over, by what they are for.
func (s *Store) Pools() map[string]*sql.DB {
	all := map[string]*sql.DB{"write": s.writer, "read": s.reader}
	if s.looker != s.reader {
		all["lookup"], all["lease"] = s.looker, s.leases
	}
	return all
}

// Follow lets this process remember what Epoch covers, until ctx ends. It is called once.
func (s *Store) Follow(ctx context.Context, log *slog.Logger) {
	if s.listen != nil {
		go s.listen(ctx, s.Epoch.Wake)
	}
	s.Epoch.Follow(ctx, log)
}

// Dialect is dialect.SQLite or dialect.Postgres of ent.
func (s *Store) Dialect() string { return s.dialect }

// Readers is how many statements can be read at a time.
func (s *Store) Readers() int { return s.reader.Stats().MaxOpenConnections }

// Lookers is how many statements of Lookups are best under way at a time.
func (s *Store) Lookers() int { return min(postgresLookers, s.looker.Stats().MaxOpenConnections) }

// Ping asks the database for an answer. It does not wait for writers.
func (s *Store) Ping(ctx context.Context) error { return s.reader.PingContext(ctx) }

// Close waits for what is running and closes all connections.
func (s *Store) Close() error {
	var err error
	for _, pool := range s.pools() {
		err = errors.Join(err, pool.Close())
	}
	return err
}

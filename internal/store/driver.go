package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/telemetry"
)

// ErrOutside refuses a transaction that was begun past Write.
var ErrOutside = errors.New("store: writes and transactions go through Store.Write")

// boundDriver is ent's driver over a reading pool or over one transaction. It begins and ends no
// transaction: Write alone does.
type boundDriver struct {
	*entsql.Driver
	inside bool
}

// outside is the driver for statements by themselves. That they only read is held by the sessions
// of the pool, not by looking at the statements.
func outside(name string, pool *sql.DB) boundDriver {
	return boundDriver{entsql.NewDriver(name, entsql.Conn{ExecQuerier: exact{pool}}), false}
}

// within is the driver for the statements of one transaction, which notes whether one of them changes what
// replicas remember.
func within(name string, tx *sql.Tx, raises *atomic.Bool) boundDriver {
	return boundDriver{entsql.NewDriver(name, entsql.Conn{ExecQuerier: noting{exact{tx}, raises}}), true}
}

// Tx is called by ent's own builders for changes of several statements, which join the transaction
// they are in.
func (d boundDriver) Tx(context.Context) (dialect.Tx, error) {
	if !d.inside {
		return nil, ErrOutside
	}
	return dialect.NopTx(d), nil
}

func (d boundDriver) BeginTx(ctx context.Context, _ *sql.TxOptions) (dialect.Tx, error) {
	return d.Tx(ctx)
}

// Close leaves pool and transaction to their owners.
func (boundDriver) Close() error { return nil }

// exact is the one place where instants are brought to the precision of both databases.
type exact struct{ entsql.ExecQuerier }

// Statement is what the database is asked: text in its dialect, and the values bound to it.
type Statement struct {
	Text string
	Args []any
}

type observerKey struct{}

// Observe returns ctx under which every statement is told to see before it is sent, for tests and
// benchmarks that count statements or ask for their plans. see must be safe for concurrent use.
func Observe(ctx context.Context, see func(Statement)) context.Context {
	return context.WithValue(ctx, observerKey{}, see)
}

func told(ctx context.Context, query string, args []any) {
	if see, ok := ctx.Value(observerKey{}).(func(Statement)); ok {
		see(Statement{query, args})
	}
}

func (e exact) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	args, err := normalise(args)
	if err != nil {
		return nil, err
	}
	told(ctx, query, args)
	ctx, span := traced(ctx, query)
	result, err := e.ExecQuerier.ExecContext(ctx, query, args...)
	span.End(err != nil)
	return result, err
}

func (e exact) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	args, err := normalise(args)
	if err != nil {
		return nil, err
	}
	told(ctx, query, args)
	within, span := traced(ctx, query)
	rows, err := e.ExecQuerier.QueryContext(within, query, args...)
	span.End(err != nil)
	return rows, err
}

// traced begins the span of a statement, whose text has no values: they are bound
// (https://opentelemetry.io/docs/specs/semconv/database/database-spans/).
func traced(ctx context.Context, query string) (context.Context, telemetry.Span) {
	operation, _, _ := strings.Cut(query, " ")
	ctx, span := telemetry.BeginCall(ctx, operation)
	span.Text("db.operation.name", operation)
	span.Text("db.query.text", query)
	return ctx, span
}

// normalise returns args with every instant in UTC, truncated down to microseconds: PostgreSQL
// would round up, and SQLite keep what it is given.
func normalise(args []any) ([]any, error) {
	out := make([]any, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case *time.Time, driver.Valuer:
			value, err := driver.DefaultParameterConverter.ConvertValue(v)
			if err != nil {
				return nil, err
			}
			arg = value
		}
		if t, ok := arg.(time.Time); ok {
			arg = lifecycle.Instant(t)
		}
		out[i] = arg
	}
	return out, nil
}

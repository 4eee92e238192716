package store

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// preparedPerConnection is how many statements a connection keeps prepared. The server keeps a plan of
// each, some tens of kilobytes.
const preparedPerConnection = 100

// preparing makes connections that prepare each statement once: lib/pq prepares a statement with arguments
// anew each time, which costs a second round trip, and the server parses and plans it again.
type preparing struct {
	driver.Connector
	// alone: no statement is part of a transaction, so one that is outdated is simply run again.
	alone bool
}

// Connect opens a connection.
func (c preparing) Connect(ctx context.Context) (driver.Conn, error) {
	opened, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := opened.(postgresConn)
	if !ok {
		return nil, errors.Join(errors.New("store: the driver's connection lacks what database/sql asks for"), opened.Close())
	}
	p := &preparingConn{postgresConn: conn, alone: c.alone}
	// The size is a positive constant, which is all that can be wrong with it.
	p.statements, _ = simplelru.NewLRU(preparedPerConnection, func(_ string, s preparedStatement) {
		_ = s.Close() // it fails only with the connection
	})
	return p, nil
}

// postgresConn is what a connection of lib/pq can do.
type postgresConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type preparedStatement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// preparingConn is a connection with its statements, the least recently used of which make room. Like every
// driver.Conn it is used by one goroutine at a time, and never while rows are being read from it: so a
// statement that makes room is not in use.
type preparingConn struct {
	postgresConn
	alone      bool
	statements *simplelru.LRU[string, preparedStatement]
}

// QueryContext runs a statement that returns rows.
func (c *preparingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 0 {
		return c.postgresConn.QueryContext(ctx, query, args)
	}
	return run(ctx, c, query, func(s preparedStatement) (driver.Rows, error) { return s.QueryContext(ctx, args) })
}

// ExecContext runs a statement that returns none.
func (c *preparingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 {
		return c.postgresConn.ExecContext(ctx, query, args)
	}
	return run(ctx, c, query, func(s preparedStatement) (driver.Result, error) { return s.ExecContext(ctx, args) })
}

// run runs a prepared statement, which is prepared first or anew where needed.
func run[T any](ctx context.Context, c *preparingConn, query string, with func(preparedStatement) (T, error)) (T, error) {
	for again := c.alone; ; again = false {
		s, err := c.prepared(ctx, query)
		if err != nil {
			var none T
			return none, err
		}
		result, err := with(s)
		if !isOutdated(err) {
			return result, err
		}
		c.statements.Remove(query)
		if !again {
			return result, err
		}
	}
}

func (c *preparingConn) prepared(ctx context.Context, query string) (preparedStatement, error) {
	if s, ok := c.statements.Get(query); ok {
		return s, nil
	}
	made, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s, ok := made.(preparedStatement)
	if !ok {
		return nil, errors.Join(errors.New("store: the driver's statement lacks what database/sql asks for"), made.Close())
	}
	c.statements.Add(query, s)
	return s, nil
}

// isOutdated reports that a statement was prepared for a schema, or in a session, that is no more. It has
// done nothing, and may be tried again; in a transaction, which it broke, from the beginning.
func isOutdated(err error) bool {
	e := pq.As(err, pqerror.FeatureNotSupported, pqerror.InvalidSQLStatementName)
	return e != nil && (e.Code == pqerror.InvalidSQLStatementName || e.Routine == "RevalidateCachedQuery")
}

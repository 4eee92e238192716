package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/auditevent"
	"github.com/keytag/keytag/internal/principal"
)

// ErrOutcomeUnknown means that the connection broke during the commit and that nothing tells whether
// it happened. The caller may only look again or try again under an idempotency key.
var ErrOutcomeUnknown = errors.New("store: the outcome of the commit is unknown")

// How often a transaction is run when others get into its way, and how long and how patiently its
// witness is looked for.
const (
	writeTries    = 3
	witnessFor    = 2 * time.Second
	witnessTry    = 500 * time.Millisecond
	witnessPause  = 25 * time.Millisecond
	conflictPause = 10 * time.Millisecond
)

// Tx is the client inside one transaction.
type Tx struct {
	*db.Client
	dialect string
	witness string
}

// Dialect is dialect.SQLite or dialect.Postgres of ent.
func (tx *Tx) Dialect() string { return tx.dialect }

// Witness names the audit event written in this transaction. If the commit is not answered, the
// event's presence tells whether it happened.
func (tx *Tx) Witness(eventID string) { tx.witness = eventID }

// Write runs fn in one transaction at the database's default isolation and commits it. An error of
// fn, a panic or the end of ctx undoes it; fn must return the error of a failed statement, since
// PostgreSQL runs no further one after it.
//
// fn may run up to three times, when PostgreSQL reports a serialization failure, a deadlock or a
// statement prepared for an older schema: it must do nothing that cannot be undone, and start afresh
// from what it is given. It must not use Store.Client, which does not see the transaction.
//
// When the commit itself failed and no witness was found, the error is ErrOutcomeUnknown.
//
// From before it is committed, what it changes of what replicas remember is remembered by none of them.
func (s *Store) Write(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	for try := 1; ; try++ {
		err := s.write(ctx, fn)
		if try == writeTries || !isOutdated(err) && pq.As(err, pqerror.TRSerializationFailure, pqerror.TRDeadlockDetected) == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(try) * (conflictPause + rand.N(conflictPause))):
		}
	}
}

func (s *Store) write(ctx context.Context, fn func(context.Context, *Tx) error) error {
	transaction, err := s.begin(ctx)
	if err != nil {
		return fmt.Errorf("store: begin: %w", err)
	}
	defer transaction.Rollback() // after the commit this does nothing
	var raises atomic.Bool
	tx := &Tx{Client: db.NewClient(db.Driver(within(s.dialect, transaction, &raises))), dialect: s.dialect}
	if err := fn(ctx, tx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	end := func(bool) {}
	if raises.Load() {
		if end, err = s.Epoch.Announce(ctx, transaction); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	err = transaction.Commit()
	undone := err != nil && rolledBack(err)
	end(!undone)
	switch {
	case undone:
		return fmt.Errorf("store: commit: %w", err)
	case err == nil || s.witnessed(ctx, tx.witness):
		return nil
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}

// begin finds a connection that lives: after a restart of the server every pooled one is dead, and
// lib/pq does not tell all kinds of death in the way that makes the pool try the next.
func (s *Store) begin(ctx context.Context) (*sql.Tx, error) {
	var transaction *sql.Tx
	var err error
	for range s.writer.Stats().MaxOpenConnections + 1 {
		transaction, err = s.writer.BeginTx(ctx, nil)
		if err == nil || ctx.Err() != nil {
			break
		}
		var answered *pq.Error
		if errors.As(err, &answered) {
			break // the server lives and refuses
		}
	}
	return transaction, err
}

// rolledBack tells the commit errors that say for certain that nothing was committed.
func rolledBack(err error) bool {
	if errors.Is(err, sql.ErrTxDone) || errors.Is(err, pq.ErrInFailedTransaction) {
		return true
	}
	e := pq.As(err)
	return e != nil && (e.Code.Class() == pqerror.ClassIntegrityConstraintViolation ||
		e.Code.Class() == pqerror.ClassTransactionRollback && e.Code != pqerror.TRStatementCompletionUnknown)
}

// witnessed looks the audit event up for a while, whether or not the request still waits: the server
// may just be about to finish the commit.
func (s *Store) witnessed(ctx context.Context, eventID string) bool {
	if eventID == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(principal.System(context.WithoutCancel(ctx)), witnessFor)
	defer cancel()
	for pause := witnessPause; ; pause *= 2 {
		try, cancel := context.WithTimeout(ctx, witnessTry)
		found, err := s.Client.AuditEvent.Query().Where(auditevent.ID(eventID)).Exist(try)
		cancel()
		if err == nil && found {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

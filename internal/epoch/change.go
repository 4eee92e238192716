package epoch

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/keytag/keytag/internal/telemetry"
)

const (
	// patience is how long a change waits for others to look: more than trust by what clocks may run apart.
	patience = time.Second
	// awaitPause is the time between looks at the leases.
	awaitPause = time.Millisecond
)

// Announce is the last step of a transaction that changed what replicas remember: when it returns, nobody
// answers from memory what the transaction changes, and nobody does before it is over. That takes
// milliseconds, or a good second when another process does not look. The caller tells end whether the
// transaction may have been committed.
//
// On SQLite other processes are waited for only in end, since nothing can be written beside a transaction.
func (e *Epoch) Announce(ctx context.Context, tx *sql.Tx) (end func(committed bool), err error) {
	e.begin()
	if !e.postgres {
		epoch, err := e.raise(ctx, tx)
		if err != nil {
			e.end()
			return nil, err
		}
		return func(committed bool) {
			e.end()
			if committed {
				_ = e.await(context.WithoutCancel(ctx), epoch) // without an end of ctx there is no error
			}
		}, nil
	}
	// Held until the transaction is over, whatever becomes of this process, and seen by every look. The
	// notification is sent with the commit.
	if _, err = tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock_shared($1, $2), pg_notify($3, '')`, lockClass, lockObject, Channel); err == nil {
		var epoch int64
		if epoch, err = e.raise(ctx, e.writer); err == nil {
			err = e.await(ctx, epoch)
		}
	}
	if err != nil {
		e.end()
		return nil, fmt.Errorf("announce a change: %w", err)
	}
	return func(bool) { e.end() }, nil
}

// begin has this process remember nothing until end.
func (e *Epoch) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changes++
	e.announced++
	if hooks.stale == 0 {
		e.distrust()
	}
}

func (e *Epoch) end() {
	e.mu.Lock()
	e.changes--
	e.announced++ // a look that began before may have missed what the lease noted
	e.mu.Unlock()
	e.Wake()
}

// raise raises the epoch. The lease of this process need not be waited for; it vouches for no other epoch than this one,
// since a statement that was given up may be carried out late.
func (e *Epoch) raise(ctx context.Context, on interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}) (epoch int64, err error) {
	const raise = `INSERT INTO epochs (id, value) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET value = epochs.value + 1 RETURNING value`
	if e.postgres {
		err = on.QueryRowContext(ctx, `WITH raised AS (`+raise+`), own AS (UPDATE leases SET seen = raised.value FROM raised
			WHERE id = $1 AND seen = raised.value - 1)
			SELECT value FROM (SELECT value, pg_notify($2, '') FROM raised) AS told`, e.own(), Channel).Scan(&epoch)
	} else if err = on.QueryRowContext(ctx, raise).Scan(&epoch); err == nil {
		_, err = on.ExecContext(ctx, `UPDATE leases SET seen = $1 WHERE id = $2`, epoch, e.own())
	}
	if err != nil {
		return 0, fmt.Errorf("raise the epoch: %w", err)
	}
	return epoch, nil
}

// own is the lease of this process.
func (e *Epoch) own() string {
	if own := e.lease.Load(); own != nil {
		return *own
	}
	return ""
}

// await returns when no other process answers from before an epoch any more. The only error is the end of ctx.
func (e *Epoch) await(ctx context.Context, epoch int64) error {
	if hooks.noBarrier {
		return nil
	}
	began := time.Now()
	defer func() { telemetry.Waited(time.Since(began)) }()
	over := began.Add(patience)
	for pause := awaitPause; time.Now().Before(over); pause = min(pause*3/2, 10*awaitPause) {
		if behind, err := e.behind(ctx, epoch, over); err == nil && behind == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(min(pause, time.Until(over))):
		}
	}
	// Whoever has not noted the epoch by now trusts nothing that is older, and notes itself anew before it
	// trusts again: later changes need not wait for it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookFor)
	defer cancel()
	_, _ = e.writer.ExecContext(ctx, `DELETE FROM leases WHERE seen < $1`, epoch)
	return nil
}

// behind is how many other processes have not noted an epoch.
func (e *Epoch) behind(ctx context.Context, epoch int64, over time.Time) (n int, err error) {
	ctx, cancel := context.WithDeadline(ctx, over)
	defer cancel()
	err = e.reader.QueryRowContext(ctx, `SELECT count(*) FROM leases WHERE seen < $1 AND id <> $2`, epoch, e.own()).Scan(&n)
	return n, err
}

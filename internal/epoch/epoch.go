// Package epoch keeps true what replicas remember of the database: no request that is received after a
// change was acknowledged is answered from before it, by any replica.
//
// Every change of what is remembered raises the epoch, in its own transaction. A replica looks at it many
// times a second, forgets what it remembers when it was raised, notes in its lease that it did, and trusts
// its memory for less than a second after a look. A change is acknowledged when every lease has noted its
// epoch, or when that second is over and nobody trusts an older look any more. Docs: decision 16.
package epoch

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lookEvery is the time between looks that nothing wakes.
	lookEvery = 50 * time.Millisecond
	// lookFor is how long a look may take.
	lookFor = 500 * time.Millisecond
	// trust is how long memory is trusted after a look, counted from before it.
	trust = 900 * time.Millisecond
	// patience is how long a change waits for others to look: more than trust by what clocks may run apart.
	patience = time.Second
	// awaitPause is the time between looks at the leases.
	awaitPause = time.Millisecond
	// goodbyeFor is how long giving the lease back may take.
	goodbyeFor = time.Second
)

// Channel is that of PostgreSQL's NOTIFY on which replicas are told that the epoch was raised.
const Channel = "keytag_epoch"

// Epoch is one process's part. It is safe for concurrent use.
type Epoch struct {
	postgres bool
	// reader and writer are pools of the same database; what writer acknowledges survives.
	reader, writer *sql.DB

	lease      atomic.Pointer[string] // nil unless Follow runs
	generation atomic.Uint64
	looked     atomic.Pointer[look] // nil: memory is not trusted
	woken      chan struct{}

	mu       sync.Mutex
	forgiven int64 // epoch up to which everything is forgotten
}

// look is a look at the database that showed nothing new.
type look struct{ began time.Time }

// New is the part of a process that does not remember anything before Follow.
func New(postgres bool, reader, writer *sql.DB) *Epoch {
	return &Epoch{postgres: postgres, reader: reader, writer: writer, woken: make(chan struct{}, 1)}
}

// Now is the generation of what may be remembered now, and false when nothing may. What was read from
// the database is remembered under the generation that was told before it was read.
func (e *Epoch) Now() (generation uint64, ok bool) {
	l := e.looked.Load()
	if l == nil {
		return 0, false
	}
	now := time.Now()
	// The monotonic clock may stand still while the machine sleeps, the other may be set back.
	return e.generation.Load(), now.Sub(l.began) < trust && now.Round(0).Sub(l.began.Round(0)) < trust
}

// Raise is the last statement of a transaction that changed what replicas remember. Await is to be
// called with the epoch when it is committed.
func (e *Epoch) Raise(ctx context.Context, tx *sql.Tx) (epoch int64, err error) {
	const raise = `INSERT INTO epochs (id, value) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET value = epochs.value + 1 RETURNING value`
	lease := ""
	if own := e.lease.Load(); own != nil {
		lease = *own // this process forgets in Await, and need not be waited for
	}
	if e.postgres {
		err = tx.QueryRowContext(ctx, `WITH raised AS (`+raise+`), own AS (UPDATE leases SET seen = raised.value FROM raised WHERE id = $1)
			SELECT value FROM (SELECT value, pg_notify($2, '') FROM raised) AS told`, lease, Channel).Scan(&epoch)
	} else if err = tx.QueryRowContext(ctx, raise).Scan(&epoch); err == nil {
		_, err = tx.ExecContext(ctx, `UPDATE leases SET seen = $1 WHERE id = $2`, epoch, lease)
	}
	if err != nil {
		return 0, fmt.Errorf("raise the epoch: %w", err)
	}
	return epoch, nil
}

// Await returns when no process answers from before a committed epoch any more, whatever becomes of the
// request meanwhile: within milliseconds, after a good second when another process does not look.
func (e *Epoch) Await(epoch int64) {
	e.forget(epoch)
	if hooks.noBarrier {
		return
	}
	over := time.Now().Add(patience)
	for pause := awaitPause; time.Now().Before(over); pause = min(pause*3/2, 10*awaitPause) {
		if behind, err := e.behind(epoch, over); err == nil && behind == 0 {
			return
		}
		time.Sleep(min(pause, time.Until(over)))
	}
	// Whoever has not noted the epoch by now trusts nothing that is older, and notes itself anew before it
	// trusts again: later changes need not wait for it.
	ctx, cancel := context.WithTimeout(context.Background(), lookFor)
	defer cancel()
	_, _ = e.writer.ExecContext(ctx, `DELETE FROM leases WHERE seen < $1`, epoch)
}

// AwaitUnknown is Await when it is not known whether the epoch was committed.
func (e *Epoch) AwaitUnknown() {
	e.generation.Add(1)
	time.Sleep(patience)
}

// behind is how many other processes have not noted an epoch.
func (e *Epoch) behind(epoch int64, over time.Time) (n int, err error) {
	ctx, cancel := context.WithDeadline(context.Background(), over)
	defer cancel()
	lease := ""
	if own := e.lease.Load(); own != nil {
		lease = *own
	}
	err = e.reader.QueryRowContext(ctx, `SELECT count(*) FROM leases WHERE seen < $1 AND id <> $2`, epoch, lease).Scan(&n)
	return n, err
}

// forget makes what was remembered before an epoch worthless, once.
func (e *Epoch) forget(epoch int64) {
	if hooks.stale > 0 {
		time.AfterFunc(hooks.stale, func() { e.forgetNow(epoch) })
		return
	}
	e.forgetNow(epoch)
}

func (e *Epoch) forgetNow(epoch int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if epoch > e.forgiven {
		e.forgiven = epoch
		e.generation.Add(1)
	}
}

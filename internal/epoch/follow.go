package epoch

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"log/slog"
	"time"
)

// Follow lets this process remember, until ctx ends. It is called once.
func (e *Epoch) Follow(ctx context.Context, log *slog.Logger) {
	lease := rand.Text()
	e.lease.Store(&lease)
	defer e.leave(lease)
	for failed := false; ctx.Err() == nil; {
		err := e.look(ctx, lease)
		if ctx.Err() == nil && (err != nil) != failed {
			if failed = err != nil; failed {
				log.Warn("keys are not answered from memory", "error", err)
			} else {
				log.Info("keys are answered from memory again")
			}
		}
		select {
		case <-ctx.Done():
		case <-e.woken:
		case <-time.After(lookEvery):
		}
	}
}

// Wake has Follow look at once.
func (e *Epoch) Wake() {
	if hooks.deaf {
		return
	}
	select {
	case e.woken <- struct{}{}:
	default: // it is about to
	}
}

// What a look asks for: the epoch, what the lease has noted, and whether a change is about to be committed.
const (
	lookSQLite   = `SELECT (SELECT value FROM epochs WHERE id = 1), (SELECT seen FROM leases WHERE id = $1), false`
	lookPostgres = `SELECT (SELECT value FROM epochs WHERE id = 1), (SELECT seen FROM leases WHERE id = $1), EXISTS (
		SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = $2 AND objid = $3 AND objsubid = 2 AND granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`
)

// look trusts memory anew when, at one moment after it began, the lease has noted the epoch there is, and no
// change is about to be committed.
func (e *Epoch) look(ctx context.Context, lease string) error {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	query, args := lookSQLite, []any{lease}
	if e.postgres {
		query, args = lookPostgres, append(args, lockClass, lockObject)
	}
	for {
		began, announced := time.Now(), e.announcedByNow()
		var epoch, seen sql.NullInt64
		var changing bool
		if err := e.reader.QueryRowContext(ctx, query, args...).Scan(&epoch, &seen, &changing); err != nil {
			return fmt.Errorf("look at the epoch: %w", err)
		}
		e.forget(epoch.Int64)
		if seen.Valid && seen.Int64 == epoch.Int64 {
			if !changing {
				e.trust(began, announced)
			}
			return nil
		}
		// Whatever was remembered under this epoch, or one of the same number before the database lost some, is not
		// vouched for by the lease.
		e.lapse()
		if err := e.note(ctx, lease, epoch.Int64); err != nil {
			return fmt.Errorf("note the epoch: %w", err)
		}
	}
}

func (e *Epoch) announcedByNow() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.announced
}

// trust trusts memory by a look, unless this process has announced a change since it began: then the lease may
// have noted what the look did not see.
func (e *Epoch) trust(began time.Time, announced uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.changes == 0 && e.announced == announced {
		e.looked.Store(&look{began})
	}
}

// note writes that this process has forgotten up to an epoch. A note that arrives late takes nothing back.
func (e *Epoch) note(ctx context.Context, lease string, epoch int64) error {
	_, err := e.writer.ExecContext(ctx, `INSERT INTO leases (id, seen) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET seen = excluded.seen
		WHERE leases.seen < excluded.seen`, lease, epoch)
	return err
}

func (e *Epoch) leave(lease string) {
	e.looked.Store(nil)
	e.lease.Store(nil)
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeFor)
	defer cancel()
	_, _ = e.writer.ExecContext(ctx, `DELETE FROM leases WHERE id = $1`, lease) // else a change waits for it once
}

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
	select {
	case e.woken <- struct{}{}:
	default: // it is about to
	}
}

// look trusts memory anew when, at one moment after it began, the lease has noted the epoch there is.
func (e *Epoch) look(ctx context.Context, lease string) error {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	for {
		began := time.Now()
		var epoch, seen sql.NullInt64
		if err := e.reader.QueryRowContext(ctx, `SELECT (SELECT value FROM epochs WHERE id = 1), (SELECT seen FROM leases WHERE id = $1)`, lease).
			Scan(&epoch, &seen); err != nil {
			return fmt.Errorf("look at the epoch: %w", err)
		}
		e.forget(epoch.Int64)
		if seen.Valid && seen.Int64 == epoch.Int64 {
			e.looked.Store(&look{began})
			return nil
		}
		if err := e.note(ctx, lease, epoch.Int64); err != nil {
			return fmt.Errorf("note the epoch: %w", err)
		}
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

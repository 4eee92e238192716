// Package worker is how time comes in: it finds what is due and lets keys and alert do it. Any number of
// workers share one database; what one has taken and not finished when it dies, another takes up.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/store"
)

const (
	// Interval is how often a worker looks for what is due.
	Interval = time.Second
	// concurrency is how many jobs one worker has under way at most, and perLane how many of those
	// go to one place, such as a host: a slow one holds up its own and nobody else's.
	concurrency = 32
	perLane     = 4
	// limit bounds one attempt; it is shorter than the lease, so that no two replicas are at one job.
	limit = 45 * time.Second
	// tidyBatch is how many old jobs are deleted at a time.
	tidyBatch = 500
)

// Worker does what is due.
type Worker struct {
	Store  *store.Store
	Keys   *keys.Authority
	Alerts *alert.Alerts
	Clock  func() time.Time
	Log    *slog.Logger

	mu    sync.Mutex
	lanes map[string]int // jobs under way
	total int
	group sync.WaitGroup
}

// Run works until ctx is done, and returns when what is under way has been finished.
func (w *Worker) Run(ctx context.Context) {
	defer w.group.Wait()
	for {
		if err := w.once(ctx); err != nil && ctx.Err() == nil {
			w.Log.ErrorContext(ctx, "worker", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(Interval):
		}
	}
}

// Tick does everything that is due now, and returns when it is done.
func (w *Worker) Tick(ctx context.Context) error {
	for {
		err := w.once(ctx)
		w.group.Wait()
		if err != nil || !w.more(ctx) {
			return err
		}
	}
}

// more reports whether something is due still.
func (w *Worker) more(ctx context.Context) bool {
	due, err := queue.Due(ctx, w.Store, w.Clock())
	return err == nil && due
}

// once finds what is due: keys and rotations are seen to on the spot, jobs are begun.
func (w *Worker) once(ctx context.Context) error {
	return errors.Join(
		drain(ctx, w.Keys.RotateDue),
		drain(ctx, w.Keys.ExpireClaims),
		drain(ctx, w.Alerts.Remind),
		w.begin(ctx),
		w.tidy(ctx),
	)
}

// drain calls do until it finds nothing, or fails.
func drain(ctx context.Context, do func(context.Context) (int, error)) error {
	for {
		if n, err := do(ctx); n == 0 || err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// begin takes jobs that are due and begins them, as many as may be under way.
func (w *Worker) begin(ctx context.Context) error {
	for ctx.Err() == nil {
		free, full := w.capacity()
		if free == 0 {
			return nil
		}
		taken, err := queue.Take(ctx, w.Store, w.Clock(), free, perLane, full)
		if err != nil || len(taken) == 0 {
			return err
		}
		for _, row := range taken {
			w.start(row.Lane, 1)
			w.group.Go(func() {
				defer w.start(row.Lane, -1)
				w.attempt(context.WithoutCancel(ctx), row)
			})
		}
	}
	return nil
}

func (w *Worker) start(lane string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lanes == nil {
		w.lanes = map[string]int{}
	}
	w.total += n
	if w.lanes[lane] += n; w.lanes[lane] == 0 {
		delete(w.lanes, lane)
	}
}

// capacity is how many jobs may be begun, and which lanes are full.
func (w *Worker) capacity() (free int, full []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for lane, n := range w.lanes {
		if n >= perLane {
			full = append(full, lane)
		}
	}
	return concurrency - w.total, full
}

// attempt does one job once. A fault of ours leaves it to its lease: it is taken up again then.
func (w *Worker) attempt(ctx context.Context, row *db.Job) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			w.Log.ErrorContext(ctx, "job", "job", row.ID, "kind", string(row.Kind), "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
		}
	}()
	if err := w.do(ctx, row); err != nil {
		w.Log.ErrorContext(ctx, "job", "job", row.ID, "kind", string(row.Kind), "error", err)
	}
}

func (w *Worker) do(ctx context.Context, row *db.Job) error {
	switch row.Kind {
	case job.Alert:
		return w.Alerts.Send(ctx, row)
	case job.Mail:
		return w.Alerts.SendMail(ctx, row)
	case job.Webhook:
		return w.Keys.DeliverWebhook(ctx, row)
	}
	return fmt.Errorf("a job of an unknown kind: %s", row.Kind)
}

// tidy deletes what nobody looks at any more.
func (w *Worker) tidy(ctx context.Context) error {
	_, err := queue.Tidy(ctx, w.Store, w.Clock(), tidyBatch)
	return err
}

// Package worker is how time comes in: it finds what is due and lets keys and alert do it. Any number of
// workers share one database; what one has taken and not finished when it dies, another takes up.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"sync"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/telemetry"
)

const (
	// Interval is how often a worker looks for what is due.
	Interval = time.Second
	// concurrency is how many jobs one worker has under way at most, and perLane how many of those
	// go to one place, such as a host: a slow one holds up its own and nobody else's, unless very
	// many are slow at once.
	concurrency = 128
	perLane     = 4
	// outward is how many of them webhooks may be: what stays inside and mail never wait for hosts.
	outward = 112
	// limit bounds one attempt: an e-mail may take 20 s, and is noted then. It is shorter than the
	// lease, so that no two replicas are at one job.
	limit = job.Lease - 5*time.Second
	// tidyInterval is how often old jobs are deleted, tidyBatch how many at a time.
	tidyInterval = time.Hour
	tidyBatch    = 500
)

// Worker does what is due.
type Worker struct {
	Store  *store.Store
	Keys   *keys.Authority
	Alerts *alert.Alerts
	Clock  func() time.Time
	Log    *slog.Logger

	tidied time.Time

	mu    sync.Mutex
	lanes map[string]int // jobs under way
	total int
	freed chan struct{} // gets a value when a job has ended that others may have waited for
	group sync.WaitGroup
}

// Run works until ctx is done, and returns when what is under way has been finished.
func (w *Worker) Run(ctx context.Context) {
	w.freed = make(chan struct{}, 1)
	var loops sync.WaitGroup
	// Side by side: that many keys are due at once for one makes none of the others late.
	loops.Go(func() { w.repeat(ctx, nil, w.rotate) })
	loops.Go(func() { w.repeat(ctx, nil, w.remind) })
	loops.Go(func() { w.repeat(ctx, w.freed, w.begin) })
	loops.Wait()
	w.group.Wait()
}

// repeat does something at every Interval, and when it is woken.
func (w *Worker) repeat(ctx context.Context, woken <-chan struct{}, do func(context.Context) error) {
	for {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			w.Log.ErrorContext(ctx, "worker", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-woken:
		case <-time.After(Interval):
		}
	}
}

// Tick does everything that is due now, and returns when it is done.
func (w *Worker) Tick(ctx context.Context) error {
	for {
		err := errors.Join(w.rotate(ctx), w.remind(ctx), w.begin(ctx))
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

// rotate begins the rotations that are due, and gives up those that nobody claimed.
func (w *Worker) rotate(ctx context.Context) error {
	if alive, err := w.Keys.Alive(ctx); !alive {
		return err
	}
	return errors.Join(drain(ctx, w.Keys.RotateDue), drain(ctx, w.Keys.ExpireClaims))
}

// remind tells of the ends of keys, and deletes what nobody looks at any more.
func (w *Worker) remind(ctx context.Context) error {
	if alive, err := w.Keys.Alive(ctx); !alive {
		return err
	}
	return errors.Join(drain(ctx, w.Alerts.Remind), w.tidy(ctx))
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
		free, lanes := w.capacity()
		if free == 0 {
			return nil
		}
		var only []string
		inside := lanes[queue.Inside] + lanes[queue.Mail]
		if out := concurrency - free - inside; out >= outward {
			only = []string{queue.Inside, queue.Mail}
		} else {
			free = min(free, outward-out)
		}
		taken, err := queue.Take(ctx, w.Store, w.Clock(), free, perLane, lanes, only...)
		if err != nil || len(taken) == 0 {
			return err
		}
		for _, row := range taken {
			w.started(row.Lane)
			w.group.Go(func() {
				defer w.ended(row.Lane)
				w.attempt(context.WithoutCancel(ctx), row)
			})
		}
	}
	return nil
}

func (w *Worker) started(lane string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lanes == nil {
		w.lanes = map[string]int{}
	}
	w.total++
	w.lanes[lane]++
}

func (w *Worker) ended(lane string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.total >= outward || w.lanes[lane] == perLane {
		select {
		case w.freed <- struct{}{}:
		default: // has one that is still to be heard, or nobody listens
		}
	}
	w.total--
	if w.lanes[lane]--; w.lanes[lane] == 0 {
		delete(w.lanes, lane)
	}
}

// capacity is how many jobs may be begun, and how many are under way in each lane.
func (w *Worker) capacity() (free int, lanes map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return concurrency - w.total, maps.Clone(w.lanes)
}

// attempt does one job once. What fails by a fault of ours is tried again like anything else, and given
// up in the end.
func (w *Worker) attempt(ctx context.Context, row *db.Job) {
	began := time.Now()
	ctx, span := telemetry.Begin(ctx, "job "+string(row.Kind))
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var err error
	if row.Attempts > job.MaxAttempts {
		err = errors.New("taken too often: it may have ended its process")
	} else {
		err = w.do(limited, row)
	}
	outcome, level := "failed", slog.LevelError
	if err != nil {
		// If this fails too, the job is taken up again when its lease has run out.
		err = errors.Join(err, w.failed(ctx, row))
	} else {
		outcome, level = queue.Outcome(ctx, w.Store, row), slog.LevelInfo
	}
	span.Text("keytag.job", row.ID)
	span.Text("keytag.outcome", outcome)
	span.End(err != nil)
	telemetry.Jobs.Add(telemetry.JobAttempt{Kind: string(row.Kind), Outcome: outcome})
	line := []slog.Attr{
		slog.String("job", row.ID), slog.String("kind", string(row.Kind)), slog.String("key", row.KeyID), slog.Int("attempt", row.Attempts),
		slog.String("outcome", outcome), slog.Int64("duration_us", time.Since(began).Microseconds()),
	}
	if err != nil {
		line = append(line, slog.String("error", err.Error()))
	}
	w.Log.LogAttrs(ctx, level, "job", line...)
}

func (w *Worker) failed(ctx context.Context, row *db.Job) error {
	if row.Kind == job.Webhook { // a rotation may depend on it
		return w.Keys.WebhookFailed(ctx, row)
	}
	return queue.Fail(ctx, w.Store, w.Clock(), row)
}

func (w *Worker) do(ctx context.Context, row *db.Job) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
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
	now := w.Clock()
	if now.Before(w.tidied.Add(tidyInterval)) {
		return nil
	}
	w.tidied = now
	return drain(ctx, func(ctx context.Context) (int, error) { return queue.Tidy(ctx, w.Store, now, tidyBatch) })
}

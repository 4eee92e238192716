// Package queue keeps jobs: added in the transaction of the change that causes them, taken by any
// number of replicas, tried again when they fail or their replica dies. What a job does is told by
// those who add it; the rules of its states stand in internal/job.
package queue

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db"
	entjob "github.com/keytag/keytag/ent/db/job"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// Job is one to be added. The key is the one it is about; empty members are not stored.
type Job struct {
	Kind           job.Kind
	Key            *db.APIKey
	Lane           string
	At             time.Time
	AlertSourceID  *string
	NotificationID *string
	RotationID     *string
	MessageID      *string
	Event          string
}

// Add schedules a job in the transaction of the change that causes it, and answers its id.
func Add(ctx context.Context, tx *store.Tx, now time.Time, j Job) (string, error) {
	id := typeid.New(typeid.AlertJob, now)
	return id, tx.Job.Create().
		SetID(id).
		SetOrganizationID(j.Key.OrganizationID).
		SetOwnerID(j.Key.OwnerID).
		SetFamilyID(j.Key.FamilyID).
		SetKeyID(j.Key.ID).
		SetKind(j.Kind).
		SetStatus(job.Scheduled).
		SetLane(j.Lane).
		SetScheduledFor(j.At).
		SetRunAt(j.At).
		SetNillableAlertSourceID(j.AlertSourceID).
		SetNillableNotificationID(j.NotificationID).
		SetNillableRotationID(j.RotationID).
		SetNillableMessageID(j.MessageID).
		SetEvent(j.Event).
		SetCreatedAt(now).
		Exec(principal.System(ctx))
}

// Change alters a job that has not started: its instant, its alert source and its lane. It reports
// false, and changes nothing, when the job has started or is over.
func Change(ctx context.Context, tx *store.Tx, id string, at time.Time, alertSourceID, lane string) (bool, error) {
	n, err := tx.Job.Update().
		Where(entjob.ID(id), entjob.StatusEQ(job.Scheduled)).
		SetScheduledFor(at).
		SetRunAt(at).
		SetAlertSourceID(alertSourceID).
		SetLane(lane).
		Save(principal.System(ctx))
	return n == 1, err
}

// Cancel ends a job that has not started. It reports false, and changes nothing, when the job has
// started or is over.
func Cancel(ctx context.Context, tx *store.Tx, now time.Time, id string) (bool, error) {
	n, err := tx.Job.Update().
		Where(entjob.ID(id), entjob.StatusEQ(job.Scheduled)).
		SetStatus(job.Canceled).
		SetFinishedAt(now).
		Save(principal.System(ctx))
	return n == 1, err
}

// Lanes that lead to no webhook: into this server, and to its mail server.
const (
	Inside = ""
	Mail   = "mail"
)

// Take claims up to limit jobs that are due at now, the longest due first. Lanes tells how many jobs
// the caller has under way in each lane; it gets no more than perLane there. Whoever takes a job has
// job.Lease to finish it; then it is due again. Of replicas that ask at once none gets what another got.
// With only, jobs of other lanes are left.
func Take(ctx context.Context, s *store.Store, now time.Time, limit, perLane int, lanes map[string]int, only ...string) ([]*db.Job, error) {
	ctx = principal.System(ctx)
	var full []string
	for lane, n := range lanes {
		if n >= perLane {
			full = append(full, lane)
		}
	}
	// Mostly there is nothing, and no transaction is needed to see that.
	if found, err := due(s.Client, now, full, only).Exist(ctx); err != nil || !found {
		return nil, err
	}
	var taken []*db.Job
	err := s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		q := due(tx.Client, now, full, only)
		if tx.Dialect() == dialect.Postgres { // SQLite has one writer
			q.ForUpdate(sql.WithLockAction(sql.SkipLocked))
		}
		rows, err := q.Limit(limit).All(ctx)
		if err != nil {
			return err
		}
		taken = nil
		var ids []string
		until := now.Add(job.Lease)
		lanes := maps.Collect(maps.All(lanes)) // a copy, as this may run again
		for _, row := range rows {
			if lanes[row.Lane] >= perLane {
				continue
			}
			lanes[row.Lane]++
			row.Status, row.Attempts, row.RunAt = job.Running, row.Attempts+1, until
			if row.StartedAt == nil {
				row.StartedAt = &now
			}
			taken, ids = append(taken, row), append(ids, row.ID)
		}
		if len(ids) == 0 {
			return nil
		}
		// One statement: on PostgreSQL a second update of a row checks its foreign keys, and so waits for
		// whoever changes the key, who in turn may wait for the job.
		return tx.Job.Update().Where(entjob.IDIn(ids...)).SetStatus(job.Running).AddAttempts(1).SetRunAt(until).
			Modify(func(u *sql.UpdateBuilder) {
				u.Set(entjob.FieldStartedAt, sql.ExprFunc(func(b *sql.Builder) {
					b.WriteString("coalesce(").Ident(entjob.FieldStartedAt).WriteString(", ").Arg(now).WriteString(")")
				}))
			}).Exec(ctx)
	})
	return taken, err
}

// due are the jobs that may be taken at now, without those of some lanes, or only those of some, the
// longest due first.
func due(client *db.Client, now time.Time, without, only []string) *db.JobQuery {
	q := client.Job.Query().Where(entjob.FinishedAtIsNil(), entjob.RunAtLTE(now))
	if len(without) > 0 {
		q.Where(entjob.LaneNotIn(without...))
	}
	if len(only) > 0 {
		q.Where(entjob.LaneIn(only...))
	}
	return q.Order(db.Asc(entjob.FieldRunAt, entjob.FieldID))
}

// Done ends a job that was taken, in the transaction of what it did. It reports false, and changes
// nothing, when its lease had run out and another has taken it since.
func Done(ctx context.Context, tx *store.Tx, now time.Time, taken *db.Job) (bool, error) {
	return end(ctx, tx, now, taken, job.Completed, nil)
}

// GiveUp ends a job that was taken without its having done what it should. It reports as Done does.
func GiveUp(ctx context.Context, tx *store.Tx, now time.Time, taken *db.Job, why string) (bool, error) {
	return end(ctx, tx, now, taken, job.Error, &why)
}

func end(ctx context.Context, tx *store.Tx, now time.Time, taken *db.Job, status job.Status, why *string) (bool, error) {
	update := held(tx, taken).SetStatus(status).SetFinishedAt(now).SetRunAt(now)
	if why == nil {
		update.ClearLastError()
	} else {
		update.SetLastError(*why)
	}
	n, err := update.Save(principal.System(ctx))
	return n == 1, err
}

// Retry puts a job that was taken, and failed, back until its next attempt, and reports whether there
// is one; else the job is to be given up.
func Retry(ctx context.Context, tx *store.Tx, now time.Time, taken *db.Job, why string) (bool, error) {
	next, ok := job.NextAttempt(now, taken.Attempts)
	if !ok {
		return false, nil
	}
	return true, held(tx, taken).SetRunAt(next).SetLastError(why).Exec(principal.System(ctx))
}

// Fail puts a job that was taken, and failed by a fault of ours, back until its next attempt, or gives
// it up after the last.
func Fail(ctx context.Context, s *store.Store, now time.Time, taken *db.Job) error {
	const why = "internal error; the server's log tells more"
	return s.Write(principal.System(ctx), func(ctx context.Context, tx *store.Tx) error {
		if again, err := Retry(ctx, tx, now, taken, why); again || err != nil {
			return err
		}
		_, err := GiveUp(ctx, tx, now, taken, why)
		return err
	})
}

// Outcome is what an attempt of a job that was taken came to: completed, retried, error, canceled, or lost when
// another replica has taken it since, or nobody can tell.
func Outcome(ctx context.Context, s *store.Store, taken *db.Job) string {
	row, err := s.Client.Job.Get(principal.System(ctx), taken.ID)
	switch {
	case err != nil || row.Attempts != taken.Attempts:
		return "lost"
	case IsFinished(row):
		return strings.ToLower(string(row.Status))
	}
	return "retried"
}

// Backlog is how many jobs are due, counted up to a limit.
func Backlog(ctx context.Context, s *store.Store, now time.Time, limit int) (int, error) {
	ids, err := due(s.Client, now, nil, nil).Limit(limit).IDs(principal.System(ctx))
	return len(ids), err
}

// held is an update of a job that works only while it is still the attempt that was taken.
func held(tx *store.Tx, taken *db.Job) *db.JobUpdate {
	return tx.Job.Update().Where(entjob.ID(taken.ID), entjob.StatusEQ(job.Running), entjob.AttemptsEQ(taken.Attempts))
}

// Finished are the states that a job does not leave.
var Finished = []job.Status{job.Completed, job.Error, job.Canceled}

// IsFinished reports whether a job is over.
func IsFinished(j *db.Job) bool { return slices.Contains(Finished, j.Status) }

// keep is how long finished jobs can be looked at.
const keep = 90 * 24 * time.Hour

// Tidy deletes up to limit jobs that have been over for 90 days and that nothing names any more, and
// answers how many.
func Tidy(ctx context.Context, s *store.Store, now time.Time, limit int) (n int, err error) {
	err = s.Write(principal.System(ctx), func(ctx context.Context, tx *store.Tx) error {
		ids, err := tx.Job.Query().
			Where(entjob.FinishedAtLT(now.Add(-keep)), unnamed).
			Limit(limit).IDs(ctx)
		if err != nil || len(ids) == 0 {
			return err
		}
		n, err = tx.Job.Delete().Where(entjob.IDIn(ids...)).Exec(ctx)
		return err
	})
	return n, err
}

// unnamed: no notification and no rotation shows the job.
func unnamed(s *sql.Selector) {
	for _, table := range []string{"notifications", "rotations"} {
		t := sql.Table(table)
		s.Where(sql.NotExists(sql.Dialect(s.Dialect()).Select(t.C("id")).From(t).Where(sql.ColumnsEQ(t.C("job_id"), s.C(entjob.FieldID)))))
	}
}

// Due reports whether a job is due at now.
func Due(ctx context.Context, s *store.Store, now time.Time) (bool, error) {
	return due(s.Client, now, nil, nil).Exist(principal.System(ctx))
}

package alert

import (
	"context"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	entjob "github.com/keytag/keytag/ent/db/job"
	"github.com/keytag/keytag/ent/db/notification"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// JobInput names an alert job.
type JobInput struct{ ID string }

// Worked is an alert job with its key after a change of the job.
type Worked struct {
	AlertJob *db.Job
	APIKey   *keys.View
}

// JobsByID are the alert jobs with these ids that the caller may see, by id.
func (a *Alerts) JobsByID(ctx context.Context, ids []string) (map[string]*db.Job, error) {
	rows, err := a.store.Client.Job.Query().
		Where(entjob.IDIn(ids...), entjob.KindEQ(job.Alert), entjob.HasAPIKeyWith(apikey.RemovedAtIsNil())).
		All(ctx)
	return store.By(func(j *db.Job) string { return j.ID }, rows, err)
}

// JobsFor are the jobs that were made for notifications, by the notification's id, each list oldest
// first.
func (a *Alerts) JobsFor(ctx context.Context, notificationIDs []string) (map[string][]*db.Job, error) {
	rows, err := a.store.Client.Job.Query().
		Where(entjob.NotificationIDIn(notificationIDs...)).
		Order(db.Asc(entjob.FieldCreatedAt, entjob.FieldID)).
		All(ctx)
	return store.Grouped(func(j *db.Job) string { return *j.NotificationID }, rows, err)
}

// Previous are those of the jobs made for a notification that had started before it was changed.
func Previous(n *db.Notification, jobs []*db.Job) []*db.Job {
	previous := make([]*db.Job, 0, len(jobs))
	for _, j := range jobs {
		if j.ID != n.JobID {
			previous = append(previous, j)
		}
	}
	return previous
}

// CancelJob cancels an alert job that has not started, and the notification that it is the job of. One
// that runs finishes, and its notification goes. User errors: InputError.
func (a *Alerts) CancelJob(ctx context.Context, in JobInput) (Worked, error) {
	return a.changeJob(ctx, in.ID, func(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, row *db.Job, current *db.Notification) error {
		if queue.IsFinished(row) {
			return fault.Input("alert_jobs.finished", "the alert job is "+string(row.Status)+" and cannot be cancelled", "id")
		}
		canceled, err := queue.Cancel(ctx, tx, now, row.ID)
		if err != nil {
			return err
		}
		switch {
		case current != nil:
			return drop(ctx, tx, now, key, current)
		case !canceled: // a previous job
			return fault.Input("alert_jobs.running", "the alert job has started and cannot be cancelled", "id")
		}
		return nil
	})
}

// DeleteJob deletes an alert job that does not run, and the notification that it is the job of. User
// errors: InputError.
func (a *Alerts) DeleteJob(ctx context.Context, in JobInput) (Worked, error) {
	return a.changeJob(ctx, in.ID, func(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, row *db.Job, current *db.Notification) error {
		if current != nil {
			if err := drop(ctx, tx, now, key, current); err != nil {
				return err
			}
		}
		n, err := tx.Job.Delete().Where(entjob.ID(row.ID), entjob.StatusNEQ(job.Running)).Exec(principal.System(ctx))
		switch {
		case err != nil:
			return err
		case n == 0:
			return fault.Input("alert_jobs.running", "the alert job is running and cannot be deleted now", "id")
		}
		return audit.Record(ctx, tx, audit.Event{At: now, Action: "alert_job.deleted", OrganizationID: key.OrganizationID, SubjectID: row.ID, OwnerID: key.OwnerID})
	})
}

// changeJob holds the key of a job and lets do change the job; current is the notification that shows
// it as its job, nil when it is a previous one or there is none.
func (a *Alerts) changeJob(ctx context.Context, id string, do func(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, row *db.Job, current *db.Notification) error) (Worked, error) {
	if err := typeid.Want(typeid.AlertJob, "id", id); err != nil {
		return Worked{}, err
	}
	now := a.now()
	var worked Worked
	err := a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		q := tx.Job.Query().Where(entjob.ID(id), entjob.KindEQ(job.Alert))
		row, err := q.Clone().Only(ctx)
		if db.IsNotFound(err) {
			return fault.NotFound("alert job", "id")
		}
		if err != nil {
			return err
		}
		key, err := keys.Hold(ctx, tx, row.KeyID)
		if err != nil {
			return err
		}
		system := principal.System(ctx)
		if row, err = readable(q.Clone().Only(system)); err != nil { // again, behind whoever held the key
			return err
		}
		if row == nil {
			return fault.NotFound("alert job", "id")
		}
		current, err := readable(tx.Notification.Query().Where(notification.JobID(id)).Only(system))
		if err != nil {
			return err
		}
		if err := do(ctx, tx, now, key, row, current); err != nil {
			return err
		}
		worked.APIKey = a.keys.View(ctx, key, now)
		worked.AlertJob, err = readable(q.Clone().Only(system))
		return err
	})
	if err != nil {
		return Worked{}, err
	}
	return worked, nil
}

package alert

import (
	"context"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/notification"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
	"github.com/keytag/keytag/internal/webhook"
)

// SetInput says when and through which source somebody is told of a key.
type SetInput struct {
	APIKeyID      string
	NotifyAt      time.Time
	AlertSourceID string
}

// CancelInput names the key whose notification is to go.
type CancelInput struct{ APIKeyID string }

// Notified is a key with its notification after a change of it.
type Notified struct {
	APIKey       *keys.View
	Notification *db.Notification
	Warnings     []string
}

// Set gives a key that has not ended its one notification, or changes it. While the job has not started
// the same job is changed; after that a new one is made, and the old one runs on. User errors:
// InputError, KeyNotLiveError.
func (a *Alerts) Set(ctx context.Context, in SetInput) (Notified, error) {
	if err := typeid.Want(typeid.APIKey, "apiKeyId", in.APIKeyID); err != nil {
		return Notified{}, err
	}
	now := a.now()
	var set Notified
	err := a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		key, err := keys.Hold(ctx, tx, in.APIKeyID)
		if err != nil {
			return onField("apiKeyId", err)
		}
		set.APIKey = a.keys.View(ctx, key, now)
		if status := set.APIKey.Status(); status.Ended() || status == lifecycle.Pending {
			ended := keys.NotLive(set.APIKey)
			ended.Fields = []string{"apiKeyId"}
			return ended
		}
		set.Notification, set.Warnings, err = a.set(ctx, tx, now, key, keys.NotificationInput{NotifyAt: in.NotifyAt, AlertSourceID: in.AlertSourceID})
		return err
	})
	if err != nil {
		return Notified{}, err
	}
	return set, nil
}

// onField names another field in an error about an id.
func onField(field string, err error) error {
	list, rest := fault.Split(err)
	if rest != nil {
		return rest
	}
	for _, e := range list {
		if e, ok := e.(*fault.InputError); ok {
			e.Fields = []string{field}
		}
	}
	return list.OrNil()
}

func (a *Alerts) notifyNew(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, in keys.NotificationInput) ([]string, error) {
	_, warnings, err := a.set(ctx, tx, now, key, in)
	return warnings, err
}

// set writes the notification of a held key.
func (a *Alerts) set(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, in keys.NotificationInput) (*db.Notification, []string, error) {
	at := lifecycle.Instant(in.NotifyAt)
	var faults fault.List
	if !at.After(now) {
		faults = append(faults, fault.Invalid("notifyAt must lie in the future", "notifyAt"))
	}
	if err := typeid.Want(typeid.AlertSource, "alertSourceId", in.AlertSourceID); err != nil {
		found, _ := fault.Split(err)
		return nil, nil, append(faults, found...)
	}
	source, err := take(principal.System(ctx), tx, "alertSourceId", in.AlertSourceID)
	if found, err := fault.Split(err); err != nil {
		return nil, nil, err
	} else if len(found) > 0 || source.OrganizationID != key.OrganizationID {
		return nil, nil, append(faults, fault.NotFound("alert source", "alertSourceId"))
	}
	if !source.Enabled {
		faults = append(faults, fault.Input("alert_sources.disabled", "the alert source is disabled", "alertSourceId"))
	}
	if len(faults) > 0 {
		return nil, nil, faults
	}
	warnings := []string{}
	if end := keys.ViewIn(key, now, time.UTC).EffectiveExpiresAt(); end != nil && !at.Before(*end) {
		warnings = append(warnings, "the key ends at "+end.Format(time.RFC3339Nano)+", before the notification; the alert will say so")
	}
	before, err := tx.Notification.Query().Where(notification.KeyID(key.ID)).Only(principal.System(ctx))
	switch {
	case db.IsNotFound(err):
		made, err := a.insert(ctx, tx, now, key, source, at)
		return made, warnings, err
	case err != nil:
		return nil, nil, err
	}
	after, err := a.replace(ctx, tx, now, key, source, at, before)
	return after, warnings, err
}

func (a *Alerts) insert(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, source *db.AlertSource, at time.Time) (*db.Notification, error) {
	id := typeid.New(typeid.Notification, now)
	jobID, err := schedule(ctx, tx, now, key, source, at, id)
	if err != nil {
		return nil, err
	}
	made, err := tx.Notification.Create().
		SetID(id).
		SetOrganizationID(key.OrganizationID).
		SetOwnerID(key.OwnerID).
		SetFamilyID(key.FamilyID).
		SetKeyID(key.ID).
		SetNotifyAt(at).
		SetAlertSourceID(source.ID).
		SetJobID(jobID).
		SetCreatedAt(now).
		SetUpdatedAt(now).
		Save(ctx)
	if err != nil {
		return nil, err
	}
	return made, recordNotification(ctx, tx, now, key, "api_key.notification_set", nil, made)
}

func (a *Alerts) replace(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, source *db.AlertSource, at time.Time, before *db.Notification) (*db.Notification, error) {
	jobID := before.JobID
	same, err := queue.Change(ctx, tx, jobID, at, source.ID, lane(source))
	if err != nil {
		return nil, err
	}
	if !same { // it has started: it runs on, and another takes its place
		if jobID, err = schedule(ctx, tx, now, key, source, at, before.ID); err != nil {
			return nil, err
		}
	}
	after, err := tx.Notification.UpdateOneID(before.ID).
		SetNotifyAt(at).SetAlertSourceID(source.ID).SetJobID(jobID).SetUpdatedAt(now).
		Save(principal.System(ctx))
	if err != nil {
		return nil, err
	}
	return after, recordNotification(ctx, tx, now, key, "api_key.notification_set", before, after)
}

func schedule(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, source *db.AlertSource, at time.Time, notificationID string) (string, error) {
	return queue.Add(ctx, tx, now, queue.Job{
		Kind: job.Alert, Key: key, Lane: lane(source), At: at, AlertSourceID: &source.ID, NotificationID: &notificationID,
	})
}

// lane is where the alerts of a source go.
func lane(s *db.AlertSource) string {
	switch s.Kind {
	case kindEmail:
		return queue.Mail
	case kindWebhook:
		return webhook.Host(s.URL)
	}
	return ""
}

// Cancel takes the notification of a key away, and cancels its job unless that has started. Without a
// notification it changes nothing. User errors: InputError.
func (a *Alerts) Cancel(ctx context.Context, in CancelInput) (Notified, error) {
	if err := typeid.Want(typeid.APIKey, "apiKeyId", in.APIKeyID); err != nil {
		return Notified{}, err
	}
	now := a.now()
	var canceled Notified
	err := a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		key, err := keys.Hold(ctx, tx, in.APIKeyID)
		if err != nil {
			return onField("apiKeyId", err)
		}
		canceled = Notified{APIKey: a.keys.View(ctx, key, now), Warnings: []string{}}
		return a.silence(ctx, tx, now, key)
	})
	if err != nil {
		return Notified{}, err
	}
	return canceled, nil
}

// silence takes the notification of a held key away, if it has one.
func (a *Alerts) silence(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey) error {
	n, err := tx.Notification.Query().Where(notification.KeyID(key.ID)).Only(principal.System(ctx))
	if db.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := queue.Cancel(ctx, tx, now, n.JobID); err != nil {
		return err
	}
	return drop(ctx, tx, now, key, n)
}

// drop deletes a notification whose job has been seen to.
func drop(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, n *db.Notification) error {
	if err := tx.Notification.DeleteOne(n).Exec(principal.System(ctx)); err != nil {
		return err
	}
	return recordNotification(ctx, tx, now, key, "api_key.notification_cancelled", n, nil)
}

func recordNotification(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, action string, before, after *db.Notification) error {
	if after == nil {
		after = &db.Notification{}
	}
	return audit.Record(ctx, tx, audit.Event{
		At: now, Action: action, OrganizationID: key.OrganizationID, SubjectID: key.ID, OwnerID: key.OwnerID,
		Changes: change.Between(before, after, notificationFields),
	})
}

var notificationFields = []change.Recorded[db.Notification]{
	{Name: "notifyAt", Value: func(n *db.Notification) *string {
		if n.NotifyAt.IsZero() {
			return nil
		}
		return change.Instant(&n.NotifyAt)
	}},
	{Name: "alertSourceId", Value: func(n *db.Notification) *string { return set(n.AlertSourceID) }},
	{Name: "jobId", Value: func(n *db.Notification) *string { return set(n.JobID) }},
}

// NotificationsOf are the notifications of keys, by the key's id, as far as the caller may see them.
func (a *Alerts) NotificationsOf(ctx context.Context, keyIDs []string) (map[string]*db.Notification, error) {
	rows, err := a.store.Client.Notification.Query().Where(notification.KeyIDIn(keyIDs...)).All(ctx)
	return store.By(func(n *db.Notification) string { return n.KeyID }, rows, err)
}

// NotificationsByID are the notifications with these ids that the caller may see, by id.
func (a *Alerts) NotificationsByID(ctx context.Context, ids []string) (map[string]*db.Notification, error) {
	rows, err := a.store.Client.Notification.Query().Where(notification.IDIn(ids...)).All(ctx)
	return store.By(func(n *db.Notification) string { return n.ID }, rows, err)
}

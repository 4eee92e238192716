package alert

import (
	"context"
	"errors"
	"strings"
	"time"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/reminder"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

const lookBatch = 200

// Remind looks at the keys of whose end there may be something to tell, tells it, and answers how many
// it looked at. When a key is looked at stands on it: never later than the next time there is
// something to tell, possibly earlier, since a use that moves the end does not move the look. Any
// number of replicas may do so at once.
func (a *Alerts) Remind(ctx context.Context) (int, error) {
	ctx = principal.System(ctx)
	now := a.now()
	ids, err := a.store.Client.APIKey.Query().
		Where(apikey.LookAtLTE(now)).
		Order(db.Asc(apikey.FieldLookAt)).
		Limit(lookBatch).
		IDs(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error { return a.look(ctx, tx, now, id) }))
	}
	return len(ids), errors.Join(errs...)
}

// look tells the owner of one key what there is to tell, and notes when to look again.
func (a *Alerts) look(ctx context.Context, tx *store.Tx, now time.Time, id string) error {
	q := tx.APIKey.Query().Where(apikey.ID(id), apikey.LookAtLTE(now)).
		WithOwner().WithProject().WithOrganization().WithEnvironment()
	if tx.Dialect() == dialect.Postgres { // SQLite has one writer
		q.ForUpdate()
	}
	key, err := q.Only(ctx)
	if db.IsNotFound(err) {
		return nil // another replica was first
	}
	if err != nil {
		return err
	}
	next, err := a.lookAt(ctx, tx, now, key)
	if err != nil {
		return err
	}
	update := tx.APIKey.UpdateOneID(id)
	if next == nil {
		update.ClearLookAt()
	} else {
		update.SetLookAt(*next)
	}
	return update.Exec(ctx)
}

// lookAt tells what there is to tell of a key, and answers when there may be more; nil when never.
func (a *Alerts) lookAt(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey) (*time.Time, error) {
	view := keys.ViewIn(key, now, zoneOf(key.Edges.Owner))
	end, because := view.EffectiveExpiresAt(), view.EndsBecause()
	switch {
	case key.RemovedAt != nil || key.RevokedAt != nil || key.ReplacedByID != nil || key.PendingSince != nil || end == nil:
		return nil, nil
	case view.Status().Ended():
		if *because != lifecycle.EndNotAccessed {
			return nil, nil
		}
		return nil, a.tellDisuse(ctx, tx, now, key, view)
	}
	since := key.CreatedAt
	if *because == lifecycle.EndNotAccessed && key.LastUsedAt != nil {
		since = *key.LastUsedAt
	}
	due, next := reminders(leadTimes(key.Edges.Organization, key.Edges.Project), since, now, *end)
	if due != nil {
		if err := a.remind(ctx, tx, now, key, view, *due, *end); err != nil {
			return next, err
		}
	}
	if *because == lifecycle.EndNotAccessed && next == nil {
		next = end // that it ended by disuse is told too
	}
	return next, nil
}

// leadTimes are how long before their end the owners of a project's keys are told.
func leadTimes(o *db.Organization, p *db.Project) []lifecycle.Period {
	return keys.NewPolicy(o, p).ReminderLeadTimes()
}

// reminders answers which of the lead times is due at now, the shortest if several are, and when the
// next one will be, nil when none. A lead time that had begun already when the end was set, at since, reminds
// nobody of anything.
func reminders(leads []lifecycle.Period, since, now, end time.Time) (due *lifecycle.Period, next *time.Time) {
	var latest time.Time
	for _, lead := range leads {
		switch at := lead.Back(end); {
		case !at.After(since):
		case at.After(now):
			if next == nil || at.Before(*next) {
				next = &at
			}
		case at.After(latest):
			due, latest = &lead, at
		}
	}
	return due, next
}

// remind tells the owner of a key of its end, once for each lead time and end.
func (a *Alerts) remind(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, view *keys.View, lead lifecycle.Period, end time.Time) error {
	told, err := tx.Reminder.Query().
		Where(reminder.KeyID(key.ID), reminder.EndsAt(end), reminder.Lead(lead.String())).
		Exist(ctx)
	if err != nil || told {
		return err
	}
	err = tx.Reminder.Create().
		SetID(typeid.New("rem", now)).
		SetOrganizationID(key.OrganizationID).
		SetKeyID(key.ID).
		SetLead(lead.String()).
		SetEndsAt(end).
		SetCreatedAt(now).
		Exec(ctx)
	if err != nil {
		return err
	}
	details, err := view.Details(nil)
	if err != nil {
		return err
	}
	return a.tell(ctx, tx, now, key, "API key "+key.Name+" ends soon", a.about(key, details.Message))
}

// tellDisuse tells the owner of a key that nobody used it any more.
func (a *Alerts) tellDisuse(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, view *keys.View) error {
	details, err := view.Details(nil)
	if err != nil {
		return err
	}
	err = audit.Record(ctx, tx, audit.Event{
		At: now, Action: "api_key.expired_by_inactivity", OrganizationID: key.OrganizationID, SubjectID: key.ID, OwnerID: key.OwnerID,
	})
	if err != nil {
		return err
	}
	return a.tell(ctx, tx, now, key, "API key "+key.Name+" has ended", a.about(key, details.Message))
}

// about is what the server tells by itself of a key.
func (a *Alerts) about(key *db.APIKey, details string) string {
	lines := []string{
		"API key " + key.Name + " (" + key.KeyPrefix + ") of " + key.Edges.Owner.DisplayName + ", project " + key.Edges.Project.Name + ".",
		details + ".",
	}
	if a.url != "" {
		lines = append(lines, a.url)
	}
	return strings.Join(lines, "\n\n")
}

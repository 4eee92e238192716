package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/predicate"
	"github.com/keytag/keytag/ent/db/reminder"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// lookBatch is how many keys are looked at in one transaction: many share the price of its commit, and
// what else is written does not wait for long.
const lookBatch = 200

// Remind looks at keys of whose end there may be something to tell, tells it, and answers how many it
// looked at. When a key is looked at stands on it: never later than the next time there is something to
// tell, possibly earlier, since a use that puts off the end leaves the look. Any number of replicas may do
// so at once.
func (a *Alerts) Remind(ctx context.Context) (int, error) {
	ctx = principal.System(ctx)
	now := a.now()
	due := a.store.Client.APIKey.Query().Where(apikey.LookAtLTE(now)).Order(db.Asc(apikey.FieldLookAt, apikey.FieldID)).Limit(lookBatch)
	// Mostly there is nothing, and no transaction is needed to see that.
	if found, err := due.Clone().Exist(ctx); err != nil || !found {
		return 0, err
	}
	n, err := a.look(ctx, now)
	if err == nil || ctx.Err() != nil {
		return n, err
	}
	// What is wrong with one key must not keep the owners of the others waiting.
	ids, err := due.IDs(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, id := range ids {
		if _, err := a.look(ctx, now, apikey.ID(id)); err != nil {
			errs = append(errs, fmt.Errorf("remind of %s: %w", id, err))
		}
	}
	return len(ids), errors.Join(errs...)
}

// look tells the owners of a batch of keys, of those given, what there is to tell, and notes when to look
// again.
func (a *Alerts) look(ctx context.Context, now time.Time, of ...predicate.APIKey) (n int, err error) {
	err = a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		q := tx.APIKey.Query().Where(of...).Where(apikey.LookAtLTE(now)).
			Order(db.Asc(apikey.FieldLookAt, apikey.FieldID)).Limit(lookBatch).
			WithOwner().WithProject().WithOrganization()
		if tx.Dialect() == dialect.Postgres { // SQLite has one writer
			q.ForUpdate(sql.WithLockAction(sql.SkipLocked))
		}
		due, err := q.All(ctx)
		if n = len(due); err != nil || n == 0 {
			return err
		}
		told, err := remindersOf(ctx, tx, due)
		if err != nil {
			return err
		}
		var b batch
		looks := make([]look, n)
		for i, key := range due {
			next, err := a.lookAt(ctx, tx, &b, now, key, told[key.ID])
			if err != nil {
				return err
			}
			looks[i] = look{ID: key.ID}
			if next != nil {
				looks[i].At = new(next.UnixMicro())
			}
		}
		if err := tx.Reminder.CreateBulk(b.reminders...).Exec(ctx); err != nil {
			return err
		}
		if err := b.write(ctx, tx, now); err != nil {
			return err
		}
		return writeLooks(ctx, tx, looks)
	})
	return n, err
}

// batch is what is written of a batch of keys at its end.
type batch struct {
	news
	reminders []*db.ReminderCreate
}

// look is when to look at a key again, in microseconds since 1970; nil: never.
type look struct {
	ID string `json:"id"`
	At *int64 `json:"at"`
}

// writeLooks writes those of a whole batch in one statement.
func writeLooks(ctx context.Context, tx *store.Tx, looks []look) error {
	rows, err := json.Marshal(looks)
	if err != nil {
		return err
	}
	statement := `UPDATE api_keys SET look_at = v.at
		FROM (SELECT value->>'id' AS id, value->>'at' AS at FROM json_each($1)) AS v WHERE api_keys.id = v.id`
	if tx.Dialect() == dialect.Postgres {
		statement = `UPDATE api_keys SET look_at = timestamptz 'epoch' + v.at * interval '1 microsecond'
			FROM json_to_recordset($1) AS v(id text, at bigint) WHERE api_keys.id = v.id`
	}
	_, err = tx.ExecContext(store.Beside(ctx), statement, string(rows))
	return err
}

// remindersOf are the reminders of keys that were given, by key.
func remindersOf(ctx context.Context, tx *store.Tx, of []*db.APIKey) (map[string][]*db.Reminder, error) {
	ids := make([]string, len(of))
	for i, key := range of {
		ids[i] = key.ID
	}
	rows, err := tx.Reminder.Query().Where(reminder.KeyIDIn(ids...)).All(ctx)
	told := map[string][]*db.Reminder{}
	for _, row := range rows {
		told[row.KeyID] = append(told[row.KeyID], row)
	}
	return told, err
}

// lookAt tells what there is to tell of a key, and answers when there may be more; nil when never.
func (a *Alerts) lookAt(ctx context.Context, tx *store.Tx, b *batch, now time.Time, key *db.APIKey, told []*db.Reminder) (*time.Time, error) {
	view := keys.ViewIn(key, now, zoneOf(key.Edges.Owner))
	end, because := view.EffectiveExpiresAt(), view.EndsBecause()
	switch {
	case !isReminded(key) || end == nil:
		return nil, nil
	case view.Status().Ended():
		if *because != lifecycle.EndNotAccessed {
			return nil, nil
		}
		return nil, a.tellDisuse(ctx, tx, b, now, key, view)
	}
	due, next := reminders(leadTimes(key.Edges.Organization, key.Edges.Project), setAt(key, *because), now, *end)
	if due != nil && !reminded(told, key, due.Back(*end), *end, *because) {
		if err := a.remind(tx, b, now, key, *due, *end); err != nil {
			return nil, err
		}
	}
	if *because == lifecycle.EndNotAccessed && next == nil {
		next = end // that it ended by disuse is told too
	}
	return next, nil
}

// isReminded reports whether anybody is reminded of the end of a key.
func isReminded(key *db.APIKey) bool {
	return key.RemovedAt == nil && key.RevokedAt == nil && key.ReplacedByID == nil && key.PendingSince == nil
}

// setAt is when the end of a key was set, by making or by using it.
func setAt(key *db.APIKey, because lifecycle.EndReason) time.Time {
	if because == lifecycle.EndNotAccessed {
		return latest(key.CreatedAt, key.LastUsedAt, key.UnusedSince)
	}
	return key.CreatedAt
}

// leadTimes are how long before their end the owners of a project's keys are told.
func leadTimes(o *db.Organization, p *db.Project) []lifecycle.Period {
	return keys.NewPolicy(o, p).ReminderLeadTimes()
}

// reminders answers which of the lead times is due at now, the shortest if several are, and when the
// next one will be, nil when none. A lead time that had begun already when the end was set, at since, reminds
// nobody of anything.
func reminders(leads []lifecycle.Period, since, now, end time.Time) (due *lifecycle.Period, next *time.Time) {
	var shortest time.Time
	for _, lead := range leads {
		switch at := lead.Back(end); {
		case !at.After(since):
		case at.After(now):
			if next == nil || at.Before(*next) {
				next = &at
			}
		case at.After(shortest):
			due, shortest = &lead, at
		}
	}
	return due, next
}

// reminded reports whether the owner was told of an end already, at the instant of a lead time or later.
// An end that was put off because no server ran is the same end to its owner.
func reminded(told []*db.Reminder, key *db.APIKey, at, end time.Time, because lifecycle.EndReason) bool {
	return slices.ContainsFunc(told, func(r *db.Reminder) bool {
		putOff := because == lifecycle.EndNotAccessed && key.UnusedSince != nil &&
			r.EndsAt.Before(end) && r.CreatedAt.After(latest(key.CreatedAt, key.LastUsedAt))
		return (r.EndsAt.Equal(end) || putOff) && r.EndsAt.Sub(r.CreatedAt) <= end.Sub(at)
	})
}

// latest is the last of some instants, of which those that are nil never came.
func latest(t time.Time, others ...*time.Time) time.Time {
	for _, other := range others {
		if other != nil && other.After(t) {
			t = *other
		}
	}
	return t
}

// remind tells the owner of a key of its end.
func (a *Alerts) remind(tx *store.Tx, b *batch, now time.Time, key *db.APIKey, lead lifecycle.Period, end time.Time) error {
	b.reminders = append(b.reminders, tx.Reminder.Create().
		SetID(typeid.New("rem", now)).
		SetOrganizationID(key.OrganizationID).
		SetKeyID(key.ID).
		SetLead(lead.String()).
		SetEndsAt(end).
		SetCreatedAt(now))
	awake := *key
	awake.SuspendedAt = nil // it ends all the same, and that is what there is to tell
	details, err := keys.ViewIn(&awake, now, zoneOf(key.Edges.Owner)).Details(nil)
	if err != nil {
		return err
	}
	a.add(&b.news, tx, now, key, "API key "+key.Name+" ends soon", a.about(key, details.Message))
	return nil
}

// tellDisuse tells the owner of a key that nobody used it any more.
func (a *Alerts) tellDisuse(ctx context.Context, tx *store.Tx, b *batch, now time.Time, key *db.APIKey, view *keys.View) error {
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
	a.add(&b.news, tx, now, key, "API key "+key.Name+" has ended", a.about(key, details.Message))
	return nil
}

// about is what the server tells by itself of a key.
func (a *Alerts) about(key *db.APIKey, details string) string {
	lines := []string{
		oneLine("API key " + key.Name + " (" + key.KeyPrefix + ") of " + key.Edges.Owner.DisplayName + ", project " + key.Edges.Project.Name + "."),
		details + ".",
	}
	if a.url != "" {
		lines = append(lines, a.url)
	}
	return strings.Join(lines, "\n\n")
}

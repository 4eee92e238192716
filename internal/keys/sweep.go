package keys

import (
	"context"
	"encoding/json"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/policysweep"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// sweepBatch is how many keys a changed policy goes through in one transaction.
const sweepBatch = 1000

// BeginSweep notes, in the transaction that changes a policy, that its keys have to follow, and
// returns the id to call Sweep with; reminders: also in when their owners are to be told.
func BeginSweep(ctx context.Context, tx *store.Tx, now time.Time, organizationID string, projectID *string, reminders bool) (string, error) {
	id := typeid.New("swp", now)
	return id, tx.PolicySweep.Create().
		SetID(id).
		SetOrganizationID(organizationID).
		SetNillableProjectID(projectID).
		SetReminders(reminders).
		SetCreatedAt(now).
		Exec(principal.System(ctx))
}

// ResumeSweeps finishes what a stop has interrupted.
func (a *Authority) ResumeSweeps(ctx context.Context) error {
	ids, err := a.store.Client.PolicySweep.Query().Order(db.Asc(policysweep.FieldID)).IDs(principal.System(ctx))
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := a.Sweep(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// Sweep ends every key that the policy, as it is now, ends earlier than before, in bounded batches.
// Each batch moves the stored cursor in its transaction, so any number of replicas may sweep the
// same, and none begins afresh.
func (a *Authority) Sweep(ctx context.Context, id string) error {
	ctx = principal.System(ctx)
	for done := false; !done; {
		now := a.now()
		err := a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
			var err error
			done, err = sweepOnce(ctx, tx, now, id)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sweepOnce does one batch and reports whether it was the last.
func sweepOnce(ctx context.Context, tx *store.Tx, now time.Time, id string) (bool, error) {
	// Moving the cursor onto itself takes the sweep: another replica waits and then goes on behind.
	sweep, err := tx.PolicySweep.UpdateOneID(id).Modify(keepCursor).Save(ctx)
	if db.IsNotFound(err) {
		return true, nil // another replica has finished it
	}
	if err != nil {
		return false, err
	}
	q := tx.APIKey.Query().Where(
		apikey.OrganizationID(sweep.OrganizationID),
		apikey.IDGT(sweep.Cursor),
		apikey.EffectiveExpiresAtGT(now),
		apikey.RemovedAtIsNil(), // as the indexes say it
	)
	if sweep.ProjectID != nil {
		q.Where(apikey.ProjectID(*sweep.ProjectID))
	}
	if tx.Dialect() == dialect.Postgres { // SQLite has one writer
		q.ForUpdate()
	}
	batch, err := q.Order(db.Asc(apikey.FieldID)).Limit(sweepBatch).
		Select(apikey.FieldID, apikey.FieldOrganizationID, apikey.FieldProjectID,
			apikey.FieldCreatedAt, apikey.FieldLastUsedAt, apikey.FieldUnusedSince, apikey.FieldPendingSince, apikey.FieldExpiresAt, apikey.FieldInactivityExpiresAt).
		WithProject().WithOrganization().All(ctx)
	if err != nil {
		return false, err
	}
	var earlier []ends
	for _, key := range batch {
		if to, changed := tightened(key, now); changed {
			earlier = append(earlier, to)
		}
	}
	if err := writeEnds(ctx, tx, now, earlier); err != nil {
		return false, err
	}
	if sweep.Reminders {
		ids := make([]string, len(batch))
		for i, key := range batch {
			ids[i] = key.ID
		}
		if err := tx.APIKey.Update().Where(apikey.IDIn(ids...)).SetLookAt(now).Exec(store.Beside(ctx)); err != nil {
			return false, err
		}
	}
	if len(batch) < sweepBatch {
		return true, tx.PolicySweep.DeleteOneID(id).Exec(ctx)
	}
	return false, tx.PolicySweep.UpdateOneID(id).SetCursor(batch[len(batch)-1].ID).Exec(ctx)
}

// ends are the two ends of a key that a policy sets, in microseconds since 1970.
type ends struct {
	ID         string `json:"id"`
	Expires    *int64 `json:"expires"`
	Inactivity *int64 `json:"inactivity"`
}

// tightened are the ends of a key brought forward to what its policy says, but not before now.
func tightened(key *db.APIKey, now time.Time) (to ends, changed bool) {
	policy := NewPolicy(key.Edges.Organization, key.Edges.Project)
	expires, inactivity := key.ExpiresAt, key.InactivityExpiresAt
	if end := later(now, policy.latestEnd(key.CreatedAt)); expires == nil || end.Before(*expires) {
		expires, changed = &end, true
	}
	if stated := policy.inactivityEnd(unusedSince(key)); stated != nil && key.PendingSince == nil {
		if end := later(now, *stated); inactivity == nil || end.Before(*inactivity) {
			inactivity, changed = &end, true
		}
	}
	return ends{key.ID, micros(expires), micros(inactivity)}, changed
}

// unusedSince is the instant from which disuse of a key counts.
func unusedSince(key *db.APIKey) time.Time {
	for _, at := range []*time.Time{key.UnusedSince, key.LastUsedAt} {
		if at != nil {
			return *at
		}
	}
	return key.CreatedAt
}

func micros(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	return new(t.UnixMicro())
}

// writeEnds writes the ends of a whole batch in one statement: one for each key would take minutes
// for a million.
func writeEnds(ctx context.Context, tx *store.Tx, now time.Time, batch []ends) error {
	if len(batch) == 0 {
		return nil
	}
	rows, err := json.Marshal(batch)
	if err != nil {
		return err
	}
	// A change by another replica may be later than now, where clocks differ; see instant.
	const change = `UPDATE api_keys SET updated_at = CASE WHEN updated_at > $1 THEN updated_at ELSE $1 END, look_at = $1, `
	statement := change + `expires_at = v.expires, inactivity_expires_at = v.inactivity
		FROM (SELECT value->>'id' AS id, value->>'expires' AS expires, value->>'inactivity' AS inactivity FROM json_each($2)) AS v
		WHERE api_keys.id = v.id`
	if tx.Dialect() == dialect.Postgres {
		statement = change + `
			expires_at = timestamptz 'epoch' + v.expires * interval '1 microsecond',
			inactivity_expires_at = timestamptz 'epoch' + v.inactivity * interval '1 microsecond'
		FROM json_to_recordset($2) AS v(id text, expires bigint, inactivity bigint)
		WHERE api_keys.id = v.id`
	}
	_, err = tx.ExecContext(ctx, statement, now, string(rows))
	return err
}

func keepCursor(u *sql.UpdateBuilder) {
	u.Set(policysweep.FieldCursor, sql.Expr(policysweep.FieldCursor))
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

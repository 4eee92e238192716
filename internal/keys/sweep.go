package keys

import (
	"context"
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
// returns the id to call Sweep with.
func BeginSweep(ctx context.Context, tx *store.Tx, now time.Time, organizationID string, projectID *string) (string, error) {
	id := typeid.New("swp", now)
	return id, tx.PolicySweep.Create().
		SetID(id).
		SetOrganizationID(organizationID).
		SetNillableProjectID(projectID).
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
	)
	if sweep.ProjectID != nil {
		q.Where(apikey.ProjectID(*sweep.ProjectID))
	}
	if tx.Dialect() == dialect.Postgres { // SQLite has one writer
		q.ForUpdate()
	}
	batch, err := q.Order(db.Asc(apikey.FieldID)).Limit(sweepBatch).WithProject().WithOrganization().All(ctx)
	if err != nil {
		return false, err
	}
	for _, key := range batch {
		if err := tighten(ctx, tx, now, key); err != nil {
			return false, err
		}
	}
	if len(batch) < sweepBatch {
		return true, tx.PolicySweep.DeleteOneID(id).Exec(ctx)
	}
	return false, tx.PolicySweep.UpdateOneID(id).SetCursor(batch[len(batch)-1].ID).Exec(ctx)
}

// tighten brings the ends of a key forward to what the policy says, but not before now.
func tighten(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey) error {
	policy := NewPolicy(key.Edges.Organization, key.Edges.Project)
	update := tx.APIKey.Update().Where(apikey.ID(key.ID))
	changed := false
	if end := later(now, policy.latestEnd(key.CreatedAt)); key.ExpiresAt == nil || end.Before(*key.ExpiresAt) {
		update.SetExpiresAt(end)
		changed = true
	}
	lastUse := key.CreatedAt
	if key.LastUsedAt != nil {
		lastUse = *key.LastUsedAt
	}
	if stated := policy.inactivityEnd(lastUse); stated != nil {
		if end := later(now, *stated); key.InactivityExpiresAt == nil || end.Before(*key.InactivityExpiresAt) {
			update.SetInactivityExpiresAt(end)
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return update.SetUpdatedAt(now).Exec(ctx)
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

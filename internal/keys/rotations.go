package keys

import (
	"context"
	"time"

	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/rotation"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
	"github.com/keytag/keytag/internal/webhook"
)

// Events that a rotation webhook tells of.
const (
	eventDue     = "api_key.rotation_due"
	eventRotated = "api_key.rotated"
	eventTest    = "webhook.test"
)

// Rotation is the replacement of a key as one request sees it.
type Rotation struct {
	*db.Rotation
	now time.Time
	old *View
}

// IsNode marks a rotation as having an id of its own.
func (Rotation) IsNode() {}

// Status is how far the rotation has come: a grace that is over completes it.
func (r *Rotation) Status() lifecycle.RotationStatus {
	if r.CompletedAt() != nil {
		return lifecycle.RotationCompleted
	}
	return r.Rotation.Status
}

// CompletedAt is when the old key's grace ended, nil before.
func (r *Rotation) CompletedAt() *time.Time {
	if r.Rotation.Status != lifecycle.InGrace || r.old == nil {
		return nil
	}
	if end := stateOf(r.old.APIKey, r.now); end.Status.Ended() {
		return end.EffectiveExpiresAt
	}
	return nil
}

// Old is the key that is replaced; nil when it is not known here.
func (r *Rotation) Old() *View { return r.old }

// Of is the rotation of a key that is known, nil for none.
func (r *Rotation) Of(old *View) *Rotation {
	if r == nil {
		return nil
	}
	return &Rotation{r.Rotation, r.now, old}
}

// Attempts is how often its webhook was tried.
func (r *Rotation) Attempts() int {
	if r.Edges.Job == nil {
		return 0
	}
	return r.Edges.Job.Attempts
}

// NextAttemptAt is when its webhook is tried next, nil when it is not.
func (r *Rotation) NextAttemptAt() *time.Time {
	if j := r.Edges.Job; j != nil && !queue.IsFinished(j) {
		return &j.RunAt
	}
	return nil
}

// LastError is why the last attempt failed, or why the rotation was given up; nil when neither.
func (r *Rotation) LastError() *string {
	if r.Rotation.LastError == nil && r.Edges.Job != nil {
		return r.Edges.Job.LastError
	}
	return r.Rotation.LastError
}

// LastRotations are the latest rotations of keys, by the key's id, as far as the caller may see them.
// They do not know their keys.
func (a *Authority) LastRotations(ctx context.Context, keyIDs []string) (map[string]*Rotation, error) {
	q := a.store.Client.Rotation.Query().Where(func(s *sql.Selector) {
		latest := sql.Dialect(s.Dialect()).Select(sql.Max(rotation.FieldID)).From(sql.Table(rotation.Table)).
			Where(sql.In(rotation.FieldOldKeyID, values(keyIDs)...)).GroupBy(rotation.FieldOldKeyID)
		s.Where(sql.In(s.C(rotation.FieldID), latest))
	})
	return a.rotations(ctx, q, func(r *Rotation) string { return r.OldKeyID })
}

// RotationsByID are the rotations with these ids that the caller may see, by id.
func (a *Authority) RotationsByID(ctx context.Context, ids []string) (map[string]*Rotation, error) {
	q := a.store.Client.Rotation.Query().Where(rotation.IDIn(ids...), rotation.HasOldKeyWith(apikey.RemovedAtIsNil())).WithOldKey()
	return a.rotations(ctx, q, func(r *Rotation) string { return r.ID })
}

func (a *Authority) rotations(ctx context.Context, q *db.RotationQuery, of func(*Rotation) string) (map[string]*Rotation, error) {
	rows, err := q.WithJob().All(ctx)
	now, views := a.now(), make([]*Rotation, len(rows))
	for i, row := range rows {
		views[i] = &Rotation{row, now, nil}
		if old := row.Edges.OldKey; old != nil {
			views[i].old = view(ctx, old, now)
		}
	}
	return store.By(of, views, err)
}

// announced is the automatic rotation of a held key that has begun and is not over, nil when there is
// none. A stalled one still is: its holder may claim late.
func announced(ctx context.Context, tx *store.Tx, keyID string) (*db.Rotation, error) {
	row, err := tx.Rotation.Query().
		Where(rotation.OldKeyID(keyID), rotation.Or(
			rotation.StatusIn(lifecycle.WaitingForClaim, lifecycle.Delivering),
			rotation.And(rotation.StatusEQ(lifecycle.Stalled), rotation.NewKeyIDIsNil()),
		)).
		Order(db.Desc(rotation.FieldID)).
		WithNewKey().WithJob().
		First(principal.System(ctx))
	if db.IsNotFound(err) {
		return nil, nil
	}
	return row, err
}

// makeWay clears what an automatic rotation has begun out of the way of another change of a held key,
// and answers the announcement that the change may complete. A successor that is pending is
// discarded, unless its secret may be on its way already: then the change has to wait.
func makeWay(ctx context.Context, tx *store.Tx, old *View) (*db.Rotation, error) {
	open, err := announced(ctx, tx, old.ID)
	if err != nil || open == nil {
		return nil, err
	}
	if open.Status != lifecycle.Delivering {
		if open.JobID != nil {
			_, err = queue.Cancel(ctx, tx, old.now, *open.JobID)
		}
		return open, err
	}
	canceled, err := queue.Cancel(ctx, tx, old.now, *open.JobID)
	if err != nil {
		return nil, err
	}
	if !canceled && open.Edges.Job.Status != job.Error { // given up for a fault of ours, it is on its way no more
		return nil, alreadyRotated(old.Beside(open.Edges.NewKey))
	}
	return nil, discard(ctx, tx, old.now, open, lifecycle.RotationCanceled, "")
}

// cancelRotation takes back what an automatic rotation of a held key has announced, if anything.
func (a *Authority) cancelRotation(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey) error {
	open, err := makeWay(ctx, tx, view(ctx, key, now))
	if err != nil || open == nil {
		return err
	}
	return closeRotation(ctx, tx, open, lifecycle.RotationCanceled, "")
}

// abandonRotation is cancelRotation for a key that is being ended by somebody: what is on its way is
// discarded too. A pending key that is ended takes its rotation with it.
func abandonRotation(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey) error {
	const why = "the key was ended"
	if key.PendingSince != nil {
		return tx.Rotation.Update().
			Where(rotation.NewKeyID(key.ID), rotation.StatusEQ(lifecycle.Delivering)).
			SetStatus(lifecycle.RotationCanceled).ClearSealedSecret().SetLastError(why).
			Exec(principal.System(ctx))
	}
	open, err := announced(ctx, tx, key.ID)
	if err != nil || open == nil {
		return err
	}
	if open.JobID != nil {
		if _, err := queue.Cancel(ctx, tx, now, *open.JobID); err != nil {
			return err
		}
	}
	return discard(ctx, tx, now, open, lifecycle.RotationCanceled, why)
}

// closeRotation ends a rotation that gave no successor.
func closeRotation(ctx context.Context, tx *store.Tx, open *db.Rotation, status lifecycle.RotationStatus, why string) error {
	update := tx.Rotation.UpdateOneID(open.ID).SetStatus(status).ClearSealedSecret().ClearClaimUntil()
	if why != "" {
		update.SetLastError(why)
	}
	return update.Exec(principal.System(ctx))
}

// discard is closeRotation for a rotation that may have a pending successor: that one will never work.
func discard(ctx context.Context, tx *store.Tx, now time.Time, open *db.Rotation, status lifecycle.RotationStatus, why string) error {
	if open.Status == lifecycle.Delivering && open.NewKeyID != nil {
		err := tx.APIKey.UpdateOneID(*open.NewKeyID).
			SetUpdatedAt(now).
			SetRevokedAt(now).
			SetRevocationReason(lifecycle.Superseded).
			SetRemovedAt(now).
			Exec(principal.System(ctx))
		if err != nil {
			return err
		}
		if err := deleteScopes(ctx, tx, *open.NewKeyID); err != nil {
			return err
		}
	}
	return closeRotation(ctx, tx, open, status, why)
}

// record notes that a held key was replaced: it completes what was announced, or is a rotation of its
// own. The webhook of the line, if it has one, is told, and the successor gets its turn.
func (a *Authority) record(ctx context.Context, tx *store.Tx, now time.Time, old, successor *db.APIKey, open *db.Rotation) error {
	system := principal.System(ctx)
	schedule, err := scheduleOf(system, tx.Client, old.FamilyID)
	if err != nil {
		return err
	}
	id := typeid.New(typeid.Rotation, now)
	if open != nil {
		id = open.ID
	}
	var told *string
	if schedule != nil && schedule.WebhookURL != nil {
		job, err := queue.Add(ctx, tx, now, queue.Job{
			Kind: job.Webhook, Key: old, Lane: webhook.Host(*schedule.WebhookURL), At: now, RotationID: &id, Event: eventRotated,
		})
		if err != nil {
			return err
		}
		told = &job
	}
	if open != nil {
		update := tx.Rotation.UpdateOneID(id).SetStatus(lifecycle.InGrace).SetNewKeyID(successor.ID).ClearClaimUntil().ClearLastError()
		if told != nil {
			update.SetJobID(*told)
		}
		if principal.From(ctx).KeyID == old.ID { // its holder has claimed it, and may lose the reply
			update.SetClaimedAt(now)
		}
		err = update.Exec(system)
	} else {
		err = newRotation(tx, now, id, old, lifecycle.InGrace).SetAutomatic(false).
			SetNewKeyID(successor.ID).SetNillableJobID(told).Exec(system)
	}
	if err != nil {
		return err
	}
	return a.proceed(ctx, tx, now, schedule, old, successor)
}

func newRotation(tx *store.Tx, now time.Time, id string, old *db.APIKey, status lifecycle.RotationStatus) *db.RotationCreate {
	return tx.Rotation.Create().
		SetID(id).
		SetOrganizationID(old.OrganizationID).
		SetOwnerID(old.OwnerID).
		SetFamilyID(old.FamilyID).
		SetOldKeyID(old.ID).
		SetStatus(status).
		SetCreatedAt(now)
}

// proceed lets the line go on with the successor: it is rotated in its turn, and nothing more is to be
// told of the old key.
func (a *Authority) proceed(ctx context.Context, tx *store.Tx, now time.Time, schedule *db.RotationSchedule, old, successor *db.APIKey) error {
	system := principal.System(ctx)
	if schedule != nil {
		if err := tx.RotationSchedule.UpdateOneID(schedule.ID).ClearStalledSince().Exec(system); err != nil {
			return err
		}
		if days := schedule.IntervalDays; days != nil {
			if due := rotationDue(successor, *days); successor.ExpiresAt == nil || due.Before(*successor.ExpiresAt) {
				if err := tx.APIKey.UpdateOneID(successor.ID).SetNextRotationAt(due).Exec(system); err != nil {
					return err
				}
				successor.NextRotationAt = &due
			}
		}
	}
	return a.silence(ctx, tx, now, old)
}

// ClaimInput holds the token that announced a rotation.
type ClaimInput struct{ ClaimToken string }

// Claim hands the secret of an announced rotation over to the holder of the old key, once. While the
// successor has never authenticated, a retry gets a fresh secret. User errors: InputError, and those
// of RotateViewer.
func (a *Authority) Claim(ctx context.Context, in ClaimInput) (Rotated, error) {
	now, p := a.now(), principal.From(ctx)
	handed, err := a.claimed(ctx, now, in.ClaimToken)
	if err == nil && handed == nil {
		if p.ReplayOnly {
			return Rotated{}, ReplayOnlyRefusal(ctx)
		}
		grace, err := a.claimedGrace(ctx, now)
		if err != nil {
			return Rotated{}, err
		}
		return a.replace(ctx, RotateInput{ID: p.KeyID, GracePeriod: grace}, nil, true, &in.ClaimToken)
	}
	if err != nil {
		return Rotated{}, err
	}
	return a.replayedRotation(ctx, handed)
}

// claimedGrace is the grace that the schedule of the calling key gives.
func (a *Authority) claimedGrace(ctx context.Context, now time.Time) (*lifecycle.Period, error) {
	key := callerFrom(ctx).key
	schedule, err := scheduleOf(principal.System(ctx), a.store.Client, key.FamilyID)
	if err != nil {
		return nil, err
	}
	policy, err := readPolicy(ctx, a.store.Client, key.OrganizationID, key.ProjectID)
	return scheduledGrace(schedule, policy, now), err
}

// claimed is the successor that the calling key has exchanged the token for already, nil when it has
// not. One that somebody else made is not given away again: its secret is in their hands.
func (a *Authority) claimed(ctx context.Context, now time.Time, token string) (*replayed, error) {
	if a.outbound.Sealer == nil {
		return nil, encryptionKeyRequired("claimToken")
	}
	row, err := a.store.Client.Rotation.Query().
		Where(rotation.OldKeyID(principal.From(ctx).KeyID), rotation.StatusEQ(lifecycle.InGrace), rotation.Automatic(true), rotation.ClaimedAtNotNil()).
		Order(db.Desc(rotation.FieldID)).
		First(principal.System(ctx))
	switch {
	case db.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	case !a.outbound.Sealer.IsClaimToken(token, row.ID):
		return nil, nil
	}
	return a.freshSecret(ctx, now, *row.NewKeyID, true)
}

func badClaimToken() fault.UserError {
	return fault.Input("api_keys.claim_token_invalid", "claimToken announces no rotation of the calling key", "claimToken")
}

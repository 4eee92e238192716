package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/rotation"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
	"github.com/keytag/keytag/internal/webhook"
)

const (
	// claimWindow is how long an announced rotation waits for its holder before the owner is told.
	claimWindow = 7 * 24 * time.Hour
	// rotationPause is how long a rotation that cannot begin is put off.
	rotationPause = time.Hour
	dueBatch      = 100
)

// RotateDue begins the automatic rotations that are due, and answers how many keys it looked at. Any
// number of replicas may do so at once.
func (a *Authority) RotateDue(ctx context.Context) (int, error) {
	ctx = principal.System(ctx)
	now := a.now()
	ids, err := a.store.Client.APIKey.Query().
		Where(apikey.NextRotationAtLTE(now), apikey.Or(apikey.SuspendedAtIsNil(), apikey.EffectiveExpiresAtLTE(now))).
		Order(db.Asc(apikey.FieldNextRotationAt, apikey.FieldID)).
		Limit(dueBatch).
		IDs(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, id := range ids {
		err := a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error { return a.rotateDue(ctx, tx, now, id) })
		if err != nil { // it must not hold up those behind it
			errs = append(errs, fmt.Errorf("rotate %s: %w", id, err), a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
				return tx.APIKey.UpdateOneID(id).SetNextRotationAt(now.Add(rotationPause)).Exec(ctx)
			}))
		}
	}
	return len(ids), errors.Join(errs...)
}

// rotateDue begins the rotation of one key, if it is still due.
func (a *Authority) rotateDue(ctx context.Context, tx *store.Tx, now time.Time, id string) error {
	row, err := Hold(ctx, tx, id)
	if err == nil {
		now = a.instant(row)
	}
	if userErrors, err := fault.Split(err); len(userErrors) > 0 { // removed
		return tx.APIKey.UpdateOneID(id).ClearNextRotationAt().Exec(ctx)
	} else if err != nil {
		return err
	}
	old := view(ctx, row, now)
	schedule, err := scheduleOf(ctx, tx.Client, row.FamilyID)
	if err != nil {
		return err
	}
	switch status := old.Status(); {
	case row.NextRotationAt == nil || row.NextRotationAt.After(now) || status == lifecycle.Suspended:
		return nil // another replica was first, or somebody has just changed the key
	case status.Ended() || standing(old) != nil || schedule == nil:
		return tx.APIKey.UpdateOneID(id).ClearNextRotationAt().Exec(ctx)
	case mayOwn(row.Edges.Owner) != nil,
		a.outbound.Sealer == nil && schedule.WebhookURL != nil:
		return tx.APIKey.UpdateOneID(id).SetNextRotationAt(now.Add(rotationPause)).Exec(ctx)
	}
	if err := tx.APIKey.UpdateOneID(id).ClearNextRotationAt().Exec(ctx); err != nil {
		return err
	}
	// INLINE without a webhook is one that its receiver has switched off.
	if schedule.Delivery == lifecycle.Inline && schedule.WebhookURL != nil {
		return a.mintPending(ctx, tx, old, schedule)
	}
	return a.announce(ctx, tx, old, schedule)
}

// announce lets the holder of a held key know that it is to claim a successor.
func (a *Authority) announce(ctx context.Context, tx *store.Tx, old *View, schedule *db.RotationSchedule) error {
	id := typeid.New(typeid.Rotation, old.now)
	announcement := newRotation(tx, old.now, id, old.APIKey, lifecycle.WaitingForClaim).
		SetAutomatic(true).
		SetClaimUntil(old.now.Add(claimWindow))
	if schedule.WebhookURL != nil {
		job, err := a.enqueueWebhook(ctx, tx, old, schedule, id, eventDue)
		if err != nil {
			return err
		}
		announcement.SetJobID(job)
	}
	if err := announcement.Exec(ctx); err != nil {
		return err
	}
	return recordSystem(ctx, tx, old, "api_key.rotation_announced")
}

// mintPending makes the successor of a held key, which works once its secret is delivered.
func (a *Authority) mintPending(ctx context.Context, tx *store.Tx, old *View, schedule *db.RotationSchedule) error {
	successor, _, err := draftSuccessor(ctx, tx, old, RotateInput{}, true)
	if err != nil {
		return err
	}
	successor.PendingSince = &old.now
	successor.InactivityExpiresAt = nil // nobody can use it yet: disuse counts from when it works
	minted := secret.Mint()
	if err := insert(ctx, tx, successor, minted); err != nil {
		return err
	}
	id := typeid.New(typeid.Rotation, old.now)
	job, err := a.enqueueWebhook(ctx, tx, old, schedule, id, eventRotated)
	if err != nil {
		return err
	}
	err = newRotation(tx, old.now, id, old.APIKey, lifecycle.Delivering).
		SetAutomatic(true).
		SetNewKeyID(successor.ID).
		SetJobID(job).
		SetSealedSecret(a.outbound.Sealer.Seal(minted.Reveal(), id)).
		Exec(ctx)
	if err != nil {
		return err
	}
	if err := recordNew(ctx, tx, old.now, successor); err != nil {
		return err
	}
	return recordSystem(ctx, tx, old, "api_key.rotation_started")
}

func (a *Authority) enqueueWebhook(ctx context.Context, tx *store.Tx, old *View, schedule *db.RotationSchedule, rotationID, event string) (string, error) {
	return queue.Add(ctx, tx, old.now, queue.Job{
		Kind: job.Webhook, Key: old.APIKey, Lane: webhook.Host(*schedule.WebhookURL), At: old.now, RotationID: &rotationID, Event: event,
	})
}

// recordSystem records what the server did to a key by itself.
func recordSystem(ctx context.Context, tx *store.Tx, key *View, action string) error {
	return audit.Record(ctx, tx, audit.Event{
		At: key.now, Action: action, OrganizationID: key.OrganizationID, SubjectID: key.ID, OwnerID: key.OwnerID,
	})
}

// activate lets a pending successor work, now that its secret is in the hands of its holder, and starts
// the old key's grace. It does nothing when the rotation is not being delivered any more, and answers
// errSuspended while the old key is suspended, errEnded when the successor has ended meanwhile.
func (a *Authority) activate(ctx context.Context, tx *store.Tx, rotationID string) error {
	ctx = principal.System(ctx)
	seen, err := tx.Rotation.Get(ctx, rotationID)
	if err != nil {
		return err
	}
	row, err := holdAny(ctx, tx, seen.OldKeyID)
	if err != nil {
		return err
	}
	now := a.instant(row)
	open, err := tx.Rotation.Query().Where(rotation.ID(rotationID)).WithNewKey().Only(ctx) // again, behind whoever held the key
	if err != nil || open.Status != lifecycle.Delivering {
		return err
	}
	if stateOf(row, now).Status == lifecycle.Suspended {
		return errSuspended
	}
	schedule, err := scheduleOf(ctx, tx.Client, row.FamilyID)
	if err != nil {
		return err
	}
	policy, err := policyOf(ctx, tx, row.OrganizationID, row.ProjectID)
	if err != nil {
		return err
	}
	end, tooLong := policy.grace(now, scheduledGrace(schedule, policy, now), row.GraceExpiresAt)
	if tooLong != nil {
		return tooLong
	}
	if stateOf(open.Edges.NewKey, now).Status.Ended() {
		return errEnded
	}
	err = tx.APIKey.UpdateOneID(open.Edges.NewKey.ID).
		ClearPendingSince().
		SetNillableInactivityExpiresAt(policy.inactivityEnd(now)).
		SetUnusedSince(now).
		SetUpdatedAt(now).
		SetLookAt(now).
		Exec(ctx)
	if err != nil {
		return err
	}
	err = tx.APIKey.UpdateOneID(row.ID).
		SetReplacedByID(open.Edges.NewKey.ID).
		SetRotatedAt(now).
		SetUpdatedAt(now).
		SetGraceExpiresAt(end).
		ClearNextRotationAt().
		Exec(ctx)
	if err != nil {
		return err
	}
	if err := tx.Rotation.UpdateOneID(rotationID).SetStatus(lifecycle.InGrace).ClearSealedSecret().ClearLastError().Exec(ctx); err != nil {
		return err
	}
	if err := a.proceed(ctx, tx, now, schedule, row, open.Edges.NewKey); err != nil {
		return err
	}
	return recordSystem(ctx, tx, view(ctx, row, now), "api_key.rotated")
}

// activatePresented is activate for a pending key whose whole text was presented: so its secret has
// arrived, though the receiver's answer may not have.
func (a *Authority) activatePresented(ctx context.Context, key *db.APIKey) error {
	open, err := a.store.Client.Rotation.Query().
		Where(rotation.NewKeyID(key.ID), rotation.StatusEQ(lifecycle.Delivering)).
		OnlyID(principal.System(ctx))
	if db.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	err = a.store.Write(principal.System(ctx), func(ctx context.Context, tx *store.Tx) error {
		return a.activate(ctx, tx, open)
	})
	if err == errSuspended || err == errEnded { // it stays pending
		return nil
	}
	return err
}

// stall gives a rotation up: the old key lives on, and its owner is told.
func (a *Authority) stall(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, open *db.Rotation, why string) error {
	ctx = principal.System(ctx)
	if err := discard(ctx, tx, now, open, lifecycle.Stalled, why); err != nil {
		return err
	}
	schedule, err := scheduleOf(ctx, tx.Client, key.FamilyID)
	if err != nil {
		return err
	}
	if schedule != nil {
		if err := tx.RotationSchedule.UpdateOneID(schedule.ID).SetStalledSince(now).Exec(ctx); err != nil {
			return err
		}
	}
	if err := recordSystem(ctx, tx, view(ctx, key, now), "api_key.rotation_stalled"); err != nil {
		return err
	}
	return a.tell(ctx, tx, now, key, "API key "+key.Name+" was not rotated",
		"The automatic rotation of the API key "+key.Name+" ("+key.KeyPrefix+") has stalled: "+why+". The key works on; rotate it by hand, or set its schedule anew.")
}

// ExpireClaims gives up the announced rotations that nobody claimed in time, and answers how many.
func (a *Authority) ExpireClaims(ctx context.Context) (int, error) {
	ctx = principal.System(ctx)
	now := a.now()
	late, err := a.store.Client.Rotation.Query().
		Where(rotation.ClaimUntilLTE(now)).
		Order(db.Asc(rotation.FieldClaimUntil, rotation.FieldID)).
		Limit(dueBatch).
		All(ctx)
	var errs []error
	for _, seen := range late {
		errs = append(errs, a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
			key, err := holdAny(ctx, tx, seen.OldKeyID)
			if err != nil {
				return err
			}
			now := a.instant(key)
			open, err := tx.Rotation.Get(ctx, seen.ID)
			switch {
			case err != nil:
				return err
			case open.ClaimUntil == nil || open.ClaimUntil.After(now):
				return nil
			case stateOf(key, now).Status.Ended():
				return closeRotation(ctx, tx, open, lifecycle.RotationCanceled, "the key ended")
			}
			return a.stall(ctx, tx, now, key, open, "nobody has claimed the new secret")
		}))
	}
	return len(late), errors.Join(append(errs, err)...)
}

package keys

import (
	"context"
	"errors"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/rotation"
	"github.com/keytag/keytag/ent/db/rotationschedule"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
	"github.com/keytag/keytag/internal/webhook"
)

// event is the data of a rotation webhook. Secret is set for INLINE delivery alone, ClaimToken for
// CLAIM alone.
type event struct {
	RotationID     string     `json:"rotationId,omitempty"`
	KeyID          string     `json:"keyId"`
	KeyPrefix      string     `json:"keyPrefix"`
	Name           string     `json:"name"`
	ProjectID      string     `json:"projectId"`
	NewKeyID       string     `json:"newKeyId,omitempty"`
	NewKeyPrefix   string     `json:"newKeyPrefix,omitempty"`
	ExpiresAt      *time.Time `json:"expiresAt,omitempty"`
	GraceExpiresAt *time.Time `json:"graceExpiresAt,omitempty"`
	ClaimToken     string     `json:"claimToken,omitempty"`
	ClaimUntil     *time.Time `json:"claimUntil,omitempty"`
	Secret         string     `json:"secret,omitempty"`
}

// delivery is one attempt to tell a rotation webhook something.
type delivery struct {
	rotation *db.Rotation
	schedule *db.RotationSchedule // nil when it was taken away
	event    event
	// obstacle is why nothing can be sent: the attempt has failed already.
	obstacle error
}

// What stands in the way of a delivery on our side.
var (
	errNoWebhook  = &webhook.Failure{Gone: true, Reason: "the key has no rotation webhook any more"}
	errNoKey      = &webhook.Failure{Reason: "the server has no KEYTAG_ENCRYPTION_KEY"}
	errUnreadable = &webhook.Failure{Reason: "the secret was encrypted under a key that the server does not have any more"}
	errEnded      = &webhook.Failure{Reason: "the new key has ended before it was handed over"}
	errOurs       = &webhook.Failure{Reason: "internal error; the server's log tells more"}
	errSuspended  = &webhook.Failure{Reason: "the key is suspended"}
)

// DeliverWebhook makes one attempt at a job that tells a rotation webhook of its rotation, and puts the
// job into the state that follows. Errors are those of storage alone; whatever the receiver does is
// noted on the job.
func (a *Authority) DeliverWebhook(ctx context.Context, taken *db.Job) error {
	ctx = principal.System(ctx)
	d, err := a.prepare(ctx, taken)
	if err != nil {
		return err
	}
	if d == nil { // nothing to tell any more
		return a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := queue.Done(ctx, tx, a.now(), taken)
			return err
		})
	}
	if err = d.obstacle; err == nil {
		_, err = a.send(ctx, d.schedule, taken.ID, taken.Event, taken.CreatedAt, d.event)
	}
	now := a.now()
	return a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		// In the order in which a change of the key takes them: the key, then the job.
		key, held := holdAny(ctx, tx, d.rotation.OldKeyID)
		switch {
		case held != nil:
			return held
		case err == nil:
			return a.delivered(ctx, tx, now, taken, d, key)
		}
		return a.undelivered(ctx, tx, now, taken, d, key, err)
	})
}

// prepare collects what the job tells, nil when nothing is to be told any more.
func (a *Authority) prepare(ctx context.Context, taken *db.Job) (*delivery, error) {
	row, err := a.store.Client.Rotation.Query().Where(rotation.ID(*taken.RotationID)).WithOldKey().WithNewKey().Only(ctx)
	if err != nil {
		return nil, err
	}
	schedule, err := scheduleOf(ctx, a.store.Client, row.FamilyID)
	if err != nil {
		return nil, err
	}
	old := row.Edges.OldKey
	d := &delivery{rotation: row, schedule: schedule}
	delivering, silent := row.Status == lifecycle.Delivering, schedule == nil || schedule.WebhookURL == nil
	switch {
	case taken.Event == eventDue && row.Status != lifecycle.WaitingForClaim,
		taken.Event == eventRotated && !delivering && row.Status != lifecycle.InGrace,
		silent && !delivering:
		return nil, nil
	case silent:
		d.obstacle = errNoWebhook
		return d, nil
	case a.outbound.Sealer == nil:
		d.obstacle = errNoKey
		return d, nil
	case delivering && stateOf(row.Edges.NewKey, a.now()).Status.Ended():
		d.obstacle = errEnded
		return d, nil
	case delivering && stateOf(old, a.now()).Status == lifecycle.Suspended:
		d.obstacle = errSuspended
		return d, nil
	}
	e := event{RotationID: row.ID, KeyID: old.ID, KeyPrefix: old.KeyPrefix, Name: old.Name, ProjectID: old.ProjectID, ExpiresAt: stateOf(old, a.now()).EffectiveExpiresAt}
	if successor := row.Edges.NewKey; successor != nil {
		e.NewKeyID, e.NewKeyPrefix, e.GraceExpiresAt = successor.ID, successor.KeyPrefix, old.GraceExpiresAt
	}
	switch {
	case taken.Event == eventDue:
		e.ClaimToken, e.ClaimUntil = a.outbound.Sealer.ClaimToken(row.ID), row.ClaimUntil
	case row.SealedSecret != nil:
		if e.Secret, err = a.outbound.Sealer.Open(*row.SealedSecret, row.ID); err != nil {
			d.obstacle = errUnreadable
		}
	}
	d.event = e
	return d, nil
}

// send signs and posts an event. The error is a *webhook.Failure if the receiver is at fault.
func (a *Authority) send(ctx context.Context, s *db.RotationSchedule, id, kind string, at time.Time, e event) (webhook.Result, error) {
	body, err := webhook.Body(kind, at, e)
	if err != nil {
		return webhook.Result{}, err
	}
	secrets, err := a.outbound.Signers(s.ID, a.now(), s.WebhookSecret, s.PreviousWebhookSecret, s.PreviousSecretUntil)
	if err != nil {
		return webhook.Result{}, err
	}
	return a.outbound.Webhooks.Deliver(ctx, *s.WebhookURL, id, body, secrets...)
}

// delivered notes success: a successor that waited for it works from now on.
func (a *Authority) delivered(ctx context.Context, tx *store.Tx, now time.Time, taken *db.Job, d *delivery, key *db.APIKey) error {
	if d.rotation.Status == lifecycle.Delivering {
		switch err := a.activate(ctx, tx, d.rotation.ID); {
		case err == errSuspended || err == errEnded:
			return a.undelivered(ctx, tx, now, taken, d, key, err)
		case err != nil:
			return err
		}
	}
	_, err := queue.Done(ctx, tx, now, taken)
	return err
}

// undelivered notes a failed attempt. After the last one, or when the receiver wants no more, the
// rotation is given up if it depended on it.
func (a *Authority) undelivered(ctx context.Context, tx *store.Tx, now time.Time, taken *db.Job, d *delivery, key *db.APIKey, cause error) error {
	why := "the webhook could not be sent"
	var failure *webhook.Failure
	gone := false
	if errors.As(cause, &failure) {
		why, gone = failure.Reason, failure.Gone
	} else {
		a.log.ErrorContext(ctx, "webhook", "job", taken.ID, "error", cause)
	}
	if !gone && cause != errEnded {
		if again, err := queue.Retry(ctx, tx, now, taken, why); again || err != nil {
			return err
		}
	}
	ours, err := queue.GiveUp(ctx, tx, now, taken, why)
	if err != nil || !ours {
		return err
	}
	off := gone && d.schedule != nil && d.schedule.WebhookURL != nil
	if off {
		why += "; the webhook is switched off"
		if off, err = switchOff(ctx, tx, now, d.schedule); err != nil {
			return err
		}
	}
	if off {
		if err := recordSystem(ctx, tx, view(ctx, key, now), "api_key.webhook_switched_off"); err != nil {
			return err
		}
	}
	open, err := tx.Rotation.Get(ctx, d.rotation.ID)
	if err != nil {
		return err
	}
	if open.Status == lifecycle.Delivering || gone && open.Status == lifecycle.WaitingForClaim {
		return a.stall(ctx, tx, now, key, open, why)
	}
	if !off {
		return nil
	}
	return a.tell(ctx, tx, now, key, "The rotation webhook of the API key "+key.Name+" is switched off",
		"The receiver of the rotation webhook of the API key "+key.Name+" ("+key.KeyPrefix+") answered 410: it wants no more. Rotations are told there no longer; set the schedule anew to name another.")
}

// WebhookFailed notes an attempt at a job that tells a rotation webhook something, and that failed by a
// fault of ours.
func (a *Authority) WebhookFailed(ctx context.Context, taken *db.Job) error {
	ctx = principal.System(ctx)
	row, err := a.store.Client.Rotation.Get(ctx, *taken.RotationID)
	if err != nil {
		return err
	}
	now := a.now()
	return a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		key, err := holdAny(ctx, tx, row.OldKeyID)
		if err != nil {
			return err
		}
		return a.undelivered(ctx, tx, now, taken, &delivery{rotation: row}, key, errOurs)
	})
}

// switchOff takes the webhook of a schedule away, unless it has become another, and reports whether it
// did; the schedule itself goes on.
func switchOff(ctx context.Context, tx *store.Tx, now time.Time, seen *db.RotationSchedule) (bool, error) {
	n, err := tx.RotationSchedule.Update().
		Where(rotationschedule.ID(seen.ID), rotationschedule.WebhookURL(*seen.WebhookURL)).
		ClearWebhookURL().ClearWebhookSecret().ClearPreviousWebhookSecret().ClearPreviousSecretUntil().
		SetUpdatedAt(now).
		Save(ctx)
	return n == 1, err
}

// Tried is what came back from a test of a rotation webhook.
type Tried struct {
	Delivered  *bool // nil when nothing was sent
	StatusCode *int
	Error      *string
}

// TestWebhook sends a signed `webhook.test` event to the rotation webhook of a key now. User errors:
// InputError.
func (a *Authority) TestWebhook(ctx context.Context, keyID string) (Tried, error) {
	if err := typeid.Want(typeid.APIKey, "id", keyID); err != nil {
		return Tried{}, err
	}
	key, err := a.get(ctx, keyID)
	if err != nil {
		return Tried{}, err
	}
	if key == nil {
		return Tried{}, fault.NotFound("API key", "id")
	}
	schedule, err := scheduleOf(ctx, a.store.Client, key.FamilyID)
	switch {
	case err != nil:
		return Tried{}, err
	case schedule == nil || schedule.WebhookURL == nil:
		return Tried{}, noWebhook()
	case a.outbound.Sealer == nil:
		return Tried{}, encryptionKeyRequired("id")
	}
	result, err := a.send(ctx, schedule, typeid.New("tst", key.now), eventTest, key.now,
		event{KeyID: key.ID, KeyPrefix: key.KeyPrefix, Name: key.Name, ProjectID: key.ProjectID})
	var failure *webhook.Failure
	switch {
	case err == nil:
		return Tried{Delivered: new(true), StatusCode: &result.StatusCode}, nil
	case errors.As(err, &failure):
		tried := Tried{Delivered: new(false), Error: &failure.Reason}
		if failure.StatusCode != 0 {
			tried.StatusCode = &failure.StatusCode
		}
		return tried, nil
	}
	return Tried{}, err
}

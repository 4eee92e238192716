package keys

import (
	"context"
	"fmt"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/rotationschedule"
	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/webhook"
)

// ScheduleInput says how a rotation line goes on: by itself every IntervalDays, or by hand alone when
// that is nil; and where that is told.
type ScheduleInput struct {
	IntervalDays *int
	GracePeriod  *lifecycle.Period
	// Delivery is CLAIM when nil.
	Delivery   *lifecycle.RotationDelivery
	WebhookURL *string
}

// SetScheduleInput gives a key's line a schedule; a nil one takes it away.
type SetScheduleInput struct {
	ID       string
	Schedule *ScheduleInput
}

// Scheduled is a key after its schedule was set.
type Scheduled struct {
	APIKey *View
	signer webhook.Secret
}

// WebhookSecret signs the rotation webhook; nil unless it is new.
func (s Scheduled) WebhookSecret() *string { return revealSigner(s.signer) }

func revealSigner(s webhook.Secret) *string {
	if s.IsZero() {
		return nil
	}
	text := s.Reveal()
	return &text
}

const maxIntervalDays = 3650

// SetSchedule sets or takes away the schedule of a key's rotation line. Whoever sets it decides who
// gets the secrets of the keys to come, and so must hold every scope of the key. User errors:
// InputError, ScopeError, KeyNotLiveError, AlreadyRotatedError, GraceOutOfRangeError.
func (a *Authority) SetSchedule(ctx context.Context, in SetScheduleInput) (Scheduled, error) {
	var signer webhook.Secret
	more := &noted{}
	key, err := a.changeNoting(ctx, in.ID, "api_key.rotation_schedule_set", more, func(ctx context.Context, tx *store.Tx, key *View) error {
		p := principal.From(ctx)
		if lacked := p.Lacks(key.Scopes); len(lacked) > 0 {
			return scopesNotHeld(lacked)
		}
		switch {
		case key.Status().Ended(), key.Status() == lifecycle.Pending:
			return NotLive(key)
		case standing(key) != nil:
			return alreadyRotated(standing(key))
		}
		if err := a.cancelRotation(ctx, tx, key.now, key.APIKey); err != nil {
			return err
		}
		before, err := scheduleOf(principal.System(ctx), tx.Client, key.FamilyID)
		if err != nil {
			return err
		}
		if in.Schedule == nil {
			more.fields = scheduleChanges(before, nil)
			return unschedule(ctx, tx, key.APIKey)
		}
		policy, err := policyOf(ctx, tx, key.OrganizationID, key.ProjectID)
		if err != nil {
			return err
		}
		if err := in.Schedule.check(a.outbound, "schedule.", policy, key.APIKey, key.now).OrNil(); err != nil {
			return err
		}
		if signer, err = a.writeSchedule(ctx, tx, key.now, key.APIKey, *in.Schedule); err != nil {
			return err
		}
		after, err := scheduleOf(principal.System(ctx), tx.Client, key.FamilyID)
		more.fields = scheduleChanges(before, after)
		return err
	})
	if err != nil {
		return Scheduled{}, err
	}
	return Scheduled{key, signer}, nil
}

// scheduleChanges are what the trail tells of a schedule: of the webhook its host, and whether the URL has
// changed, since its path may be what makes it secret.
func scheduleChanges(before, after *db.RotationSchedule) []change.Field {
	if after == nil {
		after = &db.RotationSchedule{}
	}
	fields := change.Between(before, after, scheduleFields)
	if before != nil && before.WebhookURL != nil && after.WebhookURL != nil && *before.WebhookURL != *after.WebhookURL {
		fields = append(fields, change.Field{Field: "rotation.webhookUrl", Before: change.Text("a URL"), After: change.Text("another URL")})
	}
	return fields
}

var scheduleFields = []change.Recorded[db.RotationSchedule]{
	{Name: "rotation.intervalDays", Value: func(s *db.RotationSchedule) *string { return change.Optional(s.IntervalDays) }},
	{Name: "rotation.gracePeriod", Value: func(s *db.RotationSchedule) *string { return change.Optional(s.GracePeriod) }},
	{Name: "rotation.delivery", Value: func(s *db.RotationSchedule) *string {
		if s.Delivery == "" {
			return nil
		}
		return change.Text(s.Delivery)
	}},
	{Name: "rotation.webhookHost", Value: func(s *db.RotationSchedule) *string {
		if s.WebhookURL == nil {
			return nil
		}
		return change.Text(webhook.Host(*s.WebhookURL))
	}},
}

// unschedule takes the schedule of a held key's line away.
func unschedule(ctx context.Context, tx *store.Tx, key *db.APIKey) error {
	if _, err := tx.RotationSchedule.Delete().Where(rotationschedule.FamilyID(key.FamilyID)).Exec(ctx); err != nil {
		return err
	}
	return tx.APIKey.UpdateOneID(key.ID).ClearNextRotationAt().Exec(ctx)
}

// check tells what of a schedule for a key cannot be meant. Fields are named behind prefix.
func (in ScheduleInput) check(o Outbound, prefix string, policy Policy, key *db.APIKey, now time.Time) fault.List {
	var faults fault.List
	invalid := func(field, message string) {
		faults = append(faults, fault.Invalid(field+" "+message, prefix+field))
	}
	delivery := in.delivery()
	if in.IntervalDays == nil && in.WebhookURL == nil {
		faults = append(faults, fault.Invalid("give intervalDays, webhookUrl, or both", prefix+"intervalDays", prefix+"webhookUrl"))
	}
	if days := in.IntervalDays; days != nil {
		if *days < 1 || *days > maxIntervalDays {
			invalid("intervalDays", fmt.Sprintf("must be from 1 to %d", maxIntervalDays))
		} else if due := rotationDue(key, *days); key.ExpiresAt != nil && !due.Before(*key.ExpiresAt) {
			invalid("intervalDays", "would never come: the key ends at "+key.ExpiresAt.Format(time.RFC3339Nano))
		}
	}
	if in.GracePeriod != nil {
		if _, err := policy.grace(now, in.GracePeriod, nil); err != nil {
			refusal := err.(*GraceOutOfRangeError)
			refusal.Fields = []string{prefix + "gracePeriod"}
			faults = append(faults, refusal)
		}
	}
	if in.WebhookURL != nil {
		if o.Sealer == nil {
			faults = append(faults, encryptionKeyRequired(prefix+"webhookUrl"))
		} else if err := o.Webhooks.Check(*in.WebhookURL); err != nil {
			invalid("webhookUrl", "is not allowed: "+err.Error())
		}
	}
	if delivery == lifecycle.Inline {
		if in.WebhookURL == nil || in.IntervalDays == nil {
			invalid("delivery", "INLINE needs intervalDays and webhookUrl")
		}
		if o.Sealer == nil {
			faults = append(faults, encryptionKeyRequired(prefix+"delivery"))
		}
	}
	return faults
}

func (in ScheduleInput) delivery() lifecycle.RotationDelivery {
	if in.Delivery == nil {
		return lifecycle.Claim
	}
	return *in.Delivery
}

// rotationDue is when a key is to be replaced.
func rotationDue(key *db.APIKey, intervalDays int) time.Time {
	return key.CreatedAt.AddDate(0, 0, intervalDays)
}

// writeSchedule stores a schedule for a held key's line, and answers the secret that signs its webhook
// if it is new. A URL that stays keeps its secret.
func (a *Authority) writeSchedule(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, in ScheduleInput) (webhook.Secret, error) {
	ctx = principal.System(ctx) // whoever may write keys need not see them
	before, err := scheduleOf(ctx, tx.Client, key.FamilyID)
	if err != nil {
		return webhook.Secret{}, err
	}
	if _, err := tx.RotationSchedule.Delete().Where(rotationschedule.FamilyID(key.FamilyID)).Exec(ctx); err != nil {
		return webhook.Secret{}, err
	}
	create := tx.RotationSchedule.Create().
		SetID(key.FamilyID).
		SetOrganizationID(key.OrganizationID).
		SetOwnerID(key.OwnerID).
		SetFamilyID(key.FamilyID).
		SetNillableIntervalDays(in.IntervalDays).
		SetNillableGracePeriod(in.GracePeriod).
		SetDelivery(in.delivery()).
		SetNillableWebhookURL(in.WebhookURL).
		SetCreatedAt(now).
		SetUpdatedAt(now)
	var signer webhook.Secret
	switch {
	case in.WebhookURL == nil:
	case before != nil && before.WebhookURL != nil && *before.WebhookURL == *in.WebhookURL:
		create.SetNillableWebhookSecret(before.WebhookSecret).
			SetNillablePreviousWebhookSecret(before.PreviousWebhookSecret).
			SetNillablePreviousSecretUntil(before.PreviousSecretUntil)
	default:
		signer = webhook.NewSecret()
		create.SetWebhookSecret(a.outbound.Sealer.Seal(signer.Reveal(), key.FamilyID))
	}
	if err := create.Exec(ctx); err != nil {
		return webhook.Secret{}, err
	}
	update := tx.APIKey.UpdateOneID(key.ID)
	key.NextRotationAt = nil
	if in.IntervalDays == nil {
		update.ClearNextRotationAt()
	} else {
		key.NextRotationAt = new(rotationDue(key, *in.IntervalDays))
		update.SetNextRotationAt(*key.NextRotationAt)
	}
	return signer, update.Exec(ctx)
}

// scheduleOf is the schedule of a family that the caller sees, nil when there is none.
func scheduleOf(ctx context.Context, client *db.Client, familyID string) (*db.RotationSchedule, error) {
	row, err := client.RotationSchedule.Query().Where(rotationschedule.FamilyID(familyID)).Only(ctx)
	if db.IsNotFound(err) {
		return nil, nil
	}
	return row, err
}

// scheduledGrace is the grace that a schedule gives, within what the policy allows by now; nil when it
// does not say.
func scheduledGrace(schedule *db.RotationSchedule, policy Policy, now time.Time) *lifecycle.Period {
	if schedule == nil || schedule.GracePeriod == nil {
		return nil
	}
	if longest, latest := strictest(policy.maxGrace, now); schedule.GracePeriod.From(now).After(latest) {
		return &longest
	}
	return schedule.GracePeriod
}

// Schedule is how the line of a key goes on.
type Schedule struct {
	IntervalDays   *int
	NextRotationAt *time.Time
	GracePeriod    lifecycle.Period
	Delivery       lifecycle.RotationDelivery
	WebhookURL     *string
	StalledSince   *time.Time
}

// SchedulesOf are the schedules of rotation lines that the caller may see, by the id of the family.
func (a *Authority) SchedulesOf(ctx context.Context, familyIDs []string) (map[string]*db.RotationSchedule, error) {
	rows, err := a.store.Client.RotationSchedule.Query().Where(rotationschedule.FamilyIDIn(familyIDs...)).All(ctx)
	return store.By(func(s *db.RotationSchedule) string { return s.FamilyID }, rows, err)
}

// Schedule is the schedule of the key's line as the key has it, under the policy of its organization
// and its project.
func (v *View) Schedule(row *db.RotationSchedule, o *db.Organization, p *db.Project) *Schedule {
	s := &Schedule{
		IntervalDays:   row.IntervalDays,
		NextRotationAt: v.NextRotationAt,
		Delivery:       row.Delivery,
		WebhookURL:     row.WebhookURL,
		StalledSince:   row.StalledSince,
	}
	if row.GracePeriod != nil {
		s.GracePeriod = *row.GracePeriod
	} else {
		s.GracePeriod = NewPolicy(o, p).DefaultGrace(v.now)
	}
	return s
}

// RotateWebhookSecret gives the rotation webhook of a key's line a new signing secret; the old one
// signs along for 24 hours. The caller must hold every scope of the key. User errors: InputError,
// ScopeError, KeyNotLiveError.
func (a *Authority) RotateWebhookSecret(ctx context.Context, keyID string) (*string, error) {
	signer := webhook.NewSecret()
	_, err := a.change(ctx, keyID, "api_key.webhook_secret_rotated", func(ctx context.Context, tx *store.Tx, key *View) error {
		// Who knows the secret can pass for the server to the key's holder.
		if lacked := principal.From(ctx).Lacks(key.Scopes); len(lacked) > 0 {
			return scopesNotHeld(lacked)
		}
		schedule, err := scheduleOf(ctx, tx.Client, key.FamilyID)
		switch {
		case err != nil:
			return err
		case key.Status().Ended():
			return NotLive(key)
		case schedule == nil || schedule.WebhookURL == nil:
			return noWebhook()
		case a.outbound.Sealer == nil:
			return encryptionKeyRequired("id")
		}
		return tx.RotationSchedule.UpdateOne(schedule).
			SetNillablePreviousWebhookSecret(schedule.WebhookSecret).
			SetPreviousSecretUntil(key.now.Add(webhook.Overlap)).
			SetWebhookSecret(a.outbound.Sealer.Seal(signer.Reveal(), key.FamilyID)).
			SetUpdatedAt(key.now).
			Exec(ctx)
	})
	if err != nil {
		return nil, err
	}
	return revealSigner(signer), nil
}

func noWebhook() fault.UserError {
	return fault.Input("api_keys.no_webhook", "the key has no rotation webhook", "id")
}

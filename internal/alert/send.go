package alert

import (
	"context"
	"errors"
	"html"
	"slices"
	"strings"
	"time"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/alertsource"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/user"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/mail"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/webhook"
)

// outcome is how an attempt went: the zero one well, and again says whether another may go better.
type outcome struct {
	why   string
	again bool
	gone  bool // the receiver wants no more
	// delivered are the recipients who have the e-mail, though others have not.
	delivered []string
}

// Send makes one attempt at a job that raises the alert of a notification, and puts the job into the
// state that follows. Errors are those of storage alone.
func (a *Alerts) Send(ctx context.Context, taken *db.Job) error {
	ctx = principal.System(ctx)
	row, err := a.store.Client.AlertSource.Get(ctx, *taken.AlertSourceID)
	if err != nil {
		return err
	}
	key, err := a.keyOf(ctx, taken)
	if err != nil {
		return err
	}
	now := a.now()
	if !row.Enabled {
		return a.conclude(ctx, taken, row, outcome{why: "the alert source is disabled"})
	}
	values := a.values(key, now)
	switch row.Kind {
	case kindEmail:
		return a.conclude(ctx, taken, row, a.sendEmail(ctx, taken, row, key, values))
	case kindWebhook:
		return a.conclude(ctx, taken, row, a.sendWebhook(ctx, taken, row, key, values))
	}
	text := fill(row.MessageTemplate, defaultMessage, values) + afterEnd(key, now)
	return a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := keyFirst(ctx, tx, key.ID); err != nil {
			return err
		}
		// The message and the end of the job are one transaction: it is there exactly once.
		ours, err := queue.Done(ctx, tx, now, taken)
		if err != nil || !ours {
			return err
		}
		_, m := message(tx, now, key, &taken.ID, "API key "+key.Name, text, row.Replies)
		return m.Exec(ctx)
	})
}

// SendMail makes one attempt at a job that sends an operator message by e-mail.
func (a *Alerts) SendMail(ctx context.Context, taken *db.Job) error {
	ctx = principal.System(ctx)
	message, err := a.store.Client.OperatorMessage.Get(ctx, *taken.MessageID)
	if err != nil {
		return err
	}
	key, err := a.keyOf(ctx, taken)
	if err != nil {
		return err
	}
	return a.conclude(ctx, taken, nil, a.post(ctx, taken, key, nil, message.Subject, message.Text))
}

func (a *Alerts) keyOf(ctx context.Context, taken *db.Job) (*db.APIKey, error) {
	return a.store.Client.APIKey.Query().Where(apikey.ID(taken.KeyID)).WithOwner().WithProject().WithEnvironment().Only(ctx)
}

func (a *Alerts) sendEmail(ctx context.Context, taken *db.Job, row *db.AlertSource, key *db.APIKey, values map[string]string) outcome {
	return a.post(ctx, taken, key, row.Recipients, oneLine(fill(row.SubjectTemplate, defaultSubject, values)), fill(row.BodyTemplate, defaultBody, values)+afterEnd(key, a.now()))
}

// post sends an e-mail about a key: to the recipients, or without any to its owner.
func (a *Alerts) post(ctx context.Context, taken *db.Job, key *db.APIKey, recipients []string, subject, text string) outcome {
	if a.mail == nil {
		return outcome{why: "this server sends no e-mail: KEYTAG_SMTP_URL is not set"}
	}
	if len(recipients) == 0 {
		var err error
		if recipients, err = a.addresses(ctx, key); err != nil {
			return a.ours(ctx, taken, err)
		}
	}
	// One that mail cannot be sent to must not keep it from the others.
	recipients = slices.DeleteFunc(slices.Clone(recipients), func(to string) bool { return !mail.IsAddress(to) })
	if len(recipients) == 0 {
		return outcome{why: "there is no e-mail address to send to"}
	}
	recipients = slices.DeleteFunc(recipients, func(to string) bool { return slices.Contains(taken.Delivered, to) })
	if len(recipients) == 0 {
		return outcome{}
	}
	err := a.mail.Send(ctx, mail.Message{ID: taken.ID, To: recipients, Subject: subject, Text: text, HTML: paragraphs(text)})
	var failure *mail.Failure
	switch {
	case err == nil:
		return outcome{}
	case errors.As(err, &failure):
		return outcome{why: failure.Reason, again: !failure.Permanent, delivered: failure.Delivered}
	}
	return a.ours(ctx, taken, err)
}

// addresses are those of a key's owner, or when the owner is disabled of the administrators.
func (a *Alerts) addresses(ctx context.Context, key *db.APIKey) ([]string, error) {
	owner := key.Edges.Owner
	if owner.DisabledAt == nil {
		if owner.Email == nil {
			return nil, nil
		}
		return []string{*owner.Email}, nil
	}
	administrators, err := a.store.Client.User.Query().
		Where(user.OrganizationID(key.OrganizationID), user.RoleEQ(principal.Admin), user.DisabledAtIsNil(), user.EmailNotNil()).
		Order(db.Asc(user.FieldID)).
		Limit(maxRecipients).
		All(ctx)
	list := make([]string, len(administrators))
	for i, u := range administrators {
		list[i] = *u.Email
	}
	return list, err
}

// paragraphs is a text as HTML.
func paragraphs(text string) string {
	var b strings.Builder
	for _, paragraph := range strings.Split(text, "\n\n") {
		b.WriteString("<p>" + strings.ReplaceAll(html.EscapeString(paragraph), "\n", "<br>\n") + "</p>\n")
	}
	return b.String()
}

// alertEvent is the type of the webhook of an alert, and alertData its data.
const alertEvent = "api_key.alert"

type alertData struct {
	JobID          string     `json:"jobId"`
	NotificationID *string    `json:"notificationId"`
	KeyID          string     `json:"keyId"`
	KeyPrefix      string     `json:"keyPrefix"`
	Name           string     `json:"name"`
	ProjectID      string     `json:"projectId"`
	OwnerID        string     `json:"ownerId"`
	Status         string     `json:"status"`
	ExpiresAt      *time.Time `json:"expiresAt"`
	EndsBecause    string     `json:"endsBecause,omitempty"`
	Details        string     `json:"details"`
}

func (a *Alerts) sendWebhook(ctx context.Context, taken *db.Job, row *db.AlertSource, key *db.APIKey, values map[string]string) outcome {
	if a.outbound.Sealer == nil {
		return outcome{why: "this server sends no webhooks: KEYTAG_ENCRYPTION_KEY is not set", again: true}
	}
	now := a.now()
	body, err := webhook.Body(alertEvent, taken.ScheduledFor, alertData{
		JobID: taken.ID, NotificationID: taken.NotificationID,
		KeyID: key.ID, KeyPrefix: key.KeyPrefix, Name: key.Name, ProjectID: key.ProjectID, OwnerID: key.OwnerID,
		Status: values["status"], ExpiresAt: keys.ViewIn(key, now, time.UTC).EffectiveExpiresAt(),
		EndsBecause: values["endsBecause"], Details: values["details"],
	})
	if err != nil {
		return a.ours(ctx, taken, err)
	}
	secrets, err := a.outbound.Signers(row.ID, now, row.WebhookSecret, row.PreviousWebhookSecret, row.PreviousSecretUntil)
	if err != nil {
		return a.ours(ctx, taken, err)
	}
	_, err = a.outbound.Webhooks.Deliver(ctx, row.URL, taken.ID, body, secrets...)
	var failure *webhook.Failure
	switch {
	case err == nil:
		return outcome{}
	case errors.As(err, &failure):
		return outcome{why: failure.Reason, again: !failure.Gone, gone: failure.Gone}
	}
	return a.ours(ctx, taken, err)
}

// ours is the outcome of an attempt that failed for a reason of ours: the log has it.
func (a *Alerts) ours(ctx context.Context, taken *db.Job, err error) outcome {
	a.log.ErrorContext(ctx, "alert", "job", taken.ID, "error", err)
	return outcome{why: "internal error; the server's log tells more", again: true}
}

// keyFirst takes the key of a job before the job, in the order in which a change of the notification takes
// them.
func keyFirst(ctx context.Context, tx *store.Tx, keyID string) error {
	if tx.Dialect() != dialect.Postgres { // SQLite has one writer
		return nil
	}
	_, err := tx.APIKey.Query().Where(apikey.ID(keyID)).ForShare().OnlyID(ctx)
	return err
}

// conclude puts a job into the state that follows from an attempt.
func (a *Alerts) conclude(ctx context.Context, taken *db.Job, source *db.AlertSource, o outcome) error {
	now := a.now()
	return a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := keyFirst(ctx, tx, taken.KeyID); err != nil {
			return err
		}
		if o.why == "" {
			_, err := queue.Done(ctx, tx, now, taken)
			return err
		}
		if len(o.delivered) > 0 {
			if err := tx.Job.UpdateOneID(taken.ID).AppendDelivered(o.delivered).Exec(ctx); err != nil {
				return err
			}
		}
		why := o.why
		if o.gone { // before the job, as a change of the notification takes them
			why += "; the alert source is switched off"
			if err := switchOff(ctx, tx, now, source); err != nil {
				return err
			}
		}
		if o.again {
			if again, err := queue.Retry(ctx, tx, now, taken, o.why); again || err != nil {
				return err
			}
		}
		_, err := queue.GiveUp(ctx, tx, now, taken, why)
		return err
	})
}

// switchOff disables an alert source whose receiver wants no more, unless it has another by now.
func switchOff(ctx context.Context, tx *store.Tx, now time.Time, source *db.AlertSource) error {
	n, err := tx.AlertSource.Update().
		Where(alertsource.ID(source.ID), alertsource.URL(source.URL), alertsource.Enabled(true)).
		SetEnabled(false).SetUpdatedAt(now).
		Save(ctx)
	if err != nil || n == 0 { // it has become another, or is off already
		return err
	}
	off := *source
	off.Enabled = false
	return audit.Record(ctx, tx, audit.Event{
		At: now, Action: "alert_source.disabled", OrganizationID: source.OrganizationID, SubjectID: source.ID,
		Reason: "the receiver answered 410", Changes: change.Between(source, &off, sourceFields),
	})
}

package alert

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"entgo.io/ent/dialect"
	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/alertsource"
	"github.com/keytag/keytag/ent/db/notification"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/mail"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
	"github.com/keytag/keytag/internal/webhook"
)

const (
	maxSourceName = 100
	maxReplies    = 10
	maxReply      = 100
	maxRecipients = 50
)

// form is a source as an input would have it; nil members are left as they are.
type form struct {
	name, message, subject, body, url *string
	replies, recipients               []string
}

// check brings the members to the form in which they are stored, and tells which cannot be.
func (f *form) check(o webhookChecker) fault.List {
	var faults fault.List
	add := func(err fault.UserError) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	if f.name != nil {
		name := strings.TrimSpace(*f.name)
		f.name = &name
		add(checkText("name", name, maxSourceName))
	}
	for _, template := range []struct {
		field string
		text  *string
	}{{"messageTemplate", f.message}, {"subjectTemplate", f.subject}, {"bodyTemplate", f.body}} {
		if template.text != nil {
			add(checkTemplate(template.field, *template.text))
		}
	}
	if f.replies != nil {
		seen := map[string]bool{}
		for i, reply := range f.replies {
			f.replies[i] = strings.TrimSpace(reply)
			add(checkText("replies", f.replies[i], maxReply))
			if seen[f.replies[i]] {
				add(fault.Invalid("replies must differ from each other", "replies"))
			}
			seen[f.replies[i]] = true
		}
		if len(f.replies) == 0 || len(f.replies) > maxReplies {
			add(fault.Invalid(fmt.Sprintf("replies must have 1 to %d entries", maxReplies), "replies"))
		}
	}
	if len(f.recipients) > maxRecipients {
		add(fault.Invalid(fmt.Sprintf("recipients must have at most %d entries", maxRecipients), "recipients"))
	}
	for _, to := range f.recipients {
		if !mail.IsAddress(to) || secret.In(to) {
			add(fault.Invalid("recipients must be e-mail addresses in ASCII, such as anna@example.org", "recipients"))
			break
		}
	}
	if f.url != nil {
		add(o(*f.url))
	}
	return faults
}

type webhookChecker func(url string) fault.UserError

func (a *Alerts) checkURL(url string) fault.UserError {
	if a.outbound.Sealer == nil {
		return fault.Input("config.encryption_key_required", "this needs a server with KEYTAG_ENCRYPTION_KEY", "url")
	}
	if err := a.outbound.Webhooks.Check(url); err != nil {
		return fault.Invalid("url is not allowed: "+err.Error(), "url")
	}
	return nil
}

func checkText(field, text string, most int) fault.UserError {
	err := fault.Validate(struct {
		Text string `validate:"printable"`
	}{text})
	if err != nil || text == "" || utf8.RuneCountInString(text) > most {
		return fault.Invalid(fmt.Sprintf("%s must have 1 to %d printable characters, and hold no API key", field, most), field)
	}
	return nil
}

func or(text *string, otherwise string) *string {
	if text == nil {
		return &otherwise
	}
	return text
}

// CreateMessageSource makes a source of operator messages. User errors: InputError.
func (a *Alerts) CreateMessageSource(ctx context.Context, in CreateMessageSourceInput) (Sourced, error) {
	replies := in.Replies
	if replies == nil {
		replies = []string{"Acknowledge"}
	}
	return a.create(ctx, kindMessage, form{name: &in.Name, message: or(in.MessageTemplate, defaultMessage), replies: replies})
}

// CreateEmailSource makes a source of e-mails. User errors: InputError.
func (a *Alerts) CreateEmailSource(ctx context.Context, in CreateEmailSourceInput) (Sourced, error) {
	return a.create(ctx, kindEmail, form{
		name: &in.Name, recipients: append([]string{}, in.Recipients...),
		subject: or(in.SubjectTemplate, defaultSubject), body: or(in.BodyTemplate, defaultBody),
	})
}

// CreateWebhookSource makes a source of webhooks, with the secret that signs them. User errors:
// InputError.
func (a *Alerts) CreateWebhookSource(ctx context.Context, in CreateWebhookSourceInput) (Sourced, error) {
	return a.create(ctx, kindWebhook, form{name: &in.Name, url: &in.URL})
}

func (a *Alerts) create(ctx context.Context, kind string, f form) (Sourced, error) {
	if err := f.check(a.checkURL).OrNil(); err != nil {
		return Sourced{}, err
	}
	now, p := a.now(), principal.From(ctx)
	id := typeid.New(typeid.AlertSource, now)
	var made *db.AlertSource
	var signer webhook.Secret
	err := a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		create := tx.AlertSource.Create().
			SetID(id).SetOrganizationID(p.OrganizationID).SetKind(kind).SetName(*f.name).
			SetNillableMessageTemplate(f.message).SetNillableSubjectTemplate(f.subject).SetNillableBodyTemplate(f.body).
			SetNillableURL(f.url).SetCreatedAt(now).SetUpdatedAt(now)
		if f.replies != nil {
			create.SetReplies(f.replies)
		}
		if f.recipients != nil {
			create.SetRecipients(f.recipients)
		}
		if kind == kindWebhook {
			signer = webhook.NewSecret()
			create.SetWebhookSecret(a.outbound.Sealer.Seal(signer.Reveal(), id))
		}
		var err error
		if made, err = create.Save(ctx); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Event{At: now, Action: "alert_source.created", SubjectID: id, Changes: change.Between(nil, made, sourceFields)})
	})
	if err != nil {
		return Sourced{}, nameTaken(err)
	}
	return Sourced{source(made), signer}, nil
}

func nameTaken(err error) error {
	if store.Violates(err, "alert_sources", "organization_id", "name") {
		return fault.Input("directory.name_taken", "another alert source has this name", "name")
	}
	return err
}

// Update changes a source. User errors: InputError.
func (a *Alerts) Update(ctx context.Context, in UpdateSourceInput) (Sourced, error) {
	return a.amend(ctx, in.ID, "alert_source.updated", func(tx *store.Tx, row *db.AlertSource, now time.Time) (*db.AlertSourceUpdateOne, webhook.Secret, error) {
		var signer webhook.Secret
		f, faults := in.form(row.Kind)
		faults = append(faults, f.check(a.checkURL)...)
		if len(faults) > 0 {
			return nil, signer, faults
		}
		update := tx.AlertSource.UpdateOne(row).SetNillableName(f.name).SetNillableMessageTemplate(f.message).
			SetNillableSubjectTemplate(f.subject).SetNillableBodyTemplate(f.body).SetNillableURL(f.url)
		if f.replies != nil {
			update.SetReplies(f.replies)
		}
		if f.recipients != nil {
			update.SetRecipients(f.recipients)
		}
		if f.url != nil && *f.url != row.URL { // another receiver, another secret
			signer = webhook.NewSecret()
			update.SetWebhookSecret(a.outbound.Sealer.Seal(signer.Reveal(), row.ID)).
				ClearPreviousWebhookSecret().ClearPreviousSecretUntil()
		}
		return update, signer, nil
	})
}

// form refuses members that the kind does not have, and nulls that mean nothing: a null template is the
// default one, null recipients are the owner.
func (in UpdateSourceInput) form(kind string) (form, fault.List) {
	var f form
	var faults fault.List
	take := func(field, ofKind string, member graphql.Omittable[*string], otherwise string) *string {
		switch {
		case !member.IsSet():
			return nil
		case ofKind != "" && ofKind != kind:
			faults = append(faults, fault.Invalid(field+" is no member of this kind of alert source", field))
			return nil
		case member.Value() == nil && otherwise == "":
			faults = append(faults, fault.Invalid(field+" must not be null", field))
			return nil
		}
		return or(member.Value(), otherwise)
	}
	list := func(field, ofKind string, member graphql.Omittable[[]string], otherwise []string) []string {
		switch {
		case !member.IsSet():
			return nil
		case ofKind != kind:
			faults = append(faults, fault.Invalid(field+" is no member of this kind of alert source", field))
			return nil
		case member.Value() == nil:
			return otherwise
		}
		return append([]string{}, member.Value()...)
	}
	f.name = take("name", "", in.Name, "")
	f.message = take("messageTemplate", kindMessage, in.MessageTemplate, defaultMessage)
	f.replies = list("replies", kindMessage, in.Replies, []string{"Acknowledge"})
	f.recipients = list("recipients", kindEmail, in.Recipients, []string{})
	f.subject = take("subjectTemplate", kindEmail, in.SubjectTemplate, defaultSubject)
	f.body = take("bodyTemplate", kindEmail, in.BodyTemplate, defaultBody)
	f.url = take("url", kindWebhook, in.URL, "")
	return f, faults
}

// SetEnabled switches a source on or off. Alerts of one that is off are not raised. User errors:
// InputError.
func (a *Alerts) SetEnabled(ctx context.Context, in SetSourceEnabledInput) (Sourced, error) {
	action := "alert_source.disabled"
	if in.Enabled {
		action = "alert_source.enabled"
	}
	return a.amend(ctx, in.ID, action, func(tx *store.Tx, row *db.AlertSource, _ time.Time) (*db.AlertSourceUpdateOne, webhook.Secret, error) {
		return tx.AlertSource.UpdateOne(row).SetEnabled(in.Enabled), webhook.Secret{}, nil
	})
}

// RotateSecret gives a webhook source a new signing secret; the old one signs along for 24 hours. User
// errors: InputError.
func (a *Alerts) RotateSecret(ctx context.Context, id string) (*string, error) {
	if p := principal.From(ctx); !p.IsAdmin() || !p.Holds(principal.AlertsWrite) {
		return nil, fault.Input(fault.CodeForbidden, "only administrators change alert sources", "id")
	}
	rotated, err := a.amend(ctx, id, "alert_source.secret_rotated", func(tx *store.Tx, row *db.AlertSource, now time.Time) (*db.AlertSourceUpdateOne, webhook.Secret, error) {
		if row.Kind != kindWebhook {
			return nil, webhook.Secret{}, fault.Invalid("id must be that of an API key or of a webhook alert source", "id")
		}
		if a.outbound.Sealer == nil {
			return nil, webhook.Secret{}, a.checkURL(row.URL)
		}
		signer := webhook.NewSecret()
		return tx.AlertSource.UpdateOne(row).
			SetNillablePreviousWebhookSecret(row.WebhookSecret).
			SetPreviousSecretUntil(now.Add(webhook.Overlap)).
			SetWebhookSecret(a.outbound.Sealer.Seal(signer.Reveal(), row.ID)), signer, nil
	})
	if err != nil {
		return nil, err
	}
	return rotated.WebhookSecret(), nil
}

// amend changes a source as do says, and records that under action.
func (a *Alerts) amend(ctx context.Context, id, action string, do func(*store.Tx, *db.AlertSource, time.Time) (*db.AlertSourceUpdateOne, webhook.Secret, error)) (Sourced, error) {
	if err := typeid.Want(typeid.AlertSource, "id", id); err != nil {
		return Sourced{}, err
	}
	now := a.now()
	var after *db.AlertSource
	var signer webhook.Secret
	err := a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		before, err := take(ctx, tx, "id", id)
		if err != nil {
			return err
		}
		update, fresh, err := do(tx, before, now)
		if err != nil {
			return err
		}
		signer = fresh
		if after, err = update.SetUpdatedAt(now).Save(ctx); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Event{At: now, Action: action, SubjectID: id, Changes: change.Between(before, after, sourceFields)})
	})
	if err != nil {
		return Sourced{}, nameTaken(err)
	}
	return Sourced{source(after), signer}, nil
}

// take is a source that is not deleted, held until the transaction ends, so that nobody begins to use
// one that is going. A missing one is a user error on field.
func take(ctx context.Context, tx *store.Tx, field, id string) (*db.AlertSource, error) {
	q := tx.AlertSource.Query().Where(alertsource.ID(id), alertsource.DeletedAtIsNil())
	if tx.Dialect() == dialect.Postgres { // SQLite has one writer
		q.ForUpdate()
	}
	row, err := q.Only(ctx)
	if db.IsNotFound(err) {
		return nil, fault.NotFound("alert source", field)
	}
	return row, err
}

// Delete takes a source away that no notification uses. User errors: InputError, which names the keys
// whose notifications do.
func (a *Alerts) Delete(ctx context.Context, in DeleteSourceInput) error {
	if err := typeid.Want(typeid.AlertSource, "id", in.ID); err != nil {
		return err
	}
	now := a.now()
	return a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		row, err := take(ctx, tx, "id", in.ID)
		if err != nil {
			return err
		}
		const shown = 20
		users, err := tx.Notification.Query().
			Where(notification.AlertSourceID(in.ID)).
			Order(db.Asc(notification.FieldID)).
			Limit(shown + 1).
			All(principal.System(ctx))
		if err != nil {
			return err
		}
		if len(users) > 0 {
			var ids []string
			for _, n := range users[:min(len(users), shown)] {
				ids = append(ids, n.KeyID)
			}
			list := strings.Join(ids, ", ")
			if len(users) > shown {
				list += " and more"
			}
			return fault.Input("alert_sources.in_use", "notifications use the alert source; disable it, or change them first: those of the keys "+list, "id")
		}
		// What is scheduled without a notification would be cancelled work; there is none. The row stays
		// for the jobs that were.
		if err := tx.AlertSource.UpdateOne(row).SetDeletedAt(now).SetEnabled(false).Exec(ctx); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Event{At: now, Action: "alert_source.deleted", SubjectID: in.ID,
			Changes: []change.Field{{Field: "name", Before: &row.Name}}})
	})
}

var sourceFields = []change.Recorded[db.AlertSource]{
	{Name: "name", Value: func(s *db.AlertSource) *string { return &s.Name }},
	{Name: "enabled", Value: func(s *db.AlertSource) *string { return change.Text(s.Enabled) }},
	{Name: "messageTemplate", Value: func(s *db.AlertSource) *string { return set(s.MessageTemplate) }},
	{Name: "replies", Value: func(s *db.AlertSource) *string { return quoted(s.Replies) }},
	{Name: "recipients", Value: func(s *db.AlertSource) *string { return set(*change.List(s.Recipients)) }},
	{Name: "subjectTemplate", Value: func(s *db.AlertSource) *string { return set(s.SubjectTemplate) }},
	{Name: "bodyTemplate", Value: func(s *db.AlertSource) *string { return set(s.BodyTemplate) }},
	// The path and the query of a URL may be what makes it secret.
	{Name: "url", Value: func(s *db.AlertSource) *string { return set(webhook.Host(s.URL)) }},
}

// quoted tells texts that hold spaces from each other.
func quoted(texts []string) *string {
	if len(texts) == 0 {
		return nil
	}
	list := fmt.Sprintf("%q", texts)
	return &list
}

func set(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

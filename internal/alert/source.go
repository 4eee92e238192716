package alert

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/alertsource"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/webhook"
)

// Kinds of alert sources.
const (
	kindMessage = "OPERATOR_MESSAGE"
	kindEmail   = "EMAIL"
	kindWebhook = "WEBHOOK"
)

// Source is an alert source of one of the three kinds.
type Source interface {
	IsNode()
	Row() *db.AlertSource
}

type (
	// MessageSource raises an operator message.
	MessageSource struct{ *db.AlertSource }
	// EmailSource sends an e-mail.
	EmailSource struct{ *db.AlertSource }
	// WebhookSource posts a signed webhook.
	WebhookSource struct{ *db.AlertSource }
)

// Row is the stored source.
func (s MessageSource) Row() *db.AlertSource { return s.AlertSource }

// Row is the stored source.
func (s EmailSource) Row() *db.AlertSource { return s.AlertSource }

// Row is the stored source.
func (s WebhookSource) Row() *db.AlertSource { return s.AlertSource }

func source(row *db.AlertSource) Source {
	switch row.Kind {
	case kindEmail:
		return &EmailSource{row}
	case kindWebhook:
		return &WebhookSource{row}
	}
	return &MessageSource{row}
}

// CreateMessageSourceInput says what a new source of operator messages shall be.
type CreateMessageSourceInput struct {
	Name            string
	MessageTemplate *string
	Replies         []string
}

// CreateEmailSourceInput says what a new source of e-mails shall be.
type CreateEmailSourceInput struct {
	Name            string
	Recipients      []string
	SubjectTemplate *string
	BodyTemplate    *string
}

// CreateWebhookSourceInput says what a new source of webhooks shall be.
type CreateWebhookSourceInput struct{ Name, URL string }

// UpdateSourceInput says what to change of a source; members that its kind does not have are refused.
type UpdateSourceInput struct {
	ID              string
	Name            graphql.Omittable[*string]
	MessageTemplate graphql.Omittable[*string]
	Replies         graphql.Omittable[[]string]
	Recipients      graphql.Omittable[[]string]
	SubjectTemplate graphql.Omittable[*string]
	BodyTemplate    graphql.Omittable[*string]
	URL             graphql.Omittable[*string]
}

// SetSourceEnabledInput switches a source on or off.
type SetSourceEnabledInput struct {
	ID      string
	Enabled bool
}

// DeleteSourceInput says which source to delete.
type DeleteSourceInput struct{ ID string }

// Sourced is a source with the secret that signs its webhook, if that is new.
type Sourced struct {
	AlertSource Source
	signer      webhook.Secret
}

// WebhookSecret signs the source's webhooks; nil unless it is new.
func (s Sourced) WebhookSecret() *string {
	if s.signer.IsZero() {
		return nil
	}
	text := s.signer.Reveal()
	return &text
}

// SourcesByID are the alert sources with these ids that the caller may see, by id, deleted ones
// included.
func (a *Alerts) SourcesByID(ctx context.Context, ids []string) (map[string]Source, error) {
	rows, err := a.store.Client.AlertSource.Query().Where(alertsource.IDIn(ids...)).All(ctx)
	return store.By(func(s Source) string { return s.Row().ID }, sources(rows), err)
}

// Sources is a page of alert sources.
type Sources struct {
	page.Page[Source]
	search *db.AlertSourceQuery
}

const sourceOrder = "s"

// Cursor is the place of a source of the page in the whole list.
func (*Sources) Cursor(s Source) string {
	return page.Encode(sourceOrder, page.Cursor{ID: s.Row().ID})
}

// Count is how many sources the whole list has, counted up to page.MaxCount + 1.
func (s *Sources) Count(ctx context.Context) (int, error) {
	ids, err := s.search.Clone().Limit(page.MaxCount + 1).IDs(ctx)
	return len(ids), err
}

// Sources lists the alert sources of the organization, oldest first. User errors: InputError on the
// page.
func (a *Alerts) Sources(ctx context.Context, args page.Args) (*Sources, error) {
	bounds, err := args.Bounds(sourceOrder)
	if err != nil {
		return nil, err
	}
	all := a.store.Client.AlertSource.Query().Where(alertsource.DeletedAtIsNil())
	behind, order := store.Keyset(bounds, false, alertsource.FieldID)
	rows, err := all.Clone().Where(behind).Order(order).Limit(bounds.Size + 1).All(ctx)
	if err != nil {
		return nil, err
	}
	return &Sources{Page: page.Of(bounds, sources(rows)), search: all}, nil
}

func sources(rows []*db.AlertSource) []Source {
	list := make([]Source, len(rows))
	for i, row := range rows {
		list[i] = source(row)
	}
	return list
}

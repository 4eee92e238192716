package alert

import (
	"context"
	"slices"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/operatormessage"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// MessageStatus tells whether an operator message was replied to. Values are those of the GraphQL enum
// OperatorMessageStatus.
type MessageStatus string

const (
	WaitingForReply MessageStatus = "WAITING_FOR_REPLY"
	Replied         MessageStatus = "REPLIED"
)

// StatusOf tells whether a message was replied to.
func StatusOf(m *db.OperatorMessage) MessageStatus {
	if m.RepliedAt == nil {
		return WaitingForReply
	}
	return Replied
}

// ReplyInput is a reply to an operator message.
type ReplyInput struct{ ID, Reply string }

// Reply answers an operator message, once: of several that reply the first is heard. User errors:
// InputError.
func (a *Alerts) Reply(ctx context.Context, in ReplyInput) (*db.OperatorMessage, error) {
	if err := typeid.Want(typeid.Message, "id", in.ID); err != nil {
		return nil, err
	}
	now := a.now()
	var replied *db.OperatorMessage
	err := a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		message, err := tx.OperatorMessage.Get(ctx, in.ID)
		switch {
		case db.IsNotFound(err):
			return fault.NotFound("operator message", "id")
		case err != nil:
			return err
		case !slices.Contains(message.Replies, in.Reply):
			return fault.Invalid("reply must be one of the message's replies", "reply")
		}
		n, err := tx.OperatorMessage.Update().
			Where(operatormessage.ID(in.ID), operatormessage.RepliedAtIsNil()).
			SetReply(in.Reply).
			SetRepliedByID(principal.From(ctx).UserID).
			SetRepliedAt(now).
			Save(ctx)
		switch {
		case err != nil:
			return err
		case n == 0:
			return fault.Input("operator_messages.replied", "the message has been replied to already", "id")
		}
		if replied, err = tx.OperatorMessage.Get(ctx, in.ID); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Event{At: now, Action: "operator_message.replied", SubjectID: in.ID, OwnerID: replied.OwnerID,
			Changes: []change.Field{{Field: "reply", After: &in.Reply}}})
	})
	if err != nil {
		return nil, err
	}
	return replied, nil
}

// MessagesByID are the operator messages with these ids that the caller may see, by id.
func (a *Alerts) MessagesByID(ctx context.Context, ids []string) (map[string]*db.OperatorMessage, error) {
	rows, err := a.store.Client.OperatorMessage.Query().Where(operatormessage.IDIn(ids...)).All(ctx)
	return store.By(func(m *db.OperatorMessage) string { return m.ID }, rows, err)
}

// Messages is a page of operator messages.
type Messages struct {
	page.Page[*db.OperatorMessage]
	search *db.OperatorMessageQuery
}

const messageOrder = "m"

// Cursor is the place of a message of the page in the whole list.
func (*Messages) Cursor(m *db.OperatorMessage) string {
	return page.Encode(messageOrder, page.Cursor{ID: m.ID})
}

// Count is how many messages the whole list has, counted up to page.MaxCount + 1.
func (m *Messages) Count(ctx context.Context) (int, error) {
	ids, err := m.search.Clone().Limit(page.MaxCount + 1).IDs(ctx)
	return len(ids), err
}

// Messages lists the operator messages about keys that the caller may see, newest first. User errors:
// InputError on the page.
func (a *Alerts) Messages(ctx context.Context, status *MessageStatus, args page.Args) (*Messages, error) {
	bounds, err := args.Bounds(messageOrder)
	if err != nil {
		return nil, err
	}
	all := a.store.Client.OperatorMessage.Query()
	if status != nil {
		if *status == Replied {
			all.Where(operatormessage.RepliedAtNotNil())
		} else {
			all.Where(operatormessage.RepliedAtIsNil())
		}
	}
	behind, order := store.Keyset(bounds, true, operatormessage.FieldID)
	rows, err := all.Clone().Where(behind).Order(order).Limit(bounds.Size + 1).All(ctx)
	if err != nil {
		return nil, err
	}
	return &Messages{Page: page.Of(bounds, rows), search: all}, nil
}

// acknowledge is the reply to what the server tells by itself.
var acknowledge = []string{"Acknowledge"}

// message is an operator message about a key, to be written.
func message(tx *store.Tx, now time.Time, key *db.APIKey, jobID *string, subject, text string, replies []string) (string, *db.OperatorMessageCreate) {
	id := typeid.New(typeid.Message, now)
	return id, tx.OperatorMessage.Create().
		SetID(id).
		SetOrganizationID(key.OrganizationID).
		SetOwnerID(key.OwnerID).
		SetFamilyID(key.FamilyID).
		SetKeyID(key.ID).
		SetNillableJobID(jobID).
		SetSubject(oneLine(subject)).
		SetText(text).
		SetReplies(replies).
		SetCreatedAt(now)
}

// news is what the server has to tell by itself.
type news struct {
	messages []*db.OperatorMessageCreate
	mails    []queue.Job
}

// add has an operator message about a key raised, and sent by e-mail too where the server can.
func (a *Alerts) add(n *news, tx *store.Tx, now time.Time, key *db.APIKey, subject, text string) {
	id, m := message(tx, now, key, nil, subject, text, acknowledge)
	n.messages = append(n.messages, m)
	if a.mail != nil {
		n.mails = append(n.mails, queue.Job{Kind: job.Mail, Key: key, Lane: queue.Mail, At: now, MessageID: &id})
	}
}

func (n *news) write(ctx context.Context, tx *store.Tx, now time.Time) error {
	if err := tx.OperatorMessage.CreateBulk(n.messages...).Exec(principal.System(ctx)); err != nil {
		return err
	}
	for _, m := range n.mails {
		if _, err := queue.Add(ctx, tx, now, m); err != nil {
			return err
		}
	}
	return nil
}

// tell tells one piece of news in the transaction of what it is about.
func (a *Alerts) tell(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, subject, text string) error {
	var n news
	a.add(&n, tx, now, key, subject, text)
	return n.write(ctx, tx, now)
}

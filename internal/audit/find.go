package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/auditevent"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// Trail reads the audit trail, and adds to it what changes nothing.
type Trail struct {
	Store *store.Store
	Clock func() time.Time
}

// Filter bounds a list of events; every condition present must hold. A nil list is absent, an empty
// one matches nothing.
type Filter struct {
	Actions       []string
	ActorUserID   *string
	ActorAPIKeyID *string
	SubjectID     *string
	At            *page.Range
}

// Events is a page of events, newest first.
type Events struct {
	page.Page[*db.AuditEvent]
	search *db.AuditEventQuery
}

const order = "a"

// Cursor is the place of an event of the page in the whole list.
func (*Events) Cursor(e *db.AuditEvent) string { return page.Encode(order, page.Cursor{ID: e.ID}) }

// Count is how many events the whole list has, counted up to page.MaxCount + 1.
func (e *Events) Count(ctx context.Context) (int, error) {
	ids, err := e.search.Clone().Limit(page.MaxCount + 1).IDs(ctx)
	return len(ids), err
}

// EventsByID are the events with these ids that the caller may see, by id.
func (t *Trail) EventsByID(ctx context.Context, ids []string) (map[string]*db.AuditEvent, error) {
	rows, err := t.Store.Client.AuditEvent.Query().Where(auditevent.IDIn(ids...)).All(ctx)
	return store.By(func(e *db.AuditEvent) string { return e.ID }, rows, err)
}

// Find lists the events that the caller may see, newest first. User errors: InputError.
func (t *Trail) Find(ctx context.Context, f *Filter, args page.Args) (*Events, error) {
	bounds, err := args.Bounds(order)
	if err != nil {
		return nil, err
	}
	all := t.Store.Client.AuditEvent.Query()
	if f != nil {
		if err := f.check(); err != nil {
			return nil, err
		}
		f.narrow(all)
	}
	behind, direction := store.Keyset(bounds, true, auditevent.FieldID)
	rows, err := all.Clone().Where(behind).Order(direction).Limit(bounds.Size + 1).All(ctx)
	if err != nil {
		return nil, err
	}
	return &Events{Page: page.Of(bounds, rows), search: all}, nil
}

const maxActions = 50

func (f *Filter) check() error {
	var faults fault.List
	if len(f.Actions) > maxActions {
		faults = append(faults, fault.Invalid(fmt.Sprintf("filter.actions must have at most %d entries", maxActions), "filter.actions"))
	}
	if err := fault.Validate(struct {
		Actions []string `validate:"dive,max=100,printable"`
	}{f.Actions}); err != nil {
		faults = append(faults, fault.Invalid("filter.actions must be dotted names such as api_key.created", "filter.actions"))
	}
	for _, id := range []struct {
		kind, field string
		value       *string
	}{
		{typeid.User, "filter.actorUserId", f.ActorUserID},
		{typeid.APIKey, "filter.actorApiKeyId", f.ActorAPIKeyID},
	} {
		if id.value != nil {
			found, _ := fault.Split(typeid.Want(id.kind, id.field, *id.value))
			faults = append(faults, found...)
		}
	}
	if f.SubjectID != nil {
		if _, ok := typeid.Prefix(*f.SubjectID); !ok {
			faults = append(faults, fault.Invalid("filter.subjectId must be an id", "filter.subjectId"))
		}
	}
	return faults.OrNil()
}

func (f *Filter) narrow(q *db.AuditEventQuery) {
	if f.Actions != nil {
		q.Where(auditevent.ActionIn(f.Actions...))
	}
	if f.ActorUserID != nil {
		q.Where(auditevent.ActorUserID(*f.ActorUserID))
	}
	if f.ActorAPIKeyID != nil {
		q.Where(auditevent.ActorKeyID(*f.ActorAPIKeyID))
	}
	if f.SubjectID != nil {
		q.Where(auditevent.SubjectID(*f.SubjectID))
	}
	if f.At == nil {
		return
	}
	if f.At.From != nil {
		q.Where(auditevent.AtGTE(*f.At.From))
	}
	if f.At.Before != nil {
		q.Where(auditevent.AtLT(*f.At.Before))
	}
	if f.At.IsNull != nil && *f.At.IsNull { // every event has an instant
		q.Where(auditevent.IDIn())
	}
}

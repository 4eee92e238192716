// Package audit keeps the trail of who changed what. Events are written in the transaction of the
// change and never altered.
package audit

import (
	"context"
	"net/netip"
	"time"

	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/telemetry"
	"github.com/keytag/keytag/internal/typeid"
)

// Event is one thing that happened. No member may hold a secret or a digest.
type Event struct {
	At time.Time
	// Action is dotted and in the past tense: `api_key.created`.
	Action string
	// OrganizationID is the organization concerned; empty: the caller's.
	OrganizationID string
	SubjectID      string
	// OwnerID is the owner of the key concerned, if it is about a key.
	OwnerID string
	Reason  string
	Changes []change.Field
}

// Record writes e in tx, in the name of the caller, and makes it the witness by which an
// interrupted commit is recognised.
func Record(ctx context.Context, tx *store.Tx, e Event) error {
	p := principal.From(ctx)
	if e.OrganizationID == "" {
		e.OrganizationID = p.OrganizationID
	}
	id := typeid.New(typeid.AuditEvent, e.At)
	request := telemetry.RequestFrom(ctx)
	err := tx.AuditEvent.Create().
		SetID(id).
		SetOrganizationID(e.OrganizationID).
		SetAt(e.At).
		SetAction(e.Action).
		SetNillableActorUserID(unset(p.UserID)).
		SetNillableActorKeyID(unset(p.KeyID)).
		SetSubjectID(e.SubjectID).
		SetNillableOwnerID(unset(e.OwnerID)).
		SetNillableIP(address(request.RemoteIP)).
		SetNillableUserAgent(unset(request.UserAgent)).
		SetNillableRequestID(unset(request.ID)).
		SetNillableReason(unset(e.Reason)).
		SetChanges(e.Changes).
		Exec(ctx)
	tx.Witness(id)
	return err
}

// Denied records that the caller was denied something: which fields of the schema.
func (t *Trail) Denied(ctx context.Context, fields string) error {
	p := principal.From(ctx)
	return t.Store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		return Record(ctx, tx, Event{At: lifecycle.Instant(t.Clock()), Action: "access.denied", SubjectID: p.KeyID, OwnerID: p.UserID, Reason: fields})
	})
}

func address(ip netip.Addr) *string {
	if !ip.IsValid() {
		return nil
	}
	text := ip.String()
	return &text
}

func unset(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

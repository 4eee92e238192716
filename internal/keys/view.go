package keys

import (
	"context"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
)

// View is a key as one request sees it: the stored row, the instant of the request and the time
// zone of the viewer. What the row does not hold is computed from the three.
type View struct {
	*db.APIKey
	state  lifecycle.State // now
	now    time.Time
	zone   *time.Location
	viewer *principal.Principal
}

func view(ctx context.Context, row *db.APIKey, now time.Time) *View {
	return &View{APIKey: row, state: stateOf(row, now), now: now, zone: zoneOf(ctx), viewer: principal.From(ctx)}
}

// Beside is another row in the eyes of the same request, nil for no row.
func (v *View) Beside(row *db.APIKey) *View {
	if row == nil {
		return nil
	}
	return &View{APIKey: row, state: stateOf(row, v.now), now: v.now, zone: v.zone, viewer: v.viewer}
}

// View is a row as the caller sees it at an instant.
func (a *Authority) View(ctx context.Context, row *db.APIKey, now time.Time) *View {
	return view(ctx, row, now)
}

// ViewIn is a key as nobody in particular sees it at an instant, with details in a time zone.
func ViewIn(row *db.APIKey, now time.Time, zone *time.Location) *View {
	return &View{APIKey: row, state: stateOf(row, now), now: now, zone: zone}
}

func instants(row *db.APIKey) lifecycle.Instants {
	return lifecycle.Instants{
		Pending:             row.PendingSince != nil,
		CreatedAt:           row.CreatedAt,
		ExpiresAt:           row.ExpiresAt,
		InactivityExpiresAt: row.InactivityExpiresAt,
		GraceExpiresAt:      row.GraceExpiresAt,
		SuspendedAt:         row.SuspendedAt,
		RotatedAt:           row.RotatedAt,
		RevokedAt:           row.RevokedAt,
	}
}

func stateOf(row *db.APIKey, at time.Time) lifecycle.State {
	return lifecycle.Evaluate(instants(row), at)
}

// GivenScopes are those that were given to the key.
func (v *View) GivenScopes() []string { return v.Scopes }

// Status is what the key is now.
func (v *View) Status() lifecycle.Status { return v.state.Status }

// ViewerCanAdminister reports whether the caller may change the key.
func (v *View) ViewerCanAdminister() bool {
	p := v.viewer
	sees := p.Holds(principal.KeysRead) && (p.IsAdmin() || v.OwnerID == p.UserID) || v.FamilyID == p.FamilyID
	return sees && p.Holds(principal.KeysWrite)
}

// EndsBecause names the clock that ends the key, nil when none does.
func (v *View) EndsBecause() *lifecycle.EndReason {
	return reason(v.state.EndsBecause)
}

// EffectiveExpiresAt is the earliest end over all clocks, nil when there is none.
func (v *View) EffectiveExpiresAt() *time.Time {
	return v.state.EffectiveExpiresAt
}

// ExpiresInSeconds is the time to the effective end in whole seconds, 0 when it is over and nil
// when there is none.
func (v *View) ExpiresInSeconds() *int {
	end := v.EffectiveExpiresAt()
	if end == nil {
		return nil
	}
	seconds := max(0, int(end.Sub(v.now)/time.Second))
	return &seconds
}

// State is what the key is, or was, at an instant.
type State struct {
	At                 time.Time
	Status             lifecycle.Status
	EndsBecause        *lifecycle.EndReason
	EffectiveExpiresAt *time.Time
}

// State evaluates the key at another instant, with everything else as stored now. An instant before
// the key's creation is a user error.
func (v *View) State(at time.Time) (*State, error) {
	at = lifecycle.Instant(at)
	if err := v.existedAt(at); err != nil {
		return nil, err
	}
	s := stateOf(v.APIKey, at)
	return &State{At: at, Status: s.Status, EndsBecause: reason(s.EndsBecause), EffectiveExpiresAt: s.EffectiveExpiresAt}, nil
}

func (v *View) existedAt(at time.Time) error {
	if at.Before(v.CreatedAt) {
		return fault.Invalid("at must not be before the key's creation, "+v.CreatedAt.Format(time.RFC3339Nano), "at")
	}
	return nil
}

// Revocation is the end of a key by somebody's decision.
type Revocation struct {
	At     time.Time
	Reason lifecycle.RevocationReason
	Note   *string
	By     Actor
}

// Actor names who did something by ids; without any, the server did.
type Actor struct {
	UserID *string
	KeyID  *string
}

// System reports whether the server acted by itself.
func (a Actor) System() bool { return a.UserID == nil && a.KeyID == nil }

// Revocation tells who revoked the key and why, nil when nobody did.
func (v *View) Revocation() *Revocation {
	if v.RevokedAt == nil {
		return nil
	}
	r := &Revocation{
		At:     *v.RevokedAt,
		Reason: lifecycle.Unspecified,
		Note:   v.RevocationNote,
		By:     Actor{UserID: v.RevokedByUserID, KeyID: v.RevokedByKeyID},
	}
	if v.RevocationReason != nil {
		r.Reason = *v.RevocationReason
	}
	return r
}

func reason(r lifecycle.EndReason) *lifecycle.EndReason {
	if r == "" {
		return nil
	}
	return &r
}

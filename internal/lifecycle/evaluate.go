// Package lifecycle decides, from stored instants and a time alone, what state
// an API key is in. It also holds the calendar arithmetic those instants are
// made with. It reads no clock and touches no storage.
package lifecycle

import "time"

// Status is the state of a key at an instant.
type Status string

const (
	// Pending keys are minted and not yet handed over: they do not work.
	Pending     Status = "PENDING"
	Active      Status = "ACTIVE"
	RotatingOut Status = "ROTATING_OUT" // replaced, valid until the end of its grace
	Suspended   Status = "SUSPENDED"
	Expired     Status = "EXPIRED"
	Revoked     Status = "REVOKED"
)

// Live reports whether a key in this state may authenticate.
func (s Status) Live() bool { return s == Active || s == RotatingOut }

// Ended reports whether a key in this state is dead for ever.
func (s Status) Ended() bool { return s == Expired || s == Revoked }

// EndReason names the clock that ends a key; empty when none is set.
type EndReason string

const (
	EndLifetime      EndReason = "LIFETIME"
	EndNotAccessed   EndReason = "NOT_ACCESSED"
	EndRotationGrace EndReason = "ROTATION_GRACE"
	EndRevoked       EndReason = "REVOKED"
)

// Instants are the stored facts of a key's life; nil means it never happened
// or is not set to happen.
type Instants struct {
	// Pending marks a key that was not handed over yet.
	Pending             bool
	CreatedAt           time.Time
	ExpiresAt           *time.Time
	InactivityExpiresAt *time.Time
	GraceExpiresAt      *time.Time
	SuspendedAt         *time.Time
	RotatedAt           *time.Time
	RevokedAt           *time.Time
}

// State is what Evaluate answers. Its pointers are those of the Instants it
// was made from.
type State struct {
	At          time.Time
	Status      Status
	EndsBecause EndReason
	// EffectiveExpiresAt is the earliest end, reached or not; nil when the key
	// never ends.
	EffectiveExpiresAt *time.Time
	// NextChangeAt is the first stored instant after At with another status;
	// nil when there is none.
	NextChangeAt *time.Time
}

// Evaluate says what state a key with these instants is in at t, provided
// nothing else happens. A key is dead at the very instant of its end. Of equal
// ends the first of lifetime, inactivity, grace and revocation is named as the
// reason, while the status is REVOKED as soon as the revocation is not later
// than the natural end. Instants before CreatedAt are the caller's to refuse.
func Evaluate(k Instants, t time.Time) State {
	end, because := k.ExpiresAt, EndLifetime
	if end == nil {
		because = ""
	}
	if earlier(k.InactivityExpiresAt, end) {
		end, because = k.InactivityExpiresAt, EndNotAccessed
	}
	if earlier(k.GraceExpiresAt, end) {
		end, because = k.GraceExpiresAt, EndRotationGrace
	}
	ended := Expired
	if k.RevokedAt != nil && !earlier(end, k.RevokedAt) {
		ended = Revoked
	}
	if earlier(k.RevokedAt, end) {
		end, because = k.RevokedAt, EndRevoked
	}

	s := State{At: t, EndsBecause: because, EffectiveExpiresAt: end}
	if reached(end, t) {
		s.Status = ended
		return s
	}
	s.Status = alive(&k, t)
	s.NextChangeAt = end
	for _, at := range [...]*time.Time{k.RotatedAt, k.SuspendedAt} {
		if !reached(at, t) && earlier(at, s.NextChangeAt) && alive(&k, *at) != s.Status {
			s.NextChangeAt = at
		}
	}
	return s
}

// alive is the status at t of a key that has not ended by then.
func alive(k *Instants, t time.Time) Status {
	switch {
	case k.Pending:
		return Pending
	case reached(k.SuspendedAt, t):
		return Suspended
	case reached(k.RotatedAt, t) && k.GraceExpiresAt != nil:
		return RotatingOut
	default:
		return Active
	}
}

// earlier reports whether a is set and comes strictly before b; an unset b is
// later than everything.
func earlier(a, b *time.Time) bool { return a != nil && (b == nil || a.Before(*b)) }

// reached reports whether a is set and not after t.
func reached(a *time.Time, t time.Time) bool { return a != nil && !a.After(t) }

// Instant brings a time to the form in which every instant is stored and
// compared: UTC, truncated (never rounded up) to microseconds.
func Instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

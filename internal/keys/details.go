package keys

import (
	"time"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
)

// DetailsKind is what the details of a key are about. Values are those of the GraphQL enum
// ApiKeyDetailsKind.
type DetailsKind string

const (
	ExpiresIfNotUsed    DetailsKind = "EXPIRES_IF_NOT_USED"
	ExpiresAt           DetailsKind = "EXPIRES_AT"
	ExpiredByInactivity DetailsKind = "EXPIRED_BY_INACTIVITY"
	ExpiredAt           DetailsKind = "EXPIRED_AT"
	InGrace             DetailsKind = "IN_GRACE"
	GraceEnded          DetailsKind = "GRACE_ENDED"
	DetailsSuspended    DetailsKind = "SUSPENDED"
	DetailsRevoked      DetailsKind = "REVOKED"
)

// Details is what a person should know about the end of a key.
type Details struct {
	Kind    DetailsKind
	Message string
	At      *time.Time
	// LocalTime is At as RFC 3339 wall-clock time with offset, in the zone asked for.
	LocalTime *string
}

// Details says in one sentence what a person should know about the key's end, in the time zone
// given by its IANA name, else in the viewer's. An unknown zone is a user error.
func (v *View) Details(timeZone *string) (*Details, error) {
	zone := v.zone
	if timeZone != nil {
		var ok bool
		if zone, ok = lifecycle.Zone(*timeZone); !ok {
			return nil, fault.Invalid("timeZone must be an IANA time zone such as Europe/Amsterdam", "timeZone")
		}
	}
	kind, sentence, at := v.detail()
	if at == nil {
		return &Details{Kind: kind, Message: sentence}, nil
	}
	local := at.In(zone)
	text := local.Format(time.RFC3339Nano)
	return &Details{
		Kind:      kind,
		Message:   sentence + local.Format("2 January 2006, 15:04:05 MST"),
		At:        at,
		LocalTime: &text,
	}, nil
}

// detail picks what to say. The sentence lacks the instant at its end, unless there is none.
func (v *View) detail() (DetailsKind, string, *time.Time) {
	s := v.state
	switch s.Status {
	case lifecycle.Revoked:
		return DetailsRevoked, "Revoked (" + string(v.Revocation().Reason) + ") at ", v.RevokedAt
	case lifecycle.Expired:
		switch s.EndsBecause {
		case lifecycle.EndNotAccessed:
			return ExpiredByInactivity, "Expired before its expiration time, because it was not used, at ", s.EffectiveExpiresAt
		case lifecycle.EndRotationGrace:
			return GraceEnded, "Replaced by another key; its grace ended at ", s.EffectiveExpiresAt
		}
		return ExpiredAt, "Expired at ", s.EffectiveExpiresAt
	case lifecycle.Suspended:
		return DetailsSuspended, "Suspended since ", v.SuspendedAt
	case lifecycle.RotatingOut:
		return InGrace, "Replaced by another key; still works until ", s.EffectiveExpiresAt
	}
	if s.EndsBecause == lifecycle.EndNotAccessed {
		return ExpiresIfNotUsed, "If not used again, expires automatically at ", s.EffectiveExpiresAt
	}
	if s.EffectiveExpiresAt == nil {
		return ExpiresAt, "Does not expire", nil
	}
	return ExpiresAt, "Expires at ", s.EffectiveExpiresAt
}

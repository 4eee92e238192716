package keys

import (
	"fmt"
	"strings"
	"time"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/scope"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/telemetry"
)

// ExpiryOutOfRangeError refuses an end outside [Minimum, Maximum].
type ExpiryOutOfRangeError struct {
	fault.Detail
	Minimum, Maximum time.Time
}

func expiryOutOfRange(minimum, maximum time.Time, field string) *ExpiryOutOfRangeError {
	return &ExpiryOutOfRangeError{
		Detail: fault.Detail{
			Code:    "api_keys.expiry_out_of_range",
			Message: fmt.Sprintf("the key must end between %s and %s", minimum.Format(time.RFC3339Nano), maximum.Format(time.RFC3339Nano)),
			Fields:  []string{field},
		},
		Minimum: minimum,
		Maximum: maximum,
	}
}

// DescriptionTakenError refuses a description that another key of the owner has.
type DescriptionTakenError struct {
	fault.Detail
	// ExistingKey is nil when the caller may not see it.
	ExistingKey *View
}

// ScopeError refuses Scopes: malformed, unknown to the project, or not the caller's to give.
type ScopeError struct {
	fault.Detail
	Scopes []string
}

func scopeError(code, message string, scopes []string) *ScopeError {
	return &ScopeError{
		Detail: fault.Detail{Code: code, Message: message + ": " + strings.Join(scopes, ", "), Fields: []string{"scopes"}},
		Scopes: scopes,
	}
}

func scopesMalformed(scopes []string) *ScopeError {
	for i, s := range scopes {
		switch s = strings.ToValidUTF8(s, "\uFFFD"); {
		case secret.In(s), telemetry.Redact(s) != s:
			s = "[redacted]" // a secret in the wrong place
		case len(s) > scope.MaxLength:
			s = strings.ToValidUTF8(s[:scope.MaxLength], "") + "…"
		}
		scopes[i] = s
	}
	return scopeError("api_keys.scope_malformed", "scopes are segments of [a-z0-9][a-z0-9._-]* joined by ':', at most 128 characters, of which the last may be '*'; malformed", scopes)
}

func scopesUnknown(scopes []string) *ScopeError {
	return scopeError("api_keys.scope_unknown", "not in the scope catalogue of the project", scopes)
}

func scopesNotHeld(scopes []string) *ScopeError {
	return scopeError("api_keys.scope_not_held", "nobody can give what they do not hold; not held by the caller", scopes)
}

func scopesNotOfOldKey(scopes []string) *ScopeError {
	return scopeError("api_keys.scope_not_held", "a rotation can only narrow scopes; not held by the old key", scopes)
}

// GraceOutOfRangeError refuses a grace longer than Maximum.
type GraceOutOfRangeError struct {
	fault.Detail
	Maximum lifecycle.Period
}

func graceOutOfRange(maximum lifecycle.Period) *GraceOutOfRangeError {
	return &GraceOutOfRangeError{
		Detail: fault.Detail{
			Code:    "api_keys.grace_out_of_range",
			Message: "gracePeriod must be at most " + maximum.String(),
			Fields:  []string{"gracePeriod"},
		},
		Maximum: maximum,
	}
}

// AlreadyRotatedError refuses to rotate a key that has a standing successor.
type AlreadyRotatedError struct {
	fault.Detail
	// ReplacedBy is nil when the successor has been removed.
	ReplacedBy *View
}

func alreadyRotated(successor *View) *AlreadyRotatedError {
	e := &AlreadyRotatedError{Detail: fault.Detail{
		Code:    "api_keys.already_rotated",
		Message: "the key has been replaced already, by " + successor.ID,
		Fields:  []string{"id"},
	}}
	if successor.RemovedAt == nil {
		e.ReplacedBy = successor
	}
	return e
}

// KeyNotLiveError refuses what only a live key allows.
type KeyNotLiveError struct {
	fault.Detail
	Status lifecycle.Status
	Since  time.Time
}

// NotLive answers the error for a key in a state that is not live.
func NotLive(v *View) *KeyNotLiveError {
	s := v.state
	since := v.SuspendedAt
	switch {
	case s.Status.Ended():
		since = s.EffectiveExpiresAt
	case s.Status == lifecycle.Pending:
		since = v.PendingSince
	}
	return &KeyNotLiveError{
		Detail: fault.Detail{
			Code:    "api_keys.not_live",
			Message: fmt.Sprintf("the key is %s since %s", s.Status, since.Format(time.RFC3339Nano)),
			Fields:  []string{"id"},
		},
		Status: s.Status,
		Since:  *since,
	}
}

// Unavailable is that keys cannot be looked up now.
var Unavailable = &fault.Error{Code: fault.CodeUnavailable, Message: "the key cannot be checked now; try again"}

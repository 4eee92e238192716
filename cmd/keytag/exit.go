package main

import (
	"errors"

	"github.com/keytag/keytag/internal/client"
)

// Exit codes.
const (
	exitOK               = 0
	exitFailure          = 1
	exitUsage            = 2
	exitNotAuthenticated = 3
	exitNotAllowed       = 4
	exitNotFound         = 5
	exitConflict         = 6
	exitUnreachable      = 8
	exitKeyDead          = 10
	exitExpiresSoon      = 11
)

// errUsage marks errors in how the program was called or configured.
type errUsage struct{ error }

// errExit is an error with an exit code of its own.
type errExit struct {
	error
	code int
}

func (e errExit) Unwrap() error { return e.error }

// exitCode is that of an error.
func exitCode(err error) int {
	var (
		own         errExit
		unreachable *client.Unreachable
		refusal     *client.Refusal
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &own):
		return own.code
	case errors.As(err, &errUsage{}):
		return exitUsage
	case errors.Is(err, client.ErrNoToken):
		return exitNotAuthenticated
	case errors.As(err, &unreachable):
		return exitUnreachable
	case errors.As(err, &refusal):
		return exitOf(refusal.Code)
	}
	return exitFailure
}

// exitOf is the exit code of what the server says.
func exitOf(code string) int {
	switch code {
	case "api_keys.expired", "api_keys.inactive", "api_keys.grace_ended", "api_keys.revoked":
		return exitKeyDead
	case "api_keys.invalid", "api_keys.suspended", "api_keys.not_active", "auth.unauthenticated":
		return exitNotAuthenticated
	case "auth.forbidden", "auth.owner_disabled", "auth.owner_not_privileged", "auth.ip_not_allowed", "api_keys.scope_not_held":
		return exitNotAllowed
	case "not_found", "api_keys.user_not_found":
		return exitNotFound
	case "api_keys.description_taken", "api_keys.already_rotated", "api_keys.not_live", "idempotency.conflict":
		return exitConflict
	case "input.invalid", "api_keys.expiry_out_of_range", "api_keys.grace_out_of_range", "api_keys.scope_malformed", "api_keys.scope_unknown":
		return exitUsage
	}
	return exitFailure
}

// exitOfVerdict is the exit code of what was verified: as over HTTP those up to SUSPENDED are not authenticated.
func exitOfVerdict(v *client.Verdict) int {
	switch {
	case v.Valid:
		return exitOK
	case v.Code == "REVOKED" || v.Code == "EXPIRED" || v.Code == "INACTIVE" || v.Code == "GRACE_ENDED":
		return exitKeyDead
	case v.Code == "NOT_FOUND" || v.Code == "NOT_ACTIVE" || v.Code == "SUSPENDED":
		return exitNotAuthenticated
	}
	return exitNotAllowed
}

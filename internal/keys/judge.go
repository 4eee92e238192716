package keys

import (
	"context"
	"net/netip"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/environment"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/scope"
)

// VerificationCode says whether a key works, and if not why. Values are those of the GraphQL enum
// of that name.
type VerificationCode string

const (
	Valid              VerificationCode = "VALID"
	NotFound           VerificationCode = "NOT_FOUND"
	Revoked            VerificationCode = "REVOKED"
	Expired            VerificationCode = "EXPIRED"
	Inactive           VerificationCode = "INACTIVE"
	GraceOver          VerificationCode = "GRACE_ENDED"
	NotActive          VerificationCode = "NOT_ACTIVE"
	Suspended          VerificationCode = "SUSPENDED"
	OwnerDisabled      VerificationCode = "OWNER_DISABLED"
	OwnerNotPrivileged VerificationCode = "OWNER_NOT_PRIVILEGED"
	IPNotAllowed       VerificationCode = "IP_NOT_ALLOWED"
	WrongProject       VerificationCode = "WRONG_PROJECT"
	WrongEnvironment   VerificationCode = "WRONG_ENVIRONMENT"
	InsufficientScope  VerificationCode = "INSUFFICIENT_SCOPE"
)

// demand is what a key is asked to be good for. Nil members ask for nothing.
type demand struct {
	// ip is where the key is used from; nil when that does not matter, the zero Addr when unknown.
	ip            *netip.Addr
	projectID     *string
	environmentID *string
	// home answers the project of an environment, as HomesOf does.
	home   func(ctx context.Context, environmentID string) (string, error)
	scopes []string
}

// judge is the one decision on a key whose whole text was presented: the first reason, in this
// order, why it is not good for the demand at an instant. The key's owner must be loaded.
func judge(ctx context.Context, key *db.APIKey, at time.Time, d demand) (VerificationCode, error) {
	state := stateOf(key, at)
	switch owner := key.Edges.Owner; {
	case state.Status == lifecycle.Revoked:
		return Revoked, nil
	case state.Status == lifecycle.Expired:
		return endedBecause(state.EndsBecause), nil
	case state.Status == lifecycle.Pending:
		return NotActive, nil
	case state.Status == lifecycle.Suspended:
		return Suspended, nil
	case owner.DisabledAt != nil:
		return OwnerDisabled, nil
	case !owner.MayUseAPIKeys:
		return OwnerNotPrivileged, nil
	case d.ip != nil && !addressAllowed(key.AllowedIps, *d.ip):
		return IPNotAllowed, nil
	case d.projectID != nil && *d.projectID != key.ProjectID:
		return WrongProject, nil
	}
	if d.environmentID != nil {
		if fits, err := fits(ctx, key, *d.environmentID, d.home); err != nil || !fits {
			return WrongEnvironment, err
		}
	}
	if len(rightsOf(key).Lacks(d.scopes)) > 0 {
		return InsufficientScope, nil
	}
	return Valid, nil
}

func endedBecause(reason lifecycle.EndReason) VerificationCode {
	switch reason {
	case lifecycle.EndNotAccessed:
		return Inactive
	case lifecycle.EndRotationGrace:
		return GraceOver
	}
	return Expired
}

// fits reports whether the key works in an environment: its own, or if it is bound to none any of
// its project.
func fits(ctx context.Context, key *db.APIKey, environmentID string, home func(context.Context, string) (string, error)) (bool, error) {
	if key.EnvironmentID != nil {
		return *key.EnvironmentID == environmentID, nil
	}
	project, err := home(ctx, environmentID)
	return project == key.ProjectID, err
}

// HomesOf are the ids of the projects of environments, by the environment's id, whoever may see them.
func (a *Authority) HomesOf(ctx context.Context, environmentIDs []string) (map[string]string, error) {
	rows, err := a.store.Client.Environment.Query().Where(environment.IDIn(environmentIDs...)).All(principal.System(ctx))
	homes := map[string]string{}
	for _, e := range rows {
		homes[e.ID] = e.ProjectID
	}
	return homes, err
}

// home is HomesOf of one environment, empty when there is none.
func (a *Authority) home(ctx context.Context, environmentID string) (string, error) {
	return a.homes.Find(environmentID, func() (home string, lasts bool, err error) {
		homes, err := a.HomesOf(ctx, []string{environmentID})
		home, lasts = homes[environmentID]
		return home, lasts, err
	})
}

// rightsOf is the caller that the key would be: its scopes within its owner's role as it is now.
func rightsOf(key *db.APIKey) *principal.Principal {
	return &principal.Principal{
		OrganizationID: key.OrganizationID,
		UserID:         key.OwnerID,
		KeyID:          key.ID,
		FamilyID:       key.FamilyID,
		Role:           key.Edges.Owner.Role,
		Scopes:         scope.Set(key.Scopes),
	}
}

// refusal is what the holder of a key is told when it does not work; at is when it ended.
func refusal(key *db.APIKey, code VerificationCode, now time.Time) *fault.Error {
	switch end := stateOf(key, now).EffectiveExpiresAt; code {
	case Revoked:
		return &fault.Error{Code: "api_keys.revoked", Message: "the API key is revoked", At: key.RevokedAt}
	case Inactive:
		return &fault.Error{Code: "api_keys.inactive", Message: "the API key expired because it was not used", At: end}
	case GraceOver:
		return &fault.Error{Code: "api_keys.grace_ended", Message: "the API key was replaced and its grace is over", At: end}
	case Expired:
		return &fault.Error{Code: "api_keys.expired", Message: "the API key has expired", At: end}
	case NotActive:
		return &fault.Error{Code: "api_keys.not_active", Message: "the API key is not active yet"}
	case Suspended:
		return &fault.Error{Code: "api_keys.suspended", Message: "the API key is suspended", At: key.SuspendedAt}
	case OwnerDisabled:
		return &fault.Error{Code: "auth.owner_disabled", Message: "the owner of the API key is disabled", At: key.Edges.Owner.DisabledAt}
	case OwnerNotPrivileged:
		return &fault.Error{Code: "auth.owner_not_privileged", Message: "the owner of the API key may not use API keys"}
	case IPNotAllowed:
		return &fault.Error{Code: "auth.ip_not_allowed", Message: "the API key may not be used from this address"}
	}
	return invalidKey()
}

func invalidKey() *fault.Error {
	return &fault.Error{Code: "api_keys.invalid", Message: "the API key is not valid"}
}

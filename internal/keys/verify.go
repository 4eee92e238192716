package keys

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/telemetry"
	"github.com/keytag/keytag/internal/typeid"
)

// VerifyInput asks whether a key that somebody presented is good for something.
type VerifyInput struct {
	Secret         string
	RequiredScopes []string
	ProjectID      *string
	EnvironmentID  *string
	ClientIP       *string
	// RecordUse is true when nil.
	RecordUse *bool
}

// Verification is the answer. APIKey is present whenever the whole text matched a key of the
// caller's organization.
type Verification struct {
	Code          VerificationCode
	APIKey        *View
	MissingScopes []string
}

// Valid reports whether the key is good for what was asked.
func (v Verification) Valid() bool { return v.Code == Valid }

// Verify judges a presented key for the caller's organization. Malformed, unknown, removed and
// another organization's keys answer NotFound and nothing else. User errors: InputError, ScopeError. A key that
// cannot be looked up now is no fault of the server, as it is none when it presents itself: `auth.unavailable`.
func (a *Authority) Verify(ctx context.Context, in VerifyInput) (Verification, error) {
	v, err := a.verify(ctx, in)
	if err == nil {
		telemetry.Verifications.Add(string(v.Code))
		return v, nil
	}
	if userErrors, _ := fault.Split(err); len(userErrors) > 0 || errors.As(err, new(*fault.Error)) {
		return v, err
	}
	a.log.ErrorContext(ctx, "verify", "error", err, "request_id", telemetry.RequestID(ctx))
	return v, Unavailable
}

func (a *Authority) verify(ctx context.Context, in VerifyInput) (Verification, error) {
	notFound := Verification{Code: NotFound, MissingScopes: []string{}}
	d, err := in.demand(a.home)
	if err != nil {
		return notFound, err
	}
	presented, err := secret.Parse(in.Secret)
	if err != nil {
		return notFound, nil
	}
	use := Use{IP: *d.ip, Probe: in.RecordUse != nil && !*in.RecordUse}
	organization := principal.From(ctx).OrganizationID
	j, err := a.admit(ctx, presented, use, d, func(key *db.APIKey) bool { return key.OrganizationID == organization })
	if err != nil {
		return Verification{}, err
	}
	if j.key == nil {
		return notFound, nil
	}
	key, err := a.located(ctx, j.remembered)
	if err != nil {
		return Verification{}, err
	}
	return Verification{Code: j.code, APIKey: view(ctx, key, j.at), MissingScopes: missing(j.rights, d.scopes)}, nil
}

// located is a verified key with where it belongs: whoever may verify it may know that, though they see
// nothing of the directory.
func (a *Authority) located(ctx context.Context, r *remembered) (*db.APIKey, error) {
	if principal.From(ctx).Holds(principal.DirectoryRead) {
		return r.key, nil // the fields find it themselves
	}
	place := r.place.Load()
	if place == nil {
		found, err := a.store.Client.APIKey.Query().Where(apikey.ID(r.key.ID)).
			WithOwner().WithOrganization().WithProject().WithEnvironment().
			Only(principal.System(ctx))
		if err != nil {
			return nil, err
		}
		place = &found.Edges
		r.place.Store(place)
	}
	key := *r.key
	key.Edges = *place
	return &key, nil
}

func (in VerifyInput) demand(home func(context.Context, string) (string, error)) (demand, error) {
	var faults fault.List
	d := demand{ip: &netip.Addr{}, projectID: in.ProjectID, environmentID: in.EnvironmentID}
	if in.ClientIP != nil {
		ip, err := netip.ParseAddr(*in.ClientIP)
		if err != nil || ip.Zone() != "" {
			faults = append(faults, fault.Invalid("clientIp must be an IPv4 or IPv6 address", "clientIp"))
		}
		d.ip = &ip
	}
	for _, id := range []struct {
		kind, field string
		value       *string
	}{{typeid.Project, "projectId", in.ProjectID}, {typeid.Environment, "environmentId", in.EnvironmentID}} {
		if id.value != nil {
			found, _ := fault.Split(typeid.Want(id.kind, id.field, *id.value))
			faults = append(faults, found...)
		}
	}
	scopes, scopeFault := wellFormedScopes("requiredScopes", in.RequiredScopes)
	if scopeFault != nil {
		faults = append(faults, scopeFault)
	}
	d.scopes = scopes
	d.home = home
	return d, faults.OrNil()
}

func missing(rights *principal.Principal, asked []string) []string {
	lacked := rights.Lacks(asked)
	if lacked == nil {
		return []string{}
	}
	return lacked
}

// Permission tells whether scopes would be granted, and until when that holds if nothing else
// happens.
type Permission struct {
	Code          VerificationCode
	MissingScopes []string
	Until         *time.Time
}

// Allowed reports whether all scopes would be granted.
func (p Permission) Allowed() bool { return p.Code == Valid }

// Question asks whether a key would be granted scopes in an environment at an instant, by default now.
type Question struct {
	Scopes        []string
	EnvironmentID *string
	At            *time.Time
	// Owner is the key's; nil when the caller may not see it.
	Owner *db.User
	// Home answers the project of an environment, as HomesOf does.
	Home func(ctx context.Context, environmentID string) (string, error)
}

// Can answers a question about the key. An instant before the key's creation is a user error.
func (a *Authority) Can(ctx context.Context, v *View, q Question) (*Permission, error) {
	asked, scopeFault := wellFormedScopes("scopes", q.Scopes)
	if scopeFault != nil {
		return nil, scopeFault
	}
	if q.EnvironmentID != nil {
		if err := typeid.Want(typeid.Environment, "environmentId", *q.EnvironmentID); err != nil {
			return nil, err
		}
	}
	instant := v.now
	if q.At != nil {
		instant = lifecycle.Instant(*q.At)
	}
	if err := v.existedAt(instant); err != nil {
		return nil, err
	}
	key := *v.APIKey
	key.Edges.Owner = q.Owner
	if q.Owner == nil {
		var err error
		if key.Edges.Owner, err = a.store.Client.User.Get(principal.System(ctx), key.OwnerID); err != nil {
			return nil, err
		}
	}
	code, err := judge(ctx, &key, instant, demand{environmentID: q.EnvironmentID, home: q.Home, scopes: asked})
	if err != nil {
		return nil, err
	}
	return &Permission{
		Code:          code,
		MissingScopes: missing(rightsOf(&key), asked),
		Until:         stateOf(&key, instant).NextChangeAt,
	}, nil
}

package keys

import (
	"context"
	"fmt"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/scope"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
)

// useInterval is how much a stored last use must be behind for a use to move it.
const useInterval = time.Minute

// Authenticate finds the caller that the key text stands for, records the use, and returns ctx
// bound to that caller. Errors are *fault.Error: `api_keys.invalid` for whatever is not a key of
// this server, and for a key that is one why it does not work, with the instant.
func (a *Authority) Authenticate(ctx context.Context, text string) (context.Context, error) {
	presented, err := secret.Parse(text)
	if err != nil {
		return nil, invalidKey()
	}
	now := a.now()
	system := principal.System(ctx)
	row, err := a.present(system, presented)
	if err != nil {
		return nil, err
	}
	state := stateOf(row, now)
	replayOnly := endedByOwnRotation(row, state)
	if err := refusal(row, state); err != nil && !replayOnly {
		return nil, err
	}
	if !replayOnly && useMoves(row, now) {
		if row, err = a.recordUse(system, row, presented, now); err != nil {
			return nil, err
		}
	}
	p := &principal.Principal{
		OrganizationID: row.OrganizationID,
		UserID:         row.OwnerID,
		KeyID:          row.ID,
		FamilyID:       row.FamilyID,
		Role:           row.Edges.Owner.Role,
		Scopes:         scope.Set(row.Scopes),
		ReplayOnly:     replayOnly,
	}
	return newContext(principal.NewContext(ctx, p), &caller{key: row}), nil
}

// present looks the key up by its digest.
func (a *Authority) present(system context.Context, presented secret.Secret) (*db.APIKey, error) {
	digest := presented.Digest()
	row, err := a.store.Client.APIKey.Query().Where(apikey.Digest(digest[:])).WithOwner().Only(system)
	switch {
	case db.IsNotFound(err):
		return nil, invalidKey()
	case err != nil:
		return nil, fmt.Errorf("look up a presented key: %w", err)
	}
	return row, nil
}

// refusal tells why a key does not authenticate, nil when it does.
func refusal(row *db.APIKey, s lifecycle.State) error {
	switch owner := row.Edges.Owner; {
	case s.Status == lifecycle.Revoked:
		return &fault.Error{Code: "api_keys.revoked", Message: "the API key is revoked", At: row.RevokedAt}
	case s.Status == lifecycle.Expired && s.EndsBecause == lifecycle.EndNotAccessed:
		return &fault.Error{Code: "api_keys.inactive", Message: "the API key expired because it was not used", At: s.EffectiveExpiresAt}
	case s.Status == lifecycle.Expired && s.EndsBecause == lifecycle.EndRotationGrace:
		return &fault.Error{Code: "api_keys.grace_ended", Message: "the API key was replaced and its grace is over", At: s.EffectiveExpiresAt}
	case s.Status == lifecycle.Expired:
		return &fault.Error{Code: "api_keys.expired", Message: "the API key has expired", At: s.EffectiveExpiresAt}
	case s.Status == lifecycle.Suspended:
		return &fault.Error{Code: "api_keys.suspended", Message: "the API key is suspended", At: row.SuspendedAt}
	case owner.DisabledAt != nil:
		return &fault.Error{Code: "auth.owner_disabled", Message: "the owner of the API key is disabled", At: owner.DisabledAt}
	case !owner.MayUseAPIKeys:
		return &fault.Error{Code: "auth.owner_not_privileged", Message: "the owner of the API key may not use API keys"}
	}
	return nil
}

func invalidKey() error {
	return &fault.Error{Code: "api_keys.invalid", Message: "the API key is not valid"}
}

// endedByOwnRotation recognises a key whose life a rotation without grace ended: it may still ask
// for the reply of that rotation, should it have been lost.
func endedByOwnRotation(row *db.APIKey, s lifecycle.State) bool {
	return s.Status == lifecycle.Expired && s.EndsBecause == lifecycle.EndRotationGrace &&
		row.RotatedAt != nil && row.RotatedAt.Equal(*row.GraceExpiresAt) &&
		row.Edges.Owner.DisabledAt == nil && row.Edges.Owner.MayUseAPIKeys
}

func useMoves(row *db.APIKey, now time.Time) bool {
	return row.LastUsedAt == nil || !now.Before(row.LastUsedAt.Add(useInterval))
}

// recordUse moves the last use to now and with it the inactivity end, unless another request has
// done so, and returns the key as it is then. The first use takes effect only while the digest is
// still the presented one: a replay may have put a fresh secret in its place.
func (a *Authority) recordUse(system context.Context, row *db.APIKey, presented secret.Secret, now time.Time) (*db.APIKey, error) {
	digest := presented.Digest()
	err := a.store.Write(system, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.APIKey.Update().
			Where(
				apikey.ID(row.ID),
				apikey.Digest(digest[:]),
				apikey.Or(apikey.LastUsedAtIsNil(), apikey.LastUsedAtLTE(now.Add(-useInterval))),
				apikey.Or(apikey.InactivityExpiresAtIsNil(), apikey.InactivityExpiresAtGT(now)),
			).
			SetLastUsedAt(now).
			SetInactivityExpiresAt(builtIn.NotAccessed.From(now)).
			Save(ctx)
		return err
	})
	if err != nil {
		// A use that cannot be written shortens the key's inactivity; it never fails a request.
		a.log.WarnContext(system, "record use", "key", row.ID, "error", err)
		return row, nil
	}
	return a.present(system, presented)
}

// caller is the key that authenticated a request, with its owner loaded.
type caller struct{ key *db.APIKey }

type callerKey struct{}

func newContext(ctx context.Context, c *caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

func callerFrom(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}

// ViewerKey is the key that authenticated the request, nil when none did. It reads no storage.
func (a *Authority) ViewerKey(ctx context.Context) *View {
	c := callerFrom(ctx)
	if c == nil {
		return nil
	}
	return view(ctx, c.key, a.now())
}

// Viewer is the user on whose behalf the request runs, nil when unauthenticated.
func (a *Authority) Viewer(ctx context.Context) *db.User {
	c := callerFrom(ctx)
	if c == nil {
		return nil
	}
	return c.key.Edges.Owner
}

// ViewerKeyEnd is the id and the effective end of the key that authenticated the request, after
// whatever the request did to it; ok is false when none did.
func ViewerKeyEnd(ctx context.Context) (id string, end *time.Time, ok bool) {
	c := callerFrom(ctx)
	if c == nil {
		return "", nil, false
	}
	return c.key.ID, lifecycle.Evaluate(instants(c.key), c.key.CreatedAt).EffectiveExpiresAt, true
}

// observe lets the request see what it did to its own key.
func observe(ctx context.Context, row *db.APIKey) {
	if c := callerFrom(ctx); c != nil && c.key.ID == row.ID {
		row.Edges.Owner = c.key.Edges.Owner
		c.key = row
	}
}

func zoneOf(ctx context.Context) *time.Location {
	if c := callerFrom(ctx); c != nil {
		if zone, ok := lifecycle.Zone(c.key.Edges.Owner.TimeZone); ok {
			return zone
		}
	}
	return time.UTC
}

package keys

import (
	"context"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/scope"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// RotateInput says which key to rotate and how; see RotateApiKeyInput in the schema.
type RotateInput struct {
	IdempotencyKey *string
	ID             string
	GracePeriod    *lifecycle.Period
	ExpiresAt      *time.Time
	ExpiresIn      *lifecycle.Period
	// Scopes narrow those of the old key; nil keeps them.
	Scopes []string
}

// RotateViewerInput says how to rotate the calling key.
type RotateViewerInput struct {
	IdempotencyKey *string
	GracePeriod    *lifecycle.Period
	ExpiresIn      *lifecycle.Period
}

// Rotated is a key and the successor that took its place.
type Rotated struct {
	OldKey         *View
	NewKey         *View
	GraceExpiresAt *time.Time
	Replayed       bool
	secret         secret.Secret
}

// Secret is the successor's whole key text, nil when there is none to show.
func (r Rotated) Secret() *string { return reveal(r.secret) }

// Rotate replaces a key by a successor and lets the old one run out its grace, in one transaction.
// The caller must hold all scopes of the key. It answers user errors: InputError, ScopeError,
// AlreadyRotatedError, KeyNotLiveError, ExpiryOutOfRangeError, GraceOutOfRangeError.
func (a *Authority) Rotate(ctx context.Context, in RotateInput) (Rotated, error) {
	request, err := idempotent("rotateApiKey", in.IdempotencyKey, in)
	if err == nil {
		err = typeid.Want(typeid.APIKey, "id", in.ID)
	}
	if err != nil {
		return Rotated{}, err
	}
	return a.rotate(ctx, in, request, false)
}

// RotateViewer replaces the calling key as Rotate does. It asks for no scope, and gives the
// successor at most the whole life of the old key.
func (a *Authority) RotateViewer(ctx context.Context, in RotateViewerInput) (Rotated, error) {
	request, err := idempotent("rotateViewerKey", in.IdempotencyKey, in)
	if err != nil {
		return Rotated{}, err
	}
	return a.rotate(ctx, RotateInput{
		ID:          principal.From(ctx).KeyID,
		GracePeriod: in.GracePeriod,
		ExpiresIn:   in.ExpiresIn,
	}, request, true)
}

func (a *Authority) rotate(ctx context.Context, in RotateInput, request *request, self bool) (Rotated, error) {
	now := a.now()
	rotated, err := orReplay(request, func() (Rotated, error) {
		earlier, err := a.replay(ctx, now, request, self)
		if err != nil {
			return Rotated{}, err
		}
		if earlier != nil {
			return a.replayedRotation(ctx, earlier)
		}
		if principal.From(ctx).ReplayOnly {
			return Rotated{}, ReplayOnlyRefusal(ctx)
		}
		return a.replace(ctx, in, request, self, nil)
	})
	if userErrors, _ := fault.Split(err); len(userErrors) > 0 && principal.From(ctx).ReplayOnly {
		return Rotated{}, ReplayOnlyRefusal(ctx)
	}
	return rotated, err
}

// replace makes the successor and starts the grace, or answers why not. A claim token has to announce
// a rotation of the key.
func (a *Authority) replace(ctx context.Context, in RotateInput, request *request, self bool, claimToken *string) (Rotated, error) {
	minted := secret.Mint()
	var rotated Rotated
	err := a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		row, err := Hold(ctx, tx, in.ID)
		if err != nil {
			return err
		}
		now := a.instant(row)
		old := view(ctx, row, now)
		if err := mayRotate(principal.From(ctx), old, self); err != nil {
			return err
		}
		open, err := makeWay(ctx, tx, old)
		if err != nil {
			return err
		}
		if claimToken != nil && (open == nil || !a.outbound.Sealer.IsClaimToken(*claimToken, open.ID)) {
			return badClaimToken()
		}
		successor, graceEnd, err := draftSuccessor(ctx, tx, old, in, self)
		if err != nil {
			return err
		}
		if err := insert(ctx, tx, successor, minted); err != nil {
			return err
		}
		if err := tx.APIKey.UpdateOneID(old.ID).
			SetReplacedByID(successor.ID).
			SetRotatedAt(now).
			SetUpdatedAt(now).
			SetGraceExpiresAt(graceEnd).
			ClearNextRotationAt().
			Exec(ctx); err != nil {
			return err
		}
		if err := a.record(ctx, tx, now, row, successor, open); err != nil {
			return err
		}
		if err := request.remember(ctx, tx, now, successor.ID); err != nil {
			return err
		}
		if err := recordNew(ctx, tx, now, successor); err != nil {
			return err
		}
		if row, err = conclude(ctx, tx, now, row, "api_key.rotated", ""); err != nil {
			return err
		}
		rotated = Rotated{OldKey: view(ctx, row, now), NewKey: view(ctx, successor, now), GraceExpiresAt: &graceEnd, secret: minted}
		return nil
	})
	if err != nil {
		return Rotated{}, err
	}
	observe(ctx, rotated.OldKey.APIKey)
	return rotated, nil
}

// mayRotate tells why the caller may not rotate the key now, nil when it may.
func mayRotate(p *principal.Principal, old *View, self bool) error {
	if lacked := p.Lacks(old.Scopes); len(lacked) > 0 && !self {
		return scopesNotHeld(lacked)
	}
	if successor := standing(old); successor != nil {
		return alreadyRotated(successor)
	}
	if !old.Status().Live() {
		return NotLive(old)
	}
	return mayOwn(old.Edges.Owner)
}

// standing is the successor that took a key's place, nil when there is none: one that ended without
// ever having been used does not stand in the way.
func standing(old *View) *View {
	successor := old.Edges.ReplacedBy
	if successor == nil || stateOf(successor, old.now).Status.Ended() && successor.LastUsedAt == nil {
		return nil
	}
	return old.Beside(successor)
}

// draftSuccessor is the key to take old's place, and when old's grace ends.
func draftSuccessor(ctx context.Context, tx *store.Tx, old *View, in RotateInput, self bool) (*db.APIKey, time.Time, error) {
	now := old.now
	var faults fault.List
	scopes, err := narrowed(ctx, tx, old, in.Scopes)
	faults, err = collect(faults, err)
	if err != nil {
		return nil, time.Time{}, err
	}
	policy, err := policyOf(ctx, tx, old.OrganizationID, old.ProjectID)
	if err != nil {
		return nil, time.Time{}, err
	}
	longest := policy.latestEnd(now)
	asLong := longest
	if old.ExpiresAt != nil {
		if end := now.Add(old.ExpiresAt.Sub(old.CreatedAt)); end.Before(asLong) {
			asLong = end
		}
	}
	if self {
		longest = asLong
	}
	expiresAt, expiryFault := expiry{in.ExpiresAt, in.ExpiresIn}.resolve(now, longest, asLong)
	if expiryFault != nil {
		faults = append(faults, expiryFault)
	}
	graceEnd, graceFault := policy.grace(now, in.GracePeriod, old.GraceExpiresAt)
	if graceFault != nil {
		faults = append(faults, graceFault)
	}
	if len(faults) > 0 {
		return nil, time.Time{}, faults
	}
	latest, err := tx.APIKey.Query().Where(apikey.FamilyID(old.FamilyID)).
		Aggregate(db.Max(apikey.FieldGeneration)).Int(principal.System(ctx))
	if err != nil {
		return nil, time.Time{}, err
	}
	var creator *string // nobody: the server
	if p := principal.From(ctx); p.UserID != "" {
		creator = &p.UserID
	}
	return &db.APIKey{
		ID:                  typeid.New(typeid.APIKey, now),
		OrganizationID:      old.OrganizationID,
		ProjectID:           old.ProjectID,
		EnvironmentID:       old.EnvironmentID,
		OwnerID:             old.OwnerID,
		CreatedByID:         creator,
		Name:                old.Name,
		Description:         old.Description,
		Scopes:              scopes,
		AllowedIps:          old.AllowedIps,
		FamilyID:            old.FamilyID,
		Generation:          latest + 1,
		ReplacesID:          &old.ID,
		CreatedAt:           now,
		UpdatedAt:           now,
		ExpiresAt:           &expiresAt,
		InactivityExpiresAt: policy.inactivityEnd(now),
	}, graceEnd, nil
}

// narrowed are the scopes asked for, each covered by the old key's; nil asks for the same.
func narrowed(ctx context.Context, tx *store.Tx, old *View, asked []string) (scope.Set, error) {
	held := scope.Set(old.Scopes)
	if asked == nil {
		return held, nil
	}
	project, err := tx.Project.Get(principal.System(ctx), old.ProjectID)
	if err != nil {
		return nil, err
	}
	set, scopeFault := wellFormedScopes("scopes", asked)
	if scopeFault != nil {
		return nil, scopeFault
	}
	if missing := held.Missing(set); len(missing) > 0 {
		return nil, scopesNotOfOldKey(missing)
	}
	if scopeFault := unknownTo(project, added(held, set)); scopeFault != nil {
		return nil, scopeFault
	}
	return set, nil
}

// replayedRotation is the earlier rotation as it stands now.
func (a *Authority) replayedRotation(ctx context.Context, earlier *replayed) (Rotated, error) {
	r := Rotated{NewKey: earlier.key, Replayed: true, secret: earlier.secret}
	if earlier.key.ReplacesID == nil {
		return r, nil
	}
	old, err := a.get(ctx, *earlier.key.ReplacesID)
	if err != nil {
		return Rotated{}, err
	}
	if old != nil {
		r.OldKey, r.GraceExpiresAt = old, old.GraceExpiresAt
	}
	return r, nil
}

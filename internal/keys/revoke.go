package keys

import (
	"context"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// RevokeInput says which key to revoke and why. A nil Reason is UNSPECIFIED.
type RevokeInput struct {
	ID     string
	Reason *lifecycle.RevocationReason
	Note   *string
}

// RevokeViewerInput says why the calling key is to be revoked.
type RevokeViewerInput struct {
	Reason *lifecycle.RevocationReason
}

// RevokeViewer revokes the calling key.
func (a *Authority) RevokeViewer(ctx context.Context, in RevokeViewerInput) (*View, error) {
	return a.Revoke(ctx, RevokeInput{ID: principal.From(ctx).KeyID, Reason: in.Reason})
}

// Revoke ends a key for ever. A second call succeeds and changes nothing. With KEY_COMPROMISE it
// revokes the key's live successors too: whoever has the secret may have rotated. User errors:
// InputError.
func (a *Authority) Revoke(ctx context.Context, in RevokeInput) (*View, error) {
	if err := typeid.Want(typeid.APIKey, "id", in.ID); err != nil {
		return nil, err
	}
	note, err := noteOf(in.Note)
	if err != nil {
		return nil, err
	}
	reason := lifecycle.Unspecified
	if in.Reason != nil {
		reason = *in.Reason
	}
	var now time.Time
	var revoked *db.APIKey
	err = a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		key, err := Hold(ctx, tx, in.ID)
		if err != nil {
			return err
		}
		now = a.instant(key)
		if err := a.revoke(ctx, tx, now, key, reason, note); err != nil {
			return err
		}
		if reason == lifecycle.KeyCompromise {
			if err := a.revokeSuccessors(ctx, tx, now, key, note); err != nil {
				return err
			}
		}
		revoked, err = tx.APIKey.Get(principal.System(ctx), in.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	observe(ctx, revoked)
	return view(ctx, revoked, now), nil
}

// revokeSuccessors ends every later generation of a held family that is not revoked.
func (a *Authority) revokeSuccessors(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, note *string) error {
	successors, err := tx.APIKey.Query().
		Where(apikey.FamilyID(key.FamilyID), apikey.GenerationGT(key.Generation), apikey.RevokedAtIsNil()).
		Order(db.Desc(apikey.FieldGeneration)). // a pending one first: revoking the key before it discards it
		All(ctx)
	if err != nil {
		return err
	}
	for _, successor := range successors {
		if err := a.revoke(ctx, tx, now, successor, lifecycle.KeyCompromise, note); err != nil {
			return err
		}
	}
	return nil
}

// revoke ends a held key unless it is revoked already.
func (a *Authority) revoke(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, reason lifecycle.RevocationReason, note *string) error {
	if key.RevokedAt != nil {
		return nil
	}
	if err := abandonRotation(ctx, tx, now, key); err != nil {
		return err
	}
	p := principal.From(ctx)
	err := tx.APIKey.UpdateOneID(key.ID).
		SetRevokedAt(now).
		SetUpdatedAt(now).
		SetRevocationReason(reason).
		SetNillableRevocationNote(note).
		SetRevokedByUserID(p.UserID).
		SetRevokedByKeyID(p.KeyID).
		ClearNextRotationAt().
		Exec(ctx)
	if err != nil {
		return err
	}
	if err := a.silence(ctx, tx, now, key); err != nil {
		return err
	}
	_, err = conclude(ctx, tx, now, key, "api_key.revoked", string(reason))
	return err
}

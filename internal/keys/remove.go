package keys

import (
	"context"

	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
)

// RemoveInput says which key to remove.
type RemoveInput struct{ ID string }

// CompleteInput names the old key of a rotation.
type CompleteInput struct{ ID string }

// Remove takes a key out of every list and look-up, revoking it first when it has not ended. The
// last of its family frees the description. The row stays: its digest can never come back, and the
// audit trail still names it. User errors: InputError.
func (a *Authority) Remove(ctx context.Context, in RemoveInput) error {
	_, err := a.change(ctx, in.ID, "api_key.removed", func(ctx context.Context, tx *store.Tx, key *View) error {
		if !key.Status().Ended() {
			if err := a.revoke(ctx, tx, key.now, key.APIKey, lifecycle.Unspecified, nil); err != nil {
				return err
			}
		}
		if err := a.silence(ctx, tx, key.now, key.APIKey); err != nil {
			return err
		}
		system := principal.System(ctx)
		if err := tx.APIKey.UpdateOneID(key.ID).SetUpdatedAt(key.now).SetRemovedAt(key.now).Exec(system); err != nil {
			return err
		}
		// Whoever frees a description holds the family; one that is being rotated is not its last.
		if err := tx.KeyFamily.UpdateOneID(key.FamilyID).SetFreedAt(key.now).Exec(system); err != nil {
			return err
		}
		left, err := tx.APIKey.Query().Where(apikey.FamilyID(key.FamilyID), apikey.RemovedAtIsNil()).Exist(system)
		if err != nil {
			return err
		}
		if left {
			if err := tx.KeyFamily.UpdateOneID(key.FamilyID).ClearFreedAt().Exec(system); err != nil {
				return err
			}
		}
		return deleteScopes(ctx, tx, key.ID)
	})
	return err
}

// Complete ends the grace of a rotated key now. User errors: InputError, KeyNotLiveError.
func (a *Authority) Complete(ctx context.Context, in CompleteInput) (*View, error) {
	return a.change(ctx, in.ID, "api_key.rotation_completed", func(ctx context.Context, tx *store.Tx, key *View) error {
		switch {
		case key.ReplacedByID == nil:
			return fault.Input("api_keys.not_rotated", "the key has not been rotated", "id")
		case !key.GraceExpiresAt.After(key.now):
			return errUnchanged
		case key.Status().Ended():
			return NotLive(key)
		}
		return tx.APIKey.UpdateOneID(key.ID).SetUpdatedAt(key.now).SetGraceExpiresAt(key.now).Exec(ctx)
	})
}

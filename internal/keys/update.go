package keys

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/scope"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// UpdateInput says what to change. An absent member leaves its value; null empties Scopes and is
// refused for the others.
type UpdateInput struct {
	ID          string
	Name        graphql.Omittable[*string]
	Description graphql.Omittable[*string]
	Scopes      graphql.Omittable[[]string]
	ExpiresAt   graphql.Omittable[*time.Time]
	AllowedIPs  graphql.Omittable[[]string]
}

// amendment is what an update comes to after checking; nil leaves the value.
type amendment struct {
	name, description *string
	scopes            scope.Set
	expiresAt         *time.Time
	allowedIPs        []string
}

// Update changes metadata. The end can be brought forward, never back; further scopes must be the
// caller's to give; an ended key takes only a new name or description. User errors: InputError,
// ScopeError, ExpiryOutOfRangeError, DescriptionTakenError, KeyNotLiveError.
func (a *Authority) Update(ctx context.Context, in UpdateInput) (*View, error) {
	if err := typeid.Want(typeid.APIKey, "id", in.ID); err != nil {
		return nil, err
	}
	now := a.now()
	var updated *db.APIKey
	var to *amendment
	err := a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		row, err := Hold(ctx, tx, in.ID)
		if err != nil {
			return err
		}
		now = a.instant(row)
		if to, err = in.check(ctx, tx, view(ctx, row, now)); err != nil {
			return err
		}
		if err := to.apply(ctx, tx, now, row); err != nil {
			return err
		}
		updated, err = conclude(ctx, tx, now, row, "api_key.updated", "")
		return err
	})
	if store.Violates(err, "key_families", "owner_id", "description") {
		return nil, a.descriptionTakenBy(ctx, now, in.ID, *to.description)
	}
	if err != nil {
		return nil, err
	}
	observe(ctx, updated)
	return view(ctx, updated, now), nil
}

// check resolves the input against the key as it is.
func (in UpdateInput) check(ctx context.Context, tx *store.Tx, key *View) (*amendment, error) {
	var to amendment
	var faults fault.List
	to.name = in.text("name", in.Name, maxName, &faults)
	to.description = in.text("description", in.Description, maxDescription, &faults)
	if in.ExpiresAt.IsSet() {
		to.expiresAt = in.earlier(key, &faults)
	}
	if in.Scopes.IsSet() {
		project, err := tx.Project.Get(principal.System(ctx), key.ProjectID)
		if err != nil {
			return nil, err
		}
		scopes, scopeFault := wellFormedScopes("scopes", in.Scopes.Value())
		if scopeFault == nil {
			scopeFault = unknownTo(project, added(key.Scopes, scopes))
		}
		if scopeFault == nil { // what the key holds by a wildcard is no widening
			scopeFault = notToGive(principal.From(ctx), scope.Set(key.Scopes).Missing(scopes))
		}
		if scopeFault != nil {
			faults = append(faults, scopeFault)
		}
		to.scopes = scopes
	}
	if in.AllowedIPs.IsSet() {
		to.allowedIPs = in.networks(principal.From(ctx), key, &faults)
	}
	if key.Status().Ended() && (in.Scopes.IsSet() || in.ExpiresAt.IsSet() || in.AllowedIPs.IsSet()) {
		faults = append(faults, NotLive(key))
	}
	return &to, faults.OrNil()
}

func (in UpdateInput) text(field string, value graphql.Omittable[*string], most int, faults *fault.List) *string {
	if !value.IsSet() {
		return nil
	}
	if value.Value() == nil {
		*faults = append(*faults, fault.Invalid(field+" must not be null", field))
		return nil
	}
	text, err := label(field, *value.Value(), most)
	if err != nil {
		*faults = append(*faults, err)
	}
	return &text
}

func (in UpdateInput) earlier(key *View, faults *fault.List) *time.Time {
	asked := in.ExpiresAt.Value()
	if asked == nil {
		*faults = append(*faults, fault.Invalid("expiresAt must not be null: a key's life cannot be extended", "expiresAt"))
		return nil
	}
	end, err := expiry{at: asked}.resolve(key.now, *key.ExpiresAt, *key.ExpiresAt)
	if err != nil {
		*faults = append(*faults, err)
	}
	return &end
}

// networks are the blocks asked for. Only administrators may let a key be used from further places.
func (in UpdateInput) networks(p *principal.Principal, key *View, faults *fault.List) []string {
	blocks, err := networks(in.AllowedIPs.Value())
	if err != nil {
		*faults = append(*faults, err)
		return nil
	}
	if wider(key.AllowedIps, blocks) && !p.IsAdmin() {
		*faults = append(*faults, fault.Input(fault.CodeForbidden, "only administrators widen allowedIps", "allowedIps"))
	}
	return blocks
}

// apply writes the change to a held key.
func (to *amendment) apply(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey) error {
	update := tx.APIKey.UpdateOneID(key.ID).SetUpdatedAt(now).SetNillableName(to.name).SetNillableExpiresAt(to.expiresAt)
	if to.expiresAt != nil {
		update.SetLookAt(now) // its owner may have to be told sooner
	}
	if to.name != nil {
		update.SetNameFolded(fold(*to.name))
	}
	if to.scopes != nil {
		update.SetScopes(to.scopes)
	}
	if to.allowedIPs != nil {
		update.SetAllowedIps(to.allowedIPs)
	}
	if err := update.Exec(ctx); err != nil {
		return err
	}
	if to.scopes != nil {
		if err := deleteScopes(ctx, tx, key.ID); err != nil {
			return err
		}
		if err := insertScopes(ctx, tx, key, to.scopes); err != nil {
			return err
		}
	}
	if to.description == nil {
		return nil
	}
	// One description for the whole family, under the unique index of key_families.
	if err := tx.KeyFamily.UpdateOneID(key.FamilyID).SetDescription(normalised(*to.description)).Exec(ctx); err != nil {
		return err
	}
	family := apikey.FamilyID(key.FamilyID)
	if err := tx.APIKey.Update().Where(family).SetDescription(*to.description).Exec(ctx); err != nil {
		return err
	}
	// Where clocks differ another of the family may have been changed later than now; see instant.
	return tx.APIKey.Update().Where(family, apikey.UpdatedAtLT(now)).SetUpdatedAt(now).Exec(ctx)
}

// descriptionTakenBy is descriptionTaken for a key that the caller wants to rename.
func (a *Authority) descriptionTakenBy(ctx context.Context, now time.Time, id, description string) error {
	row, err := a.store.Client.APIKey.Get(ctx, id)
	if err != nil {
		return err
	}
	return a.descriptionTaken(ctx, now, row.OwnerID, description, "description")
}

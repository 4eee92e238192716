package keys

import (
	"context"
	"slices"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/keyscope"
	"github.com/keytag/keytag/internal/catalogue"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/scope"
	"github.com/keytag/keytag/internal/store"
)

// wellFormedScopes sorts the scopes asked for and drops duplicates. User errors: ScopeError,
// InputError.
func wellFormedScopes(field string, asked []string) (scope.Set, fault.UserError) {
	if len(asked) > maxScopes {
		return nil, tooMany(field, maxScopes)
	}
	set, malformed := scope.NewSet(asked)
	if len(malformed) > 0 {
		refusal := scopesMalformed(malformed)
		refusal.Fields = []string{field}
		return nil, refusal
	}
	return set, nil
}

// unknownTo refuses scopes that the project's catalogue does not have.
func unknownTo(project *db.Project, scopes []string) fault.UserError {
	if unknown := catalogue.Catalogue(project.ScopeCatalogue).Unknown(scopes); len(unknown) > 0 {
		return scopesUnknown(unknown)
	}
	return nil
}

// notToGive refuses scopes that the caller may not put on a key.
func notToGive(p *principal.Principal, scopes []string) fault.UserError {
	denied := slices.DeleteFunc(slices.Clone(scopes), p.MayGrant)
	if len(denied) > 0 {
		return scopesNotHeld(denied)
	}
	return nil
}

// added are those of wanted that set does not hold literally.
func added(set scope.Set, wanted []string) []string {
	var more []string
	for _, w := range wanted {
		if !slices.Contains(set, w) {
			more = append(more, w)
		}
	}
	return more
}

// insertScopes writes the rows by which a key is found by its scopes.
func insertScopes(ctx context.Context, tx *store.Tx, key *db.APIKey, scopes []string) error {
	rows := make([]*db.KeyScopeCreate, len(scopes))
	for i, s := range scopes {
		rows[i] = tx.KeyScope.Create().
			SetOrganizationID(key.OrganizationID).
			SetProjectID(key.ProjectID).
			SetOwnerID(key.OwnerID).
			SetScope(s).
			SetKeyID(key.ID)
	}
	return tx.KeyScope.CreateBulk(rows...).Exec(ctx)
}

func deleteScopes(ctx context.Context, tx *store.Tx, keyID string) error {
	_, err := tx.KeyScope.Delete().Where(keyscope.KeyID(keyID)).Exec(principal.System(ctx))
	return err
}

func deprecations(project *db.Project, scopes scope.Set) []string {
	warnings := []string{}
	for _, d := range project.ScopeCatalogue {
		if d.DeprecationReason != nil && slices.Contains(scopes, d.Name) {
			warnings = append(warnings, "scope "+d.Name+" is deprecated: "+*d.DeprecationReason)
		}
	}
	return warnings
}

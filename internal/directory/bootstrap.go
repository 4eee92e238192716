package directory

import (
	"context"
	"errors"

	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/catalogue"
	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// ErrInitialised means that the server has an organization already.
var ErrInitialised = errors.New("there is an organization already")

// Initialised reports whether the first start has happened.
func (d *Directory) Initialised(ctx context.Context) (bool, error) {
	return d.store.Client.Organization.Query().Exist(principal.System(ctx))
}

// Bootstrap makes the first organization with the project `default`, its environment `live`, an
// administrator and that administrator's key. The key is handed to publish before anything is
// committed; an error of publish undoes everything. Of several that try at once one wins, the
// others answer ErrInitialised without publishing.
func (d *Directory) Bootstrap(ctx context.Context, publish func(secret.Secret) error) error {
	err := d.store.Write(principal.System(ctx), func(ctx context.Context, tx *store.Tx) error {
		switch found, err := tx.Organization.Query().Exist(ctx); {
		case err != nil:
			return err
		case found:
			return ErrInitialised
		}
		// The unique name makes contenders wait here, all but one in vain.
		first, err := d.foundOrganization(ctx, tx, "default", "admin")
		if err != nil {
			return err
		}
		return publish(first)
	})
	if store.Violates(err, "organizations", "name") {
		return ErrInitialised
	}
	return err
}

// foundOrganization makes an organization with the project `default`, its environment `live`, an
// administrator and that administrator's key.
func (d *Directory) foundOrganization(ctx context.Context, tx *store.Tx, name, login string) (secret.Secret, error) {
	now := d.now()
	organization, err := tx.Organization.Create().
		SetID(typeid.New(typeid.Organization, now)).SetName(name).SetCreatedAt(now).Save(ctx)
	if err != nil {
		return secret.Secret{}, err
	}
	administrator, err := tx.User.Create().
		SetID(typeid.New(typeid.User, now)).
		SetOrganizationID(organization.ID).
		SetLogin(login).
		SetDisplayName("Administrator").
		SetKind(principal.Human).
		SetRole(principal.Admin).
		SetTimeZone("UTC").
		SetMayUseAPIKeys(true).
		SetCreatedAt(now).
		SetUpdatedAt(now).
		Save(ctx)
	if err != nil {
		return secret.Secret{}, err
	}
	project, err := tx.Project.Create().
		SetID(typeid.New(typeid.Project, now)).
		SetOrganizationID(organization.ID).
		SetName("default").
		SetScopeCatalogue([]catalogue.Definition{}).
		SetCreatedAt(now).
		SetUpdatedAt(now).
		Save(ctx)
	if err != nil {
		return secret.Secret{}, err
	}
	environment, err := insertEnvironment(ctx, tx, now, project, "live")
	if err != nil {
		return secret.Secret{}, err
	}
	for _, made := range []struct {
		action, subject string
		changes         []change.Field
	}{
		{"organization.created", organization.ID, []change.Field{{Field: "name", After: &organization.Name}}},
		{"user.created", administrator.ID, change.Between(nil, administrator, userFields)},
		{"project.created", project.ID, change.Between(nil, project, projectFields)},
		{"environment.created", environment.ID, change.Between(nil, environment, environmentFields)},
	} {
		if err := audit.Record(ctx, tx, audit.Event{At: now, Action: made.action, OrganizationID: organization.ID, SubjectID: made.subject, Changes: made.changes}); err != nil {
			return secret.Secret{}, err
		}
	}
	return keys.IssueFirst(ctx, tx, now, administrator, project.ID, "First administrator key")
}

package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/organization"
	"github.com/keytag/keytag/ent/db/project"
	"github.com/keytag/keytag/ent/db/user"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
)

// What stands here is for the operator of the server, who works on the database itself and is bound
// by no organization.

// Administrator is an administrator with its organization.
type Administrator struct {
	Organization string
	Login        string
	Disabled     bool
}

// Administrators lists those of every organization, by organization and login.
func (d *Directory) Administrators(ctx context.Context) ([]Administrator, error) {
	rows, err := d.store.Client.User.Query().
		Where(user.RoleEQ(principal.Admin)).
		WithOrganization().
		Order(user.ByOrganizationField(organization.FieldName), user.ByLogin()).
		All(principal.System(ctx))
	list := make([]Administrator, len(rows))
	for i, row := range rows {
		list[i] = Administrator{Organization: row.Edges.Organization.Name, Login: row.Login, Disabled: row.DisabledAt != nil}
	}
	return list, err
}

// AddOrganization makes a further organization as Bootstrap makes the first. The key is handed to
// publish before anything is committed. User errors: InputError.
func (d *Directory) AddOrganization(ctx context.Context, name, login string, publish func(secret.Secret) error) error {
	tidy(&name)
	tidy(&login)
	if err := fault.Validate(struct {
		Organization string `validate:"required,max=100,printable"`
		Login        string `validate:"required,max=100,printable"`
	}{name, login}); err != nil {
		return err
	}
	err := d.store.Write(principal.System(ctx), func(ctx context.Context, tx *store.Tx) error {
		first, err := d.foundOrganization(ctx, tx, name, login)
		if err != nil {
			return err
		}
		return publish(first)
	})
	if store.Violates(err, "organizations", "name") {
		return taken("organization", "another organization has this name")
	}
	return err
}

// ResetAdministrator gives an administrator a new key, for when every other is lost, and enables it
// if it is disabled or may not use keys. Its other keys stay as they are. The key is handed to
// publish before anything is committed.
func (d *Directory) ResetAdministrator(ctx context.Context, organizationName, login string, publish func(secret.Secret) error) error {
	tidy(&organizationName)
	tidy(&login)
	now := d.now()
	return d.store.Write(principal.System(ctx), func(ctx context.Context, tx *store.Tx) error {
		administrator, err := tx.User.Query().Where(
			user.Login(login),
			user.RoleEQ(principal.Admin),
			user.HasOrganizationWith(organization.Name(organizationName)),
		).Only(ctx)
		if db.IsNotFound(err) {
			return fmt.Errorf("no administrator %q in an organization %q; see keytag admin list", login, organizationName)
		}
		if err != nil {
			return err
		}
		place, err := tx.Project.Query().
			Where(project.OrganizationID(administrator.OrganizationID)).
			Order(db.Asc(project.FieldID)).
			First(ctx)
		if db.IsNotFound(err) {
			return errors.New("the organization has no project to put a key in")
		}
		if err != nil {
			return err
		}
		after, err := tx.User.UpdateOne(administrator).SetMayUseAPIKeys(true).ClearDisabledAt().SetUpdatedAt(now).Save(ctx)
		if err != nil {
			return err
		}
		if changes := change.Between(administrator, after, userFields); len(changes) > 0 {
			err := audit.Record(ctx, tx, audit.Event{At: now, Action: "user.updated", OrganizationID: after.OrganizationID, SubjectID: after.ID, Changes: changes})
			if err != nil {
				return err
			}
		}
		key, err := keys.IssueFirst(ctx, tx, now, administrator, place.ID, "Administrator key of "+now.Format(time.RFC3339Nano))
		if err != nil {
			return err
		}
		return publish(key)
	})
}

package directory

import (
	"context"
	"encoding/json"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"
	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	entenvironment "github.com/keytag/keytag/ent/db/environment"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// UpdateProjectInput says what to change of a project. An absent member leaves its value.
type UpdateProjectInput struct {
	ID             string
	Name           graphql.Omittable[*string]
	ScopeCatalogue graphql.Omittable[[]ScopeDefinitionInput]
}

// DeleteEnvironmentInput says which environment to delete.
type DeleteEnvironmentInput struct{ ID string }

// UpdateProject changes a project. Keys that exist keep their scopes. User errors: InputError.
func (d *Directory) UpdateProject(ctx context.Context, in UpdateProjectInput) (*db.Project, error) {
	if err := typeid.Want(typeid.Project, "id", in.ID); err != nil {
		return nil, err
	}
	to := struct {
		Name           *string                `validate:"omitnil,min=1,max=100,printable"`
		ScopeCatalogue []ScopeDefinitionInput `validate:"max=500,dive"`
	}{in.Name.Value(), in.ScopeCatalogue.Value()}
	if in.Name.IsSet() && to.Name == nil {
		return nil, fault.Invalid("name must not be null", "name")
	}
	if to.Name != nil {
		name := *to.Name
		tidy(&name)
		to.Name = &name
	}
	if err := fault.Validate(to); err != nil {
		return nil, err
	}
	definitions, err := definitions(to.ScopeCatalogue)
	if err != nil {
		return nil, err
	}
	now := d.now()
	var after *db.Project
	err = d.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		before, err := tx.Project.Get(ctx, in.ID)
		if db.IsNotFound(err) {
			return fault.NotFound("project", "id")
		}
		if err != nil {
			return err
		}
		update := tx.Project.UpdateOneID(in.ID).SetUpdatedAt(now).SetNillableName(to.Name)
		if in.ScopeCatalogue.IsSet() {
			update.SetScopeCatalogue(definitions)
		}
		if after, err = update.Save(ctx); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Event{At: now, Action: "project.updated", SubjectID: in.ID, Changes: change.Between(before, after, projectFields)})
	})
	if store.Violates(err, "projects", "organization_id", "name") {
		return nil, taken("name", "another project has this name")
	}
	if err != nil {
		return nil, err
	}
	return after, nil
}

// DeleteEnvironment deletes an environment to which no key is bound, dead ones included, since
// without it they would read as valid everywhere. User errors: InputError.
func (d *Directory) DeleteEnvironment(ctx context.Context, in DeleteEnvironmentInput) error {
	if err := typeid.Want(typeid.Environment, "id", in.ID); err != nil {
		return err
	}
	now := d.now()
	return d.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		environment, err := tx.Environment.Get(ctx, in.ID)
		if db.IsNotFound(err) {
			return fault.NotFound("environment", "id")
		}
		if err != nil {
			return err
		}
		if tx.Dialect() == dialect.Postgres { // a key that is being bound to it waits, or this; SQLite has one writer
			if _, err := tx.Environment.Query().Where(entenvironment.ID(in.ID)).ForUpdate().OnlyID(ctx); err != nil {
				return err
			}
		}
		used, err := tx.APIKey.Query().Where(apikey.EnvironmentID(in.ID)).Exist(principal.System(ctx))
		if err != nil {
			return err
		}
		if used {
			return fault.Input("directory.environment_in_use", "keys are, or were, bound to the environment", "id")
		}
		if err := tx.Environment.DeleteOneID(in.ID).Exec(ctx); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Event{At: now, Action: "environment.deleted", SubjectID: in.ID,
			Changes: []change.Field{{Field: "name", Before: &environment.Name}}})
	})
}

// touch takes a row of a table without changing it.
func touch(u *sql.UpdateBuilder) { u.Set("id", sql.Expr("id")) }

var projectFields = []change.Recorded[db.Project]{
	{Name: "name", Value: func(p *db.Project) *string { return &p.Name }},
	{Name: "scopeCatalogue", Value: func(p *db.Project) *string {
		text, err := json.Marshal(p.ScopeCatalogue)
		if err != nil {
			return nil
		}
		return change.Text(string(text))
	}},
	{Name: "maxExpirationPeriod", Value: func(p *db.Project) *string { return change.Optional(p.MaxExpirationPeriod) }},
	{Name: "notAccessedExpirationPeriod", Value: func(p *db.Project) *string { return change.Optional(p.NotAccessedExpirationPeriod) }},
	{Name: "defaultGracePeriod", Value: func(p *db.Project) *string { return change.Optional(p.DefaultGracePeriod) }},
	{Name: "maxGracePeriod", Value: func(p *db.Project) *string { return change.Optional(p.MaxGracePeriod) }},
	{Name: "reminderLeadTimes", Value: func(p *db.Project) *string { return leadTimes(p.ReminderLeadTimes) }},
}

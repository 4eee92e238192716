package directory

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/catalogue"
	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// CreateProjectInput says what a new project shall be.
type CreateProjectInput struct {
	Name           string                 `validate:"required,max=100,printable"`
	Environments   []string               `validate:"max=50,dive,required,max=100,printable"`
	ScopeCatalogue []ScopeDefinitionInput `validate:"max=500,dive"`
}

// ScopeDefinitionInput is one scope that the keys of a project may hold.
type ScopeDefinitionInput struct {
	Name              string  `validate:"scope"`
	Description       *string `validate:"omitnil,max=500,printable"`
	DeprecationReason *string `validate:"omitnil,max=500,printable"`
}

// CreateEnvironmentInput says what a new environment shall be.
type CreateEnvironmentInput struct {
	ProjectID string
	Name      string `validate:"required,max=100,printable"`
}

// CreateUserInput says who a new user shall be. A nil member takes its default.
type CreateUserInput struct {
	Login         string  `validate:"required,max=100,printable"`
	DisplayName   *string `validate:"omitnil,min=1,max=200,printable"`
	Email         *string `validate:"omitnil,email,max=254,printable"`
	Kind          *principal.Kind
	Role          *principal.Role
	TimeZone      *string `validate:"omitnil,zone"`
	MayUseAPIKeys *bool
}

// CreateProject makes a project with its first environments. User errors: InputError.
func (d *Directory) CreateProject(ctx context.Context, in CreateProjectInput) (*db.Project, error) {
	tidy(&in.Name)
	for i := range in.Environments {
		tidy(&in.Environments[i])
	}
	if err := fault.Validate(in); err != nil {
		return nil, err
	}
	definitions, err := definitions(in.ScopeCatalogue)
	if err != nil {
		return nil, err
	}
	now, p := d.now(), principal.From(ctx)
	var made *db.Project
	err = d.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		var err error
		made, err = tx.Project.Create().
			SetID(typeid.New(typeid.Project, now)).
			SetOrganizationID(p.OrganizationID).
			SetName(in.Name).
			SetScopeCatalogue(definitions).
			SetCreatedAt(now).
			SetUpdatedAt(now).
			Save(ctx)
		if err != nil {
			return err
		}
		for _, name := range in.Environments {
			if _, err := insertEnvironment(ctx, tx, now, made, name); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Event{At: now, Action: "project.created", SubjectID: made.ID, Changes: change.Between(nil, made, projectFields)})
	})
	switch {
	case store.Violates(err, "projects", "organization_id", "name"):
		return nil, taken("name", "another project has this name")
	case store.Violates(err, "environments", "project_id", "name"):
		return nil, taken("environments", "environments names one twice")
	case err != nil:
		return nil, err
	}
	return made, nil
}

// definitions are the catalogue to store. User errors: InputError.
func definitions(in []ScopeDefinitionInput) ([]catalogue.Definition, error) {
	list := make([]catalogue.Definition, len(in))
	seen := map[string]bool{}
	for i, entry := range in {
		if seen[entry.Name] {
			return nil, fault.Invalid("scopeCatalogue names "+entry.Name+" twice", fmt.Sprintf("scopeCatalogue[%d].name", i))
		}
		seen[entry.Name] = true
		list[i] = catalogue.Definition{Name: entry.Name, DeprecationReason: entry.DeprecationReason}
		if entry.Description != nil {
			list[i].Description = *entry.Description
		}
	}
	return list, nil
}

// CreateEnvironment makes an environment of a project. User errors: InputError.
func (d *Directory) CreateEnvironment(ctx context.Context, in CreateEnvironmentInput) (*db.Environment, error) {
	tidy(&in.Name)
	if err := fault.Validate(in); err != nil {
		return nil, err
	}
	if err := typeid.Want(typeid.Project, "projectId", in.ProjectID); err != nil {
		return nil, err
	}
	project, err := d.project(ctx, in.ProjectID)
	if err != nil {
		return nil, err
	}
	if project == nil {
		return nil, fault.NotFound("project", "projectId")
	}
	now := d.now()
	var made *db.Environment
	err = d.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		var err error
		if made, err = insertEnvironment(ctx, tx, now, project, in.Name); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Event{At: now, Action: "environment.created", SubjectID: made.ID, Changes: change.Between(nil, made, environmentFields)})
	})
	if store.Violates(err, "environments", "project_id", "name") {
		return nil, taken("name", "another environment of the project has this name")
	}
	if err != nil {
		return nil, err
	}
	return made, nil
}

func insertEnvironment(ctx context.Context, tx *store.Tx, now time.Time, project *db.Project, name string) (*db.Environment, error) {
	return tx.Environment.Create().
		SetID(typeid.New(typeid.Environment, now)).
		SetOrganizationID(project.OrganizationID).
		SetProjectID(project.ID).
		SetName(name).
		SetCreatedAt(now).
		Save(ctx)
}

// CreateUser makes a user of the caller's organization. User errors: InputError.
func (d *Directory) CreateUser(ctx context.Context, in CreateUserInput) (*db.User, error) {
	tidy(&in.Login)
	if in.DisplayName != nil {
		tidy(in.DisplayName)
	}
	if err := fault.Validate(in); err != nil {
		return nil, err
	}
	now, p := d.now(), principal.From(ctx)
	var made *db.User
	err := d.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		var err error
		made, err = tx.User.Create().
			SetID(typeid.New(typeid.User, now)).
			SetOrganizationID(p.OrganizationID).
			SetLogin(in.Login).
			SetDisplayName(or(in.DisplayName, in.Login)).
			SetNillableEmail(in.Email).
			SetKind(or(in.Kind, principal.Human)).
			SetRole(or(in.Role, principal.Member)).
			SetTimeZone(or(in.TimeZone, "UTC")).
			SetMayUseAPIKeys(or(in.MayUseAPIKeys, true)).
			SetCreatedAt(now).
			SetUpdatedAt(now).
			Save(ctx)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Event{At: now, Action: "user.created", SubjectID: made.ID, Changes: change.Between(nil, made, userFields)})
	})
	if store.Violates(err, "users", "organization_id", "login") {
		return nil, taken("login", "another user has this login")
	}
	if err != nil {
		return nil, err
	}
	return made, nil
}

var environmentFields = []change.Recorded[db.Environment]{
	{Name: "name", Value: func(e *db.Environment) *string { return &e.Name }},
	{Name: "projectId", Value: func(e *db.Environment) *string { return &e.ProjectID }},
}

// tidy trims a name and brings it to NFC, so that names which look alike are alike.
func tidy(name *string) { *name = norm.NFC.String(strings.TrimSpace(*name)) }

func taken(field, message string) error { return fault.Input("directory.name_taken", message, field) }

func or[T any](value *T, fallback T) T {
	if value == nil {
		return fallback
	}
	return *value
}

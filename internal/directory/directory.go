// Package directory keeps what stands around keys: organizations, users, projects and environments.
package directory

import (
	"context"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/environment"
	"github.com/keytag/keytag/ent/db/project"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// Directory reads and changes the directory. It is safe for concurrent use.
type Directory struct {
	store *store.Store
	keys  *keys.Authority
	clock func() time.Time
}

// New returns the Directory in s around the keys of the authority that reads the time from clock.
func New(s *store.Store, authority *keys.Authority, clock func() time.Time) *Directory {
	return &Directory{store: s, keys: authority, clock: clock}
}

func (d *Directory) now() time.Time { return lifecycle.Instant(d.clock()) }

// readable answers a row that was looked up by id: nil when there is none that the caller may see.
func readable[T any](row *T, err error) (*T, error) {
	if db.IsNotFound(err) {
		return nil, nil
	}
	return row, err
}

// User is one user that the caller may see; nil when there is none.
func (d *Directory) User(ctx context.Context, id string) (*db.User, error) {
	return readable(d.store.Client.User.Get(ctx, id))
}

// AskedUser is the user that a caller asks for by id. Whoever is neither that user nor an
// administrator is forbidden before any look-up; for administrators an unknown one is the error
// `api_keys.user_not_found`.
func (d *Directory) AskedUser(ctx context.Context, id string) (*db.User, error) {
	p := principal.From(ctx)
	if id != p.UserID && !(p.IsAdmin() && p.Holds(principal.DirectoryRead)) {
		return nil, fault.Forbidden("only administrators look other users up")
	}
	var found *db.User
	var err error
	if typeid.Check(typeid.User, id) {
		found, err = d.User(ctx, id)
	}
	if err == nil && found == nil {
		return nil, &fault.Error{Code: "api_keys.user_not_found", Message: "user not found", Fields: []string{"id"}}
	}
	return found, err
}

// Organization is the organization with this id if it is the caller's, else nil.
func (d *Directory) Organization(ctx context.Context, id string) (*db.Organization, error) {
	return readable(d.store.Client.Organization.Get(ctx, id))
}

// Project is one project that the caller may see; nil when there is none.
func (d *Directory) Project(ctx context.Context, id string) (*db.Project, error) {
	return readable(d.store.Client.Project.Get(ctx, id))
}

// AskedProject is Project for an id that a caller gives: one of another kind is a user error.
func (d *Directory) AskedProject(ctx context.Context, id string) (*db.Project, error) {
	if err := typeid.Want(typeid.Project, "id", id); err != nil {
		return nil, err
	}
	return d.Project(ctx, id)
}

// Environment is one environment that the caller may see; nil when there is none.
func (d *Directory) Environment(ctx context.Context, id string) (*db.Environment, error) {
	return readable(d.store.Client.Environment.Get(ctx, id))
}

// Environments are those of a project, by name.
func (d *Directory) Environments(ctx context.Context, projectID string) ([]*db.Environment, error) {
	return d.store.Client.Environment.Query().
		Where(environment.ProjectID(projectID)).
		Order(db.Asc(environment.FieldName)).
		All(ctx)
}

// Projects is a page of the projects that the caller may see.
type Projects struct {
	page.Page[*db.Project]
	search *db.ProjectQuery
}

const projectOrder = "p"

// Cursor is the place of a project of the page in the whole list.
func (*Projects) Cursor(p *db.Project) string {
	return page.Encode(projectOrder, page.Cursor{ID: p.ID})
}

// Count is how many projects the whole list has, counted up to page.MaxCount + 1.
func (p *Projects) Count(ctx context.Context) (int, error) {
	ids, err := p.search.Clone().Limit(page.MaxCount + 1).IDs(ctx)
	return len(ids), err
}

// Projects lists the projects that the caller may see, oldest first. User errors: InputError on the
// page.
func (d *Directory) Projects(ctx context.Context, args page.Args) (*Projects, error) {
	bounds, err := args.Bounds(projectOrder)
	if err != nil {
		return nil, err
	}
	all := d.store.Client.Project.Query()
	behind, order := store.Keyset(bounds, false, project.FieldID)
	rows, err := all.Clone().Where(behind).Order(order).Limit(bounds.Size + 1).All(ctx)
	if err != nil {
		return nil, err
	}
	return &Projects{Page: page.Of(bounds, rows), search: all}, nil
}

// Package directory keeps what stands around keys: organizations, users, projects and environments.
package directory

import (
	"context"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/environment"
	"github.com/keytag/keytag/ent/db/organization"
	"github.com/keytag/keytag/ent/db/project"
	"github.com/keytag/keytag/ent/db/user"
	"github.com/keytag/keytag/internal/epoch"
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
	// seen are the projects that callers have been shown.
	seen *epoch.Memo[showing, *db.Project]
}

// showing is what was shown to whom: to the same rights, which are changed by none being the same any more.
type showing struct {
	to *principal.Principal
	id string
}

// New returns the Directory in s around the keys of the authority that reads the time from clock.
func New(s *store.Store, authority *keys.Authority, clock func() time.Time) *Directory {
	return &Directory{store: s, keys: authority, clock: clock, seen: epoch.NewMemo[showing, *db.Project](s.Epoch)}
}

func (d *Directory) now() time.Time { return lifecycle.Instant(d.clock()) }

// readable answers a row that was looked up by id: nil when there is none that the caller may see.
func readable[T any](row *T, err error) (*T, error) {
	if db.IsNotFound(err) {
		return nil, nil
	}
	return row, err
}

// UsersByID are the users with these ids that the caller may see, by id.
func (d *Directory) UsersByID(ctx context.Context, ids []string) (map[string]*db.User, error) {
	rows, err := d.store.Client.User.Query().Where(user.IDIn(ids...)).All(ctx)
	return store.By(func(u *db.User) string { return u.ID }, rows, err)
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
		found, err = readable(d.store.Client.User.Get(ctx, id))
	}
	if err == nil && found == nil {
		return nil, &fault.Error{Code: "api_keys.user_not_found", Message: "user not found", Fields: []string{"id"}}
	}
	return found, err
}

// OrganizationsByID is the caller's organization, by id, if it is among these ids.
func (d *Directory) OrganizationsByID(ctx context.Context, ids []string) (map[string]*db.Organization, error) {
	rows, err := d.store.Client.Organization.Query().Where(organization.IDIn(ids...)).All(ctx)
	return store.By(func(o *db.Organization) string { return o.ID }, rows, err)
}

// ProjectsByID are the projects with these ids that the caller may see, by id.
func (d *Directory) ProjectsByID(ctx context.Context, ids []string) (map[string]*db.Project, error) {
	rows, err := d.store.Client.Project.Query().Where(project.IDIn(ids...)).All(ctx)
	return store.By(func(p *db.Project) string { return p.ID }, rows, err)
}

// AskedProject is the project that a caller asks for by id, nil when there is none that it may see. An
// id of another kind is a user error.
func (d *Directory) AskedProject(ctx context.Context, id string) (*db.Project, error) {
	if err := typeid.Want(typeid.Project, "id", id); err != nil {
		return nil, err
	}
	return d.project(ctx, id)
}

func (d *Directory) project(ctx context.Context, id string) (*db.Project, error) {
	return d.seen.Find(showing{principal.From(ctx), id}, func() (*db.Project, bool, error) {
		row, err := readable(d.store.Client.Project.Get(ctx, id))
		return row, row != nil, err // one that is not there yet may come
	})
}

// EnvironmentsByID are the environments with these ids that the caller may see, by id.
func (d *Directory) EnvironmentsByID(ctx context.Context, ids []string) (map[string]*db.Environment, error) {
	rows, err := d.store.Client.Environment.Query().Where(environment.IDIn(ids...)).All(ctx)
	return store.By(func(e *db.Environment) string { return e.ID }, rows, err)
}

// EnvironmentsOf are the environments of projects, by the project's id, each list by name.
func (d *Directory) EnvironmentsOf(ctx context.Context, projectIDs []string) (map[string][]*db.Environment, error) {
	rows, err := d.store.Client.Environment.Query().
		Where(environment.ProjectIDIn(projectIDs...)).
		Order(db.Asc(environment.FieldName)).
		All(ctx)
	return store.Grouped(func(e *db.Environment) string { return e.ProjectID }, rows, err)
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

package directory

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/user"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// UpdateUserInput says what to change of a user. An absent member leaves its value.
type UpdateUserInput struct {
	ID            string
	DisplayName   graphql.Omittable[*string]
	Email         graphql.Omittable[*string]
	Role          graphql.Omittable[*principal.Role]
	TimeZone      graphql.Omittable[*string]
	MayUseAPIKeys graphql.Omittable[*bool]
	Disabled      graphql.Omittable[*bool]
}

// UpdateViewerInput says what the viewer changes of itself.
type UpdateViewerInput struct {
	DisplayName graphql.Omittable[*string]
	TimeZone    graphql.Omittable[*string]
}

// Users is a page of users.
type Users struct {
	page.Page[*db.User]
	search *db.UserQuery
}

const userOrder = "u"

// Cursor is the place of a user of the page in the whole list.
func (*Users) Cursor(u *db.User) string { return page.Encode(userOrder, page.Cursor{ID: u.ID}) }

// Count is how many users the whole list has, counted up to page.MaxCount + 1.
func (u *Users) Count(ctx context.Context) (int, error) {
	ids, err := u.search.Clone().Limit(page.MaxCount + 1).IDs(ctx)
	return len(ids), err
}

// Users lists the users of the organization, oldest first; with a query those whose login or
// display name contains it, whatever its case. User errors: InputError.
func (d *Directory) Users(ctx context.Context, query *string, args page.Args) (*Users, error) {
	bounds, err := args.Bounds(userOrder)
	if err != nil {
		return nil, err
	}
	all := d.store.Client.User.Query()
	if query != nil && *query != "" {
		if err := fault.Validate(struct {
			Query string `validate:"max=100,printable"`
		}{*query}); err != nil {
			return nil, err
		}
		all.Where(user.Or(user.LoginContainsFold(*query), user.DisplayNameContainsFold(*query)))
	}
	behind, order := store.Keyset(bounds, false, user.FieldID)
	rows, err := all.Clone().Where(behind).Order(order).Limit(bounds.Size + 1).All(ctx)
	if err != nil {
		return nil, err
	}
	return &Users{Page: page.Of(bounds, rows), search: all}, nil
}

// UpdateViewer changes the viewer's own display name and time zone. User errors: InputError.
func (d *Directory) UpdateViewer(ctx context.Context, in UpdateViewerInput) (*db.User, error) {
	p := principal.From(ctx)
	return d.updateUser(ctx, UpdateUserInput{ID: p.UserID, DisplayName: in.DisplayName, TimeZone: in.TimeZone})
}

// UpdateUser changes a user, for administrators. User errors: InputError; an unknown user is
// `api_keys.user_not_found`.
func (d *Directory) UpdateUser(ctx context.Context, in UpdateUserInput) (*db.User, error) {
	if err := typeid.Want(typeid.User, "id", in.ID); err != nil {
		return nil, err
	}
	return d.updateUser(ctx, in)
}

func (d *Directory) updateUser(ctx context.Context, in UpdateUserInput) (*db.User, error) {
	to, err := in.check()
	if err != nil {
		return nil, err
	}
	now := d.now()
	var after *db.User
	// The row rules let administrators alone write users; the viewer may change what it may.
	err = d.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p := principal.From(ctx)
		system := principal.System(ctx)
		// Taking the organization makes those wait who take an administrator away at the same time.
		if err := tx.Organization.UpdateOneID(p.OrganizationID).Modify(touch).Exec(system); err != nil {
			return err
		}
		before, err := tx.User.Get(ctx, in.ID)
		if db.IsNotFound(err) {
			return fault.Input("api_keys.user_not_found", "user not found", "id")
		}
		if err != nil {
			return err
		}
		update := tx.User.UpdateOneID(in.ID).SetUpdatedAt(now).
			SetNillableDisplayName(to.DisplayName).
			SetNillableRole(to.Role).
			SetNillableTimeZone(to.TimeZone).
			SetNillableMayUseAPIKeys(to.MayUseAPIKeys)
		switch {
		case in.Email.IsSet() && to.Email == nil:
			update.ClearEmail()
		case in.Email.IsSet():
			update.SetEmail(*to.Email)
		}
		switch {
		case to.Disabled == nil:
		case *to.Disabled && before.DisabledAt == nil:
			update.SetDisabledAt(now)
		case !*to.Disabled:
			update.ClearDisabledAt()
		}
		if after, err = update.Save(system); err != nil {
			return err
		}
		if isActiveAdmin(before) && !isActiveAdmin(after) {
			left, err := tx.User.Query().Where(
				user.OrganizationID(before.OrganizationID), user.RoleEQ(principal.Admin), user.DisabledAtIsNil(), user.MayUseAPIKeys(true),
			).Exist(system)
			if err != nil {
				return err
			}
			if !left {
				return fault.Input("directory.last_administrator", "the last administrator cannot be disabled, demoted, or lose the privilege to use API keys", "id")
			}
		}
		return audit.Record(ctx, tx, audit.Event{At: now, Action: "user.updated", SubjectID: in.ID, Changes: change.Between(before, after, userFields)})
	})
	if err != nil {
		return nil, err
	}
	return after, nil
}

// isActiveAdmin reports whether the user can administer: its keys work, and it is an administrator.
func isActiveAdmin(u *db.User) bool {
	return u.Role == principal.Admin && u.DisabledAt == nil && u.MayUseAPIKeys
}

// userAmendment is an UpdateUserInput after checking; nil leaves a value, for Email it clears.
type userAmendment struct {
	DisplayName   *string `validate:"omitnil,min=1,max=200,printable"`
	Email         *string `validate:"omitnil,email,max=254,printable"`
	Role          *principal.Role
	TimeZone      *string `validate:"omitnil,zone"`
	MayUseAPIKeys *bool
	Disabled      *bool
}

func (in UpdateUserInput) check() (userAmendment, error) {
	to := userAmendment{
		DisplayName:   in.DisplayName.Value(),
		Email:         in.Email.Value(),
		Role:          in.Role.Value(),
		TimeZone:      in.TimeZone.Value(),
		MayUseAPIKeys: in.MayUseAPIKeys.Value(),
		Disabled:      in.Disabled.Value(),
	}
	var faults fault.List
	for _, member := range []struct {
		name      string
		set, null bool
	}{
		{"displayName", in.DisplayName.IsSet(), to.DisplayName == nil},
		{"role", in.Role.IsSet(), to.Role == nil},
		{"timeZone", in.TimeZone.IsSet(), to.TimeZone == nil},
		{"mayUseApiKeys", in.MayUseAPIKeys.IsSet(), to.MayUseAPIKeys == nil},
		{"disabled", in.Disabled.IsSet(), to.Disabled == nil},
	} {
		if member.set && member.null {
			faults = append(faults, fault.Invalid(member.name+" must not be null", member.name))
		}
	}
	if to.DisplayName != nil {
		text := *to.DisplayName
		tidy(&text)
		to.DisplayName = &text
	}
	found, err := fault.Split(fault.Validate(to))
	if err != nil {
		return to, err
	}
	return to, append(faults, found...).OrNil()
}

var userFields = []change.Recorded[db.User]{
	{Name: "login", Value: func(u *db.User) *string { return &u.Login }},
	{Name: "kind", Value: func(u *db.User) *string { return change.Text(u.Kind) }},
	{Name: "displayName", Value: func(u *db.User) *string { return &u.DisplayName }},
	{Name: "email", Value: func(u *db.User) *string { return u.Email }},
	{Name: "role", Value: func(u *db.User) *string { return change.Text(u.Role) }},
	{Name: "timeZone", Value: func(u *db.User) *string { return &u.TimeZone }},
	{Name: "mayUseApiKeys", Value: func(u *db.User) *string { return change.Text(u.MayUseAPIKeys) }},
	{Name: "disabledAt", Value: func(u *db.User) *string { return change.Instant(u.DisabledAt) }},
}

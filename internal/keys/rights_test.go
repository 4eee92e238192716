package keys_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/keytag/keytag/ent/policy"
	"github.com/keytag/keytag/internal/catalogue"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
)

func TestNobodyGivesWhatTheyDoNotHold(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		_, text := w.member("mia", "keytag:keys:read", "keytag:keys:write", "keytag:directory:read", "deploy:*", "keytag:keys:verify")
		member := w.as(text)
		for _, c := range []struct {
			scope string
			ok    bool
		}{
			{"deploy:write", true}, {"deploy:*", true}, {"keytag:keys:read", true},
			{"deploy", false}, {"other:thing", false}, {"*", false}, {"keytag:*", false}, {"keytag:keys:*", false},
			{"keytag:policy:write", false}, {"keytag:audit:read", false},
			{"keytag:keys:verify", false}, // may be used, where an administrator gave it, but not handed on
		} {
			_, err := w.Create(member, keys.CreateInput{ProjectID: w.project, Name: new(unique()), Scopes: []string{c.scope}})
			if c.ok {
				must(t, err)
			} else if e := userError[*keys.ScopeError](t, err); e.Code != "api_keys.scope_not_held" || e.Scopes[0] != c.scope {
				t.Errorf("%s: %+v", c.scope, e)
			}
		}

		mine, _ := w.issue(member, keys.CreateInput{Scopes: []string{"deploy:read"}})
		_, err := w.Update(member, keys.UpdateInput{ID: mine.ID, Scopes: omit([]string{"deploy:read", "*"})})
		if e := userError[*keys.ScopeError](t, err); !slices.Equal(e.Scopes, []string{"*"}) {
			t.Errorf("update: %+v", e)
		}
		// What an administrator put on the member's key stays when the member narrows it.
		_, err = w.Update(admin, keys.UpdateInput{ID: mine.ID, Scopes: omit([]string{"billing:read", "deploy:read"})})
		must(t, err)
		_, err = w.Update(member, keys.UpdateInput{ID: mine.ID, Scopes: omit([]string{"billing:read"})})
		must(t, err)
		_, err = w.Rotate(member, keys.RotateInput{ID: mine.ID})
		if e := userError[*keys.ScopeError](t, err); !slices.Equal(e.Scopes, []string{"billing:read"}) {
			t.Errorf("rotate: %+v", e)
		}
		userID := w.Viewer(member).ID
		_, err = w.Create(w.as(text), keys.CreateInput{ProjectID: w.project, Name: new("n"), OwnerID: &w.Viewer(admin).ID})
		if e := userError[*fault.InputError](t, err); e.Code != "auth.forbidden" || e.Fields[0] != "ownerId" {
			t.Errorf("for another: %+v", e)
		}
		_, err = w.Create(admin, keys.CreateInput{ProjectID: w.project, Name: new("n"), OwnerID: &userID, Scopes: []string{"*"}})
		must(t, err)
	})
}

// A key that holds `*` acts with no more than its owner's role.
func TestTheOwnersRoleBoundsTheKey(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, text := w.member("mia", "*")
		p := principal.From(w.as(text))
		for s, holds := range map[string]bool{
			"keytag:keys:read": true, "keytag:keys:verify": true, "keytag:directory:write": false, "keytag:policy:write": false,
			"*": false, "keytag:*": false, "deploy:write": true, "deploy:*": true,
		} {
			if p.Holds(s) != holds {
				t.Errorf("%s: %t", s, !holds)
			}
		}
	})
}

func TestCatalogue(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		project, err := w.directory.CreateProject(ctx, directory.CreateProjectInput{
			Name: "shop", Environments: []string{"live", "test"},
			ScopeCatalogue: []directory.ScopeDefinitionInput{{Name: "order:read"}, {Name: "stock:*", DeprecationReason: new("use order")}},
		})
		must(t, err)
		_, err = w.Create(ctx, keys.CreateInput{ProjectID: project.ID, Name: new("a"), Scopes: []string{"order:read", "order:write", "*"}})
		if e := userError[*keys.ScopeError](t, err); e.Code != "api_keys.scope_unknown" || !slices.Equal(e.Scopes, []string{"*", "order:write"}) {
			t.Errorf("%+v", e)
		}
		issued, err := w.Create(ctx, keys.CreateInput{ProjectID: project.ID, Name: new("a"), Scopes: []string{"order:read", "stock:*", "stock:count"}})
		must(t, err)
		if len(issued.Warnings) != 1 {
			t.Errorf("warnings %v", issued.Warnings)
		}
		if unknown := (catalogue.Catalogue)(nil).Unknown([]string{"x"}); unknown != nil {
			t.Errorf("an empty catalogue refuses %v", unknown)
		}
		environments := w.environments(ctx, project.ID)
		_, err = w.Create(ctx, keys.CreateInput{ProjectID: w.project, Name: new("b"), EnvironmentID: &environments[0].ID})
		if e := userError[*fault.InputError](t, err); e.Code != "not_found" || e.Fields[0] != "environmentId" {
			t.Errorf("an environment of another project: %+v", e)
		}
	})
}

func TestDescriptions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		taken, _ := w.issue(ctx, keys.CreateInput{Name: new("one"), Description: new("  Café\tau  lait ")})
		for _, same := range []string{"Café au lait", "Cafe\u0301 au\nlait"} {
			_, err := w.Create(ctx, keys.CreateInput{ProjectID: w.project, Description: &same})
			if e := userError[*keys.DescriptionTakenError](t, err); e.ExistingKey.ID != taken.ID {
				t.Errorf("%q: %+v", same, e)
			}
		}
		_, err := w.Create(ctx, keys.CreateInput{ProjectID: w.project, Description: new("café au lait")})
		must(t, err) // case counts
		userID, _ := w.member("mia")
		_, err = w.Create(ctx, keys.CreateInput{ProjectID: w.project, OwnerID: &userID, Description: new("Café au lait")})
		must(t, err) // another owner

		copied, _ := w.issue(ctx, keys.CreateInput{Name: new("only a name")})
		if copied.Description != "only a name" {
			t.Errorf("description %q", copied.Description)
		}
		r, err := w.Rotate(ctx, keys.RotateInput{ID: taken.ID})
		must(t, err)
		_, err = w.Update(ctx, keys.UpdateInput{ID: r.NewKey.ID, Description: omit(new("tea"))})
		must(t, err)
		old, err := w.Key(ctx, taken.ID)
		must(t, err)
		if old.Description != "tea" {
			t.Errorf("the family shares its description, not %q", old.Description)
		}
		_, err = w.Update(ctx, keys.UpdateInput{ID: taken.ID, Description: omit(new(" only  a name"))})
		if e := userError[*keys.DescriptionTakenError](t, err); e.ExistingKey.ID != copied.ID {
			t.Errorf("%+v", e)
		}
		for _, bad := range []string{"", " \n", "nul\x00", "bell\a", "\xff", string(make([]byte, 3000))} {
			_, err := w.Create(ctx, keys.CreateInput{ProjectID: w.project, Name: &bad})
			if e := userError[*fault.InputError](t, err); e.Fields[0] != "name" {
				t.Errorf("%q: %+v", bad, e)
			}
		}
	})
}

func TestRowRules(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		_, text := w.member("mia", "keytag:keys:read", "keytag:keys:write")
		member := w.as(text)
		theirs, _ := w.issue(admin, keys.CreateInput{})
		mine, _ := w.issue(member, keys.CreateInput{})

		var foreign string
		must(t, w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
			return foreignOrganization(ctx, tx, w, &foreign)
		}))

		for name, c := range map[string]struct {
			ctx  contextT
			sees map[string]bool
		}{
			"administrator": {admin, map[string]bool{theirs.ID: true, mine.ID: true, foreign: false}},
			"member":        {member, map[string]bool{theirs.ID: false, mine.ID: true, foreign: false}},
		} {
			for id, sees := range c.sees {
				found, err := w.Key(c.ctx, id)
				must(t, err)
				if (found != nil) != sees {
					t.Errorf("%s sees %s: %t", name, id, !sees)
				}
				if sees {
					continue
				}
				_, revoke := w.Revoke(c.ctx, keys.RevokeInput{ID: id})
				_, rotate := w.Rotate(c.ctx, keys.RotateInput{ID: id})
				_, update := w.Update(c.ctx, keys.UpdateInput{ID: id, Name: omit(new("x"))})
				for _, err := range []error{revoke, rotate, update} {
					if code(t, err) != "not_found" {
						t.Errorf("%s changes %s: %v", name, id, err)
					}
				}
			}
		}

		// A key without scopes sees its family and the parents of it, and nothing else.
		bare, bareText := w.issue(admin, keys.CreateInput{})
		ctx := w.as(bareText)
		rotated, err := w.RotateViewer(ctx, keys.RotateViewerInput{})
		must(t, err)
		for id, sees := range map[string]bool{bare.ID: true, rotated.NewKey.ID: true, theirs.ID: false, mine.ID: false} {
			if found, err := w.Key(ctx, id); err != nil || (found != nil) != sees {
				t.Errorf("a bare key sees %s: %t, %v", id, !sees, err)
			}
		}
		if found, err := w.directory.ProjectsByID(ctx, []string{w.project}); err != nil || found[w.project] == nil {
			t.Errorf("its project: %v, %v", found, err)
		}
		if found, err := w.directory.UsersByID(ctx, []string{w.Viewer(member).ID}); err != nil || len(found) != 0 {
			t.Errorf("another user: %v, %v", found, err)
		}

		// Without a caller nothing runs; the trail is written once.
		if _, err := w.store.Client.APIKey.Query().All(t.Context()); !errors.Is(err, policy.ErrDenied) {
			t.Errorf("without a caller: %v", err)
		}
		err = w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
			return tx.AuditEvent.Update().Exec(ctx)
		})
		if !errors.Is(err, policy.ErrDenied) {
			t.Errorf("an altered trail: %v", err)
		}
		err = w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
			_, err := tx.AuditEvent.Delete().Exec(ctx)
			return err
		})
		if !errors.Is(err, policy.ErrDenied) {
			t.Errorf("a shortened trail: %v", err)
		}
	})
}

// foreignOrganization makes another organization with one key.
func foreignOrganization(ctx contextT, tx *store.Tx, w *world, id *string) error {
	const org, user, project, family, key = "org_foreign", "usr_foreign", "prj_foreign", "fam_foreign", "key_01m82x0gdhfgyr9ssgp87fptxy"
	*id = key
	for _, insert := range []func() error{
		func() error {
			return tx.Organization.Create().SetID(org).SetName("foreign").SetCreatedAt(start).Exec(ctx)
		},
		func() error {
			return tx.User.Create().SetID(user).SetOrganizationID(org).SetLogin("admin").SetDisplayName("A").
				SetKind(principal.Human).SetRole(principal.Admin).SetTimeZone("UTC").SetMayUseAPIKeys(true).
				SetCreatedAt(start).SetUpdatedAt(start).Exec(ctx)
		},
		func() error {
			return tx.Project.Create().SetID(project).SetOrganizationID(org).SetName("default").
				SetScopeCatalogue([]catalogue.Definition{}).SetCreatedAt(start).SetUpdatedAt(start).Exec(ctx)
		},
		func() error {
			return tx.KeyFamily.Create().SetID(family).SetOrganizationID(org).SetOwnerID(user).SetDescription("d").Exec(ctx)
		},
		func() error {
			return tx.APIKey.Create().SetID(key).SetOrganizationID(org).SetProjectID(project).SetOwnerID(user).
				SetName("n").SetDescription("d").SetScopes([]string{"*"}).SetAllowedIps([]string{}).SetKeyPrefix("ktg_foreign000").SetDigest([]byte("digest")).
				SetFamilyID(family).SetGeneration(1).SetCreatedAt(start).SetUpdatedAt(start).Exec(ctx)
		},
	} {
		if err := insert(); err != nil {
			return err
		}
	}
	return nil
}

// The database itself keeps the trail, past ent and its rules.
func TestTheTrailIsAppendOnlyInTheDatabase(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, statement := range []string{`UPDATE audit_events SET action = 'x'`, `DELETE FROM audit_events`} {
			err := w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
				_, err := tx.ExecContext(ctx, statement)
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", statement, err)
			}
		}
	})
}

// A member's key that is bound makes keys that are bound no less; an administrator's may make any.
func TestBoundKeysMakeBoundKeys(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		shop, err := w.directory.CreateProject(admin, directory.CreateProjectInput{Name: "shop", Environments: []string{"live", "test"}})
		must(t, err)
		environments := w.environments(admin, shop.ID)
		live, test := environments[0].ID, environments[1].ID
		userID, _ := w.member("mia")
		_, text := w.issue(admin, keys.CreateInput{ProjectID: shop.ID, OwnerID: &userID, EnvironmentID: &test, AllowedIPs: []string{"192.0.2.0/24"}, Scopes: []string{"keytag:keys:*", "keytag:directory:read"}})
		bound, err := w.Authenticate(t.Context(), text, keys.Use{IP: netip.MustParseAddr("192.0.2.7")})
		must(t, err)
		for _, c := range []struct {
			environment *string
			ips         []string
			refused     string
		}{
			{&test, []string{"192.0.2.8"}, ""},
			{&live, []string{"192.0.2.8"}, "environmentId"},
			{nil, []string{"192.0.2.8"}, "environmentId"},
			{&test, nil, "allowedIps"},
			{&test, []string{"192.0.2.0/23"}, "allowedIps"},
		} {
			_, err := w.Create(bound, keys.CreateInput{ProjectID: shop.ID, Name: new(unique()), EnvironmentID: c.environment, AllowedIPs: c.ips})
			if c.refused == "" {
				must(t, err)
			} else if e := userError[*fault.InputError](t, err); e.Code != "auth.forbidden" || e.Fields[0] != c.refused {
				t.Errorf("%+v: %+v", c, e)
			}
		}
	})
}

func TestTheLastAdministratorStays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		id := w.Viewer(admin).ID
		for _, in := range []directory.UpdateUserInput{
			{Disabled: omit(new(true))}, {Role: omit(new(principal.Member))}, {MayUseAPIKeys: omit(new(false))},
		} {
			in.ID = id
			_, err := w.directory.UpdateUser(admin, in)
			if code(t, err) != "directory.last_administrator" {
				t.Errorf("%+v: %v", in, err)
			}
		}
	})
}

// What a change finds nothing to do about is answered with no more than the caller sees.
func TestUnchangedKeysShowNoMore(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		old, _ := w.issue(admin, keys.CreateInput{})
		r, err := w.Rotate(admin, keys.RotateInput{ID: old.ID, GracePeriod: period("PT0S")})
		must(t, err)
		must(t, w.Remove(admin, keys.RemoveInput{ID: r.NewKey.ID}))
		same, err := w.Complete(admin, keys.CompleteInput{ID: old.ID})
		must(t, err)
		if same.Edges.ReplacedBy != nil {
			t.Error("a removed successor is shown")
		}
	})
}

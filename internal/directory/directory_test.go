package directory_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type world struct {
	*directory.Directory
	keys  *keys.Authority
	admin context.Context
}

func each(t *testing.T, fn func(t *testing.T, w *world)) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		clock := func() time.Time { return start }
		w := &world{keys: keys.New(s, clock, telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json"))}
		w.Directory = directory.New(s, w.keys, clock)
		must(t, w.Bootstrap(t.Context(), w.login(t, &w.admin)))
		fn(t, w)
	})
}

// login keeps the context of requests with the key it is handed. It authenticates later, when the
// key is committed.
func (w *world) login(t *testing.T, ctx *context.Context) func(secret.Secret) error {
	return func(key secret.Secret) error {
		t.Helper()
		*ctx = &lazy{Context: t.Context(), login: sync.OnceValue(func() context.Context {
			bound, err := w.keys.Authenticate(t.Context(), key.Reveal(), keys.Use{})
			must(t, err)
			return bound
		})}
		return nil
	}
}

type lazy struct {
	context.Context
	login func() context.Context
}

func (l *lazy) Value(key any) any { return l.login().Value(key) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%T: %v", err, err)
	}
}

func code(err error) string {
	list, _ := fault.Split(err)
	if len(list) == 0 {
		return ""
	}
	return list[0].Describe().Code
}

func omit[T any](v T) graphql.Omittable[T] { return graphql.OmittableOf(v) }

// Two administrators who disable each other at once: one stays.
func TestTheLastAdministratorStays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first := w.keys.Viewer(w.admin)
		_, err := w.UpdateUser(w.admin, directory.UpdateUserInput{ID: first.ID, Disabled: omit(new(true))})
		if code(err) != "directory.last_administrator" {
			t.Errorf("disabled: %v", err)
		}
		second, err := w.CreateUser(w.admin, directory.CreateUserInput{Login: "second", Role: new(first.Role)})
		must(t, err)
		var group sync.WaitGroup
		errs := make([]error, 20)
		for i := range errs {
			group.Go(func() {
				_, errs[i] = w.UpdateUser(w.admin, directory.UpdateUserInput{ID: []string{first.ID, second.ID}[i%2], Disabled: omit(new(true))})
			})
		}
		group.Wait()
		list, err := w.Administrators(t.Context())
		must(t, err)
		enabled := 0
		for _, a := range list {
			if !a.Disabled {
				enabled++
			}
		}
		if enabled != 1 || len(list) != 2 {
			t.Errorf("%+v", list)
		}
	})
}

func TestUsers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, login := range []string{"mia", "Max_1", "max%2"} {
			_, err := w.CreateUser(w.admin, directory.CreateUserInput{Login: login, DisplayName: new("Ms " + login)})
			must(t, err)
		}
		for query, want := range map[string]int{"": 4, "MAX": 2, "_": 1, "%": 1, "ms ": 3, "nobody": 0} {
			found, err := w.Users(w.admin, &query, page.Args{})
			must(t, err)
			n, err := found.Count(w.admin)
			must(t, err)
			if n != want || len(found.Nodes) != want {
				t.Errorf("%q: %d", query, n)
			}
		}
		_, err := w.Users(w.admin, new(strings.Repeat("x", 101)), page.Args{})
		if code(err) != "input.invalid" {
			t.Errorf("%v", err)
		}
		me, err := w.UpdateViewer(w.admin, directory.UpdateViewerInput{DisplayName: omit(new(" Ada ")), TimeZone: omit(new("Europe/Amsterdam"))})
		must(t, err)
		if me.DisplayName != "Ada" || me.TimeZone != "Europe/Amsterdam" {
			t.Errorf("%+v", me)
		}
		for _, in := range []directory.UpdateUserInput{
			{TimeZone: omit(new("Moon"))}, {TimeZone: omit[*string](nil)}, {DisplayName: omit(new(""))}, {Email: omit(new("x"))},
		} {
			in.ID = me.ID
			if _, err := w.UpdateUser(w.admin, in); code(err) != "input.invalid" {
				t.Errorf("%+v: %v", in, err)
			}
		}
		set, err := w.UpdateUser(w.admin, directory.UpdateUserInput{ID: me.ID, Email: omit(new("ada@example.org"))})
		must(t, err)
		cleared, err := w.UpdateUser(w.admin, directory.UpdateUserInput{ID: me.ID, Email: omit[*string](nil)})
		must(t, err)
		if *set.Email != "ada@example.org" || cleared.Email != nil {
			t.Errorf("%v %v", set.Email, cleared.Email)
		}
		_, err = w.UpdateUser(w.admin, directory.UpdateUserInput{ID: "usr_01m82x0gdhfgyr9ssgp87fptxy"})
		if code(err) != "api_keys.user_not_found" {
			t.Errorf("%v", err)
		}
	})
}

func TestProjectsAndEnvironments(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		project, err := w.CreateProject(w.admin, directory.CreateProjectInput{Name: "shop", Environments: []string{"live", "test"}})
		must(t, err)
		renamed, err := w.UpdateProject(w.admin, directory.UpdateProjectInput{ID: project.ID, Name: omit(new("store")), ScopeCatalogue: omit([]directory.ScopeDefinitionInput{{Name: "order:read"}})})
		must(t, err)
		if renamed.Name != "store" || len(renamed.ScopeCatalogue) != 1 {
			t.Errorf("%+v", renamed)
		}
		_, err = w.UpdateProject(w.admin, directory.UpdateProjectInput{ID: project.ID, Name: omit(new("default"))})
		if code(err) != "directory.name_taken" {
			t.Errorf("%v", err)
		}
		found, err := w.EnvironmentsOf(w.admin, []string{project.ID})
		must(t, err)
		environments := found[project.ID]
		_, err = w.keys.Create(w.admin, keys.CreateInput{ProjectID: project.ID, EnvironmentID: &environments[0].ID, Name: new("bound")})
		must(t, err)
		if err := w.DeleteEnvironment(w.admin, directory.DeleteEnvironmentInput{ID: environments[0].ID}); code(err) != "directory.environment_in_use" {
			t.Errorf("%v", err)
		}
		must(t, w.DeleteEnvironment(w.admin, directory.DeleteEnvironmentInput{ID: environments[1].ID}))
		if left, err := w.EnvironmentsOf(w.admin, []string{project.ID}); err != nil || len(left[project.ID]) != 1 {
			t.Errorf("%v %v", left, err)
		}
	})
}

func TestOperator(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var other, reset context.Context
		must(t, w.AddOrganization(t.Context(), "acme", "root", w.login(t, &other)))
		if err := w.AddOrganization(t.Context(), "acme", "root", w.login(t, &other)); code(err) != "directory.name_taken" {
			t.Errorf("%v", err)
		}
		must(t, w.ResetAdministrator(t.Context(), "acme", "root", w.login(t, &reset)))
		if a, b := w.keys.Viewer(other), w.keys.Viewer(reset); a.ID != b.ID {
			t.Errorf("%s %s", a.ID, b.ID)
		}
		if err := w.ResetAdministrator(t.Context(), "acme", "nobody", w.login(t, &reset)); err == nil {
			t.Error("an administrator that does not exist")
		}
		list, err := w.Administrators(t.Context())
		must(t, err)
		if len(list) != 2 || list[0].Organization != "acme" || list[1].Login != "admin" {
			t.Errorf("%+v", list)
		}
	})
}

package keys_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/predicate"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
)

var start = time.Date(2026, 8, 31, 10, 0, 0, 0, time.UTC)

// world is one server's organization with its first administrator, at a time that tests move.
type world struct {
	*keys.Authority
	t         testing.TB
	store     *store.Store
	directory *directory.Directory
	project   string
	admin     string // the administrator's key text

	mu  sync.Mutex
	now time.Time
}

func each(t *testing.T, fn func(t *testing.T, w *world)) {
	storetest.Each(t, func(t *testing.T, s *store.Store) { fn(t, newWorld(t, s)) })
}

func newWorld(t testing.TB, s *store.Store) *world {
	t.Helper()
	w := &world{t: t, store: s, now: start}
	w.Authority = keys.New(s, w.clock, telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json"))
	w.directory = directory.New(s, w.Authority, w.clock)
	err := w.directory.Bootstrap(t.Context(), func(k secret.Secret) error { w.admin = k.Reveal(); return nil })
	must(t, err)
	key := w.ViewerKey(w.as(w.admin))
	w.project = key.ProjectID
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) at(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = t
}

func (w *world) pass(d time.Duration) { w.at(w.clock().Add(d)) }

// as is the context of a request with the key.
func (w *world) as(text string) context.Context {
	w.t.Helper()
	ctx, err := w.Authenticate(w.t.Context(), text, keys.Use{})
	must(w.t, err)
	return ctx
}

// refused is the code with which a key does not authenticate, empty when it does.
func (w *world) refused(text string) string {
	w.t.Helper()
	_, err := w.Authenticate(w.t.Context(), text, keys.Use{})
	if err == nil {
		return ""
	}
	return err.(*fault.Error).Code
}

// issue makes a key in the name of the caller and answers it with its text.
func (w *world) issue(ctx context.Context, in keys.CreateInput) (*keys.View, string) {
	w.t.Helper()
	if in.ProjectID == "" {
		in.ProjectID = w.project
	}
	if in.Name == nil && in.Description == nil {
		in.Name = new(unique())
	}
	issued, err := w.Create(ctx, in)
	must(w.t, err)
	return issued.APIKey, *issued.Secret()
}

// member makes a user without an administrator's rights and a key of it.
func (w *world) member(login string, scopes ...string) (userID, text string) {
	w.t.Helper()
	ctx := w.as(w.admin)
	user, err := w.directory.CreateUser(ctx, directory.CreateUserInput{Login: login})
	must(w.t, err)
	_, text = w.issue(ctx, keys.CreateInput{OwnerID: &user.ID, Scopes: scopes})
	return user.ID, text
}

// environments are those of a project, by name.
func (w *world) environments(ctx context.Context, projectID string) []*db.Environment {
	w.t.Helper()
	found, err := w.directory.EnvironmentsOf(ctx, []string{projectID})
	must(w.t, err)
	return found[projectID]
}

func (w *world) system() context.Context { return principal.System(w.t.Context()) }

var count struct {
	sync.Mutex
	n int
}

func unique() string {
	count.Lock()
	defer count.Unlock()
	count.n++
	return "key " + time.Duration(count.n).String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%T: %v", err, err)
	}
}

// userError is the one user error in err, of the wanted type.
func userError[E fault.UserError](t testing.TB, err error) E {
	t.Helper()
	list, rest := fault.Split(err)
	if rest != nil || len(list) != 1 {
		t.Fatalf("got %T %v, want one user error", err, err)
	}
	e, ok := list[0].(E)
	if !ok {
		t.Fatalf("got %T %v, want %T", list[0], list[0], e)
	}
	return e
}

func period(text string) *lifecycle.Period { return new(lifecycle.MustPeriod(text)) }

func nameIs(name string) predicate.APIKey { return apikey.Name(name) }

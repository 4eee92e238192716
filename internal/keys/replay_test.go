package keys_test

import (
	"testing"
	"time"

	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
)

const onceKey = "a retry after a lost reply"

func code(t *testing.T, err error) string {
	t.Helper()
	return userError[fault.UserError](t, err).Describe().Code
}

func TestReplayBeforeAndAfterTheFirstUse(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		in := keys.CreateInput{ProjectID: w.project, Name: new("build"), IdempotencyKey: new(onceKey)}
		first, err := w.Create(ctx, in)
		must(t, err)
		w.pass(24*time.Hour - tick)
		again, err := w.Create(ctx, in)
		must(t, err)
		if !again.Replayed || first.Replayed || again.APIKey.ID != first.APIKey.ID || again.APIKey.KeyPrefix != first.APIKey.KeyPrefix {
			t.Errorf("replayed %t, %s and %s", again.Replayed, first.APIKey.KeyPrefix, again.APIKey.KeyPrefix)
		}
		if code := w.refused(*first.Secret()); code != "api_keys.invalid" {
			t.Errorf("the lost secret: %q", code)
		}
		if code := w.refused(*again.Secret()); code != "" {
			t.Errorf("the fresh secret: %q", code)
		}
		third, err := w.Create(ctx, in)
		must(t, err)
		if !third.Replayed || third.Secret() != nil {
			t.Error("a used key must be answered without a secret")
		}
		if code := w.refused(*again.Secret()); code != "" {
			t.Errorf("after the third call: %q", code)
		}
		other := in
		other.Name = new("deploy")
		_, err = w.Create(ctx, other)
		if got := code(t, err); got != "idempotency.conflict" {
			t.Errorf("other input: %s", got)
		}
		_, err = w.Rotate(ctx, keys.RotateInput{ID: first.APIKey.ID, IdempotencyKey: new(onceKey)})
		if got := code(t, err); got != "idempotency.conflict" {
			t.Errorf("other operation: %s", got)
		}
		w.pass(tick)
		_, err = w.Create(ctx, in)
		if got := code(t, err); got != "api_keys.description_taken" {
			t.Errorf("after 24 hours it is a new call: %s", got)
		}
	})
}

func TestWhoReplays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		in := keys.CreateInput{ProjectID: w.project, Name: new("build"), Scopes: []string{"deploy:write"}, IdempotencyKey: new(onceKey)}
		first, err := w.Create(ctx, in)
		must(t, err)
		rotated, err := w.RotateViewer(ctx, keys.RotateViewerInput{})
		must(t, err)
		family, err := w.Create(w.as(*rotated.Secret()), in)
		must(t, err)
		if family.APIKey.ID != first.APIKey.ID {
			t.Error("a key of the family made another key")
		}
		_, stranger := w.issue(ctx, keys.CreateInput{Scopes: []string{"*"}})
		if _, err := w.Create(w.as(stranger), in); code(t, err) != "api_keys.description_taken" {
			t.Errorf("a stranger replayed: %v", err)
		}
		for _, short := range []string{"", "fifteen letters", "sixteen letters\x00"} {
			in.IdempotencyKey = &short
			_, err := w.Create(ctx, in)
			if e := userError[*fault.InputError](t, err); e.Fields[0] != "idempotencyKey" {
				t.Errorf("%q: %+v", short, e)
			}
		}
	})
}

func TestReplayNeedsTheScopes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		maker, text := w.issue(admin, keys.CreateInput{Scopes: []string{"keytag:keys:write", "keytag:keys:read", "keytag:directory:read", "deploy:write"}})
		in := keys.CreateInput{ProjectID: w.project, Name: new("build"), Scopes: []string{"deploy:write"}, IdempotencyKey: new(onceKey)}
		_, err := w.Create(w.as(text), in)
		must(t, err)
		_, err = w.Update(admin, keys.UpdateInput{ID: maker.ID, Scopes: omit([]string{"keytag:keys:write"})})
		must(t, err)
		_, err = w.Create(w.as(text), in)
		if e := userError[*keys.ScopeError](t, err); e.Scopes[0] != "deploy:write" {
			t.Errorf("%+v", e)
		}
	})
}

// A rotation without grace ends the caller: its key may still fetch that rotation's lost reply, and
// may do nothing else.
func TestReplayOfARotationWithoutGrace(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		other, _ := w.issue(admin, keys.CreateInput{})
		key, text := w.issue(admin, keys.CreateInput{Scopes: []string{"*"}})
		ctx := w.as(text)
		in := keys.RotateViewerInput{GracePeriod: period("PT0S"), IdempotencyKey: new(onceKey)}
		beside := keys.RotateInput{ID: other.ID, IdempotencyKey: new("another idempotency key")}
		besideFirst, err := w.Rotate(ctx, beside)
		must(t, err)
		lost, err := w.RotateViewer(ctx, in)
		must(t, err)
		w.pass(time.Minute)

		dead := w.as(text)
		again, err := w.RotateViewer(dead, in)
		must(t, err)
		if !again.Replayed || again.NewKey.ID != lost.NewKey.ID || again.OldKey.ID != key.ID {
			t.Errorf("%+v", again)
		}
		if w.refused(*lost.Secret()) != "api_keys.invalid" || w.refused(*again.Secret()) != "" {
			t.Error("the fresh secret must take the place of the lost one")
		}
		for name, try := range map[string]func() error{
			"without the key":   func() error { _, err := w.RotateViewer(dead, keys.RotateViewerInput{}); return err },
			"another operation": func() error { _, err := w.Rotate(dead, beside); return err },
			"other input": func() error {
				_, err := w.RotateViewer(dead, keys.RotateViewerInput{IdempotencyKey: new(onceKey)})
				return err
			},
			"another key": func() error { _, err := w.Rotate(dead, keys.RotateInput{ID: besideFirst.NewKey.ID}); return err },
		} {
			if refused, ok := try().(*fault.Error); !ok || refused.Code != "api_keys.grace_ended" {
				t.Errorf("%s: %v", name, refused)
			}
		}
		if code := w.refused(*besideFirst.Secret()); code != "" {
			t.Errorf("the dead key did harm: %s", code)
		}
		w.pass(24 * time.Hour)
		_, err = w.RotateViewer(w.as(text), in)
		if refused, ok := err.(*fault.Error); !ok || refused.Code != "api_keys.grace_ended" {
			t.Errorf("after a day: %v", err)
		}
	})
}

func TestAnEndedKeyIsReplayedWithoutASecret(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		in := keys.CreateInput{ProjectID: w.project, Name: new("build"), IdempotencyKey: new(onceKey)}
		made, err := w.Create(ctx, in)
		must(t, err)
		_, err = w.Revoke(ctx, keys.RevokeInput{ID: made.APIKey.ID})
		must(t, err)
		again, err := w.Create(ctx, in)
		must(t, err)
		if again.Secret() != nil || !again.Replayed {
			t.Error("a revoked key got a secret")
		}
	})
}

// A retry may come from another key of the family, but not get a secret of more than that one holds.
func TestOnlyTheReplacedKeyReplaysItsRotationWithoutTheScopes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		first, old := w.issue(admin, keys.CreateInput{Scopes: []string{"deploy:write"}})
		rotated, err := w.Rotate(admin, keys.RotateInput{ID: first.ID})
		must(t, err)
		_, err = w.Update(admin, keys.UpdateInput{ID: first.ID, Scopes: omit([]string{})})
		must(t, err)
		in := keys.RotateViewerInput{IdempotencyKey: new(onceKey)}
		_, err = w.RotateViewer(w.as(*rotated.Secret()), in)
		must(t, err)
		_, err = w.RotateViewer(w.as(old), in)
		userError[*keys.ScopeError](t, err)
	})
}

// Who was an administrator when it made another's key, and is none any more, gets nothing of it.
func TestReplayNeedsTheRightToTheOwnersKey(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		second, err := w.directory.CreateUser(admin, directory.CreateUserInput{Login: "second", Role: new(principal.Admin)})
		must(t, err)
		_, text := w.issue(admin, keys.CreateInput{OwnerID: &second.ID, Scopes: []string{"*"}})
		first := w.Viewer(admin)
		in := keys.CreateInput{ProjectID: w.project, Name: new("theirs"), OwnerID: &first.ID, Scopes: []string{"keytag:keys:read"}, IdempotencyKey: new(onceKey)}
		_, err = w.Create(w.as(text), in)
		must(t, err)
		_, err = w.directory.UpdateUser(admin, directory.UpdateUserInput{ID: second.ID, Role: omit(new(principal.Member))})
		must(t, err)
		issued, err := w.Create(w.as(text), in)
		if code(t, err) != "not_found" || issued.APIKey != nil || issued.Secret() != nil {
			t.Errorf("%v", err)
		}
	})
}

package keys_test

import (
	"slices"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
)

func omit[T any](v T) graphql.Omittable[T] { return graphql.OmittableOf(v) }

func TestTheSuccessorTakesOver(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		end := start.Add(48 * time.Hour)
		old, oldText := w.issue(ctx, keys.CreateInput{Name: new("n"), Description: new("d"), Scopes: []string{"b", "a:*"}, ExpiresAt: &end})
		w.pass(time.Hour)
		r, err := w.Rotate(ctx, keys.RotateInput{ID: old.ID})
		must(t, err)
		n := r.NewKey
		if n.Name != "n" || n.Description != "d" || !slices.Equal(n.Scopes, []string{"a:*", "b"}) || n.OwnerID != old.OwnerID ||
			n.FamilyID != old.FamilyID || n.Generation != 2 || *n.ReplacesID != old.ID || *r.OldKey.ReplacedByID != n.ID {
			t.Errorf("%+v", n.APIKey)
		}
		if !n.ExpiresAt.Equal(w.clock().Add(48 * time.Hour)) {
			t.Errorf("the successor ends %s", n.ExpiresAt)
		}
		if r.OldKey.Status() != lifecycle.RotatingOut || w.refused(oldText) != "" || w.refused(*r.Secret()) != "" {
			t.Error("both keys must work within the grace")
		}
		w.pass(time.Hour)
		if w.refused(oldText) != "api_keys.grace_ended" || w.refused(*r.Secret()) != "" {
			t.Error("after the grace the new key alone must work")
		}
		_, err = w.Rotate(ctx, keys.RotateInput{ID: old.ID})
		if e := userError[*keys.AlreadyRotatedError](t, err); e.ReplacedBy.ID != n.ID {
			t.Errorf("%+v", e)
		}
	})
}

func TestLifeOfTheSuccessor(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		day := start.Add(24 * time.Hour)
		key := func() (*keys.View, string) { return w.issue(ctx, keys.CreateInput{ExpiresAt: &day}) }

		k, _ := key()
		longer, err := w.Rotate(ctx, keys.RotateInput{ID: k.ID, ExpiresIn: period("P6M")})
		must(t, err)
		if !longer.NewKey.ExpiresAt.Equal(latest) {
			t.Errorf("ends %s", longer.NewKey.ExpiresAt)
		}
		k, text := key()
		_, err = w.RotateViewer(w.as(text), keys.RotateViewerInput{ExpiresIn: period("P1DT0.000001S")})
		if e := userError[*keys.ExpiryOutOfRangeError](t, err); !e.Maximum.Equal(day) {
			t.Errorf("by itself at most as long as before, not %s", e.Maximum)
		}
		_, err = w.RotateViewer(w.as(text), keys.RotateViewerInput{ExpiresIn: period("P1D")})
		must(t, err)

		k, _ = key()
		_, err = w.Update(ctx, keys.UpdateInput{ID: k.ID, ExpiresAt: omit(new(start.Add(time.Hour)))})
		must(t, err)
		r, err := w.Rotate(ctx, keys.RotateInput{ID: k.ID, GracePeriod: period("P7D")})
		must(t, err)
		if s, _ := r.OldKey.State(start.Add(time.Hour)); s.Status != lifecycle.Expired || *s.EndsBecause != lifecycle.EndLifetime {
			t.Errorf("a grace must not lengthen a life: %+v", s)
		}
		if !r.NewKey.ExpiresAt.Equal(start.Add(time.Hour)) {
			t.Errorf("as long as the life that is left to see: %s", r.NewKey.ExpiresAt)
		}
	})
}

func TestScopesOfTheSuccessorAreNarrowed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		for _, c := range []struct {
			asked, got, refused []string
		}{
			{nil, []string{"a:*", "b"}, nil},
			{[]string{}, []string{}, nil},
			{[]string{"a:c", "b"}, []string{"a:c", "b"}, nil},
			{[]string{"a:*", "b:c", "a", "*"}, nil, []string{"*", "a", "b:c"}},
		} {
			k, _ := w.issue(ctx, keys.CreateInput{Scopes: []string{"a:*", "b"}})
			r, err := w.Rotate(ctx, keys.RotateInput{ID: k.ID, Scopes: c.asked})
			if c.refused != nil {
				if e := userError[*keys.ScopeError](t, err); !slices.Equal(e.Scopes, c.refused) {
					t.Errorf("refused %v, want %v", e.Scopes, c.refused)
				}
				continue
			}
			must(t, err)
			if !slices.Equal(r.NewKey.Scopes, c.got) {
				t.Errorf("%v", r.NewKey.Scopes)
			}
			found := w.list(ctx, keys.Search{Filter: &keys.Filter{Scopes: &keys.ScopeFilter{All: c.got}}}, 100)
			if !slices.Contains(found, r.NewKey.ID) {
				t.Error("not found by its scopes")
			}
		}
	})
}

func TestASuccessorThatEndedUnusedIsReplaced(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		for _, used := range []bool{false, true} {
			old, _ := w.issue(ctx, keys.CreateInput{})
			first, err := w.Rotate(ctx, keys.RotateInput{ID: old.ID, GracePeriod: period("P1D")})
			must(t, err)
			if used {
				w.as(*first.Secret())
			}
			_, err = w.Revoke(ctx, keys.RevokeInput{ID: first.NewKey.ID})
			must(t, err)
			second, err := w.Rotate(ctx, keys.RotateInput{ID: old.ID, GracePeriod: period("P2D")})
			if used {
				userError[*keys.AlreadyRotatedError](t, err)
				continue
			}
			must(t, err)
			if second.NewKey.Generation != 3 || *second.NewKey.ReplacesID != old.ID || !second.GraceExpiresAt.Equal(w.clock().Add(24*time.Hour)) {
				t.Errorf("generation %d, grace ends %s", second.NewKey.Generation, second.GraceExpiresAt)
			}
		}
	})
}

func TestDeadKeysAreNotRotated(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		k, _ := w.issue(ctx, keys.CreateInput{ExpiresIn: period("PT1M")})
		w.pass(time.Minute)
		_, err := w.Rotate(ctx, keys.RotateInput{ID: k.ID})
		if e := userError[*keys.KeyNotLiveError](t, err); e.Status != lifecycle.Expired || !e.Since.Equal(w.clock()) {
			t.Errorf("%+v", e)
		}
	})
}

func TestRevocation(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		k, text := w.issue(ctx, keys.CreateInput{})
		r, err := w.Rotate(ctx, keys.RotateInput{ID: k.ID})
		must(t, err)
		revoked, err := w.Revoke(ctx, keys.RevokeInput{ID: k.ID, Reason: new(lifecycle.Superseded), Note: new("moved")})
		must(t, err)
		w.pass(time.Minute)
		again, err := w.Revoke(ctx, keys.RevokeInput{ID: k.ID, Reason: new(lifecycle.CessationOfOperation)})
		must(t, err)
		if !again.RevokedAt.Equal(start) || again.Revocation().Reason != lifecycle.Superseded || *revoked.Revocation().Note != "moved" {
			t.Errorf("%+v", again.Revocation())
		}
		if w.refused(text) != "api_keys.revoked" || w.refused(*r.Secret()) != "" {
			t.Error("the successor must live on")
		}
		_, err = w.Revoke(ctx, keys.RevokeInput{ID: k.ID, Reason: new(lifecycle.KeyCompromise)})
		must(t, err)
		if w.refused(*r.Secret()) != "api_keys.revoked" {
			t.Error("the successor of a compromised key lives")
		}
	})
}

package keys_test

import (
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

// A replica whose clock is behind, or that began before and waited, finds what was done to a key done.
func TestAClockThatIsBehindTakesNothingBack(t *testing.T) {
	const behind = 5 * time.Second
	none := "PT0S"
	for name, c := range map[string]struct {
		do   func(w *world, id string) error
		code string
	}{
		"revoked": {func(w *world, id string) error {
			_, err := w.Revoke(w.as(w.admin), keys.RevokeInput{ID: id})
			return err
		}, "api_keys.revoked"},
		"suspended": {func(w *world, id string) error {
			_, err := w.Suspend(w.as(w.admin), keys.SuspendInput{ID: id})
			return err
		}, "api_keys.suspended"},
		"rotated": {func(w *world, id string) error {
			_, err := w.Rotate(w.as(w.admin), keys.RotateInput{ID: id, GracePeriod: period(none)})
			return err
		}, ""}, // it may still ask for the reply of its rotation
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				w := newWorld(t, s)
				made, text := w.issue(w.as(w.admin), keys.CreateInput{})
				w.as(text)
				w.pass(time.Minute)
				must(t, c.do(w, made.ID))
				w.pass(-behind)
				if code := w.refused(text); code != c.code {
					t.Errorf("the key is answered %q", code)
				}
				verified, err := w.Verify(w.as(w.admin), keys.VerifyInput{Secret: text})
				if must(t, err); verified.Valid() {
					t.Error("the key is verified")
				}
				_, err = w.Rotate(w.as(w.admin), keys.RotateInput{ID: made.ID, GracePeriod: period(none)})
				if userErrors, _ := fault.Split(err); len(userErrors) == 0 {
					t.Errorf("rotating it answers %v", err)
				}
			})
		})
	}
}

// Nor does what changes the key besides, or one of its family.
func TestAClockThatIsBehindTakesNothingBackByTheWay(t *testing.T) {
	for name, change := range map[string]func(w *world, successor string) error{
		"policy": func(w *world, _ string) error {
			_, err := w.directory.UpdatePolicy(w.as(w.admin), directory.UpdatePolicyInput{MaxExpirationPeriod: graphql.OmittableOf(period("P30D"))})
			return err
		},
		"description of the family": func(w *world, successor string) error {
			description := "another"
			_, err := w.Update(w.as(w.admin), keys.UpdateInput{ID: successor, Description: graphql.OmittableOf(&description)})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				w := newWorld(t, s)
				made, text := w.issue(w.as(w.admin), keys.CreateInput{})
				w.as(text)
				rotation, err := w.Rotate(w.as(w.admin), keys.RotateInput{ID: made.ID, GracePeriod: period("P1D")})
				must(t, err)
				w.pass(time.Minute)
				_, err = w.Revoke(w.as(w.admin), keys.RevokeInput{ID: made.ID})
				must(t, err)
				w.pass(-5 * time.Second)
				must(t, change(w, rotation.NewKey.ID))
				if code := w.refused(text); code != "api_keys.revoked" {
					t.Errorf("the key is answered %q", code)
				}
			})
		})
	}
}

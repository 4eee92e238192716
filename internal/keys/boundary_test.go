package keys_test

import (
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/store"
)

const tick = time.Microsecond

// 31 August and six months is the last of February.
var latest = time.Date(2027, 2, 28, 10, 0, 0, 0, time.UTC)

func TestExpiryWindow(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		for _, c := range []struct {
			name string
			end  time.Time
			ok   bool
		}{
			{"a microsecond too early", start.Add(time.Minute - tick), false},
			{"59.999 s", start.Add(59_999 * time.Millisecond), false},
			{"the minimum", start.Add(time.Minute), true},
			{"the maximum", latest, true},
			{"a microsecond too late", latest.Add(tick), false},
		} {
			issued, err := w.Create(ctx, keys.CreateInput{ProjectID: w.project, Name: new(unique()), ExpiresAt: &c.end})
			if c.ok {
				must(t, err)
				if !issued.APIKey.ExpiresAt.Equal(c.end) {
					t.Errorf("%s: ends %s", c.name, issued.APIKey.ExpiresAt)
				}
				continue
			}
			e := userError[*keys.ExpiryOutOfRangeError](t, err)
			if !e.Minimum.Equal(start.Add(time.Minute)) || !e.Maximum.Equal(latest) || e.Fields[0] != "expiresAt" {
				t.Errorf("%s: %+v", c.name, e)
			}
		}
		for text, ok := range map[string]bool{"PT59.999999S": false, "PT1M": true, "p6m": true, "P6MT0.000001S": false} {
			_, err := w.Create(ctx, keys.CreateInput{ProjectID: w.project, Name: new(unique()), ExpiresIn: period(text)})
			if ok {
				must(t, err)
			} else if e := userError[*keys.ExpiryOutOfRangeError](t, err); e.Fields[0] != "expiresIn" {
				t.Errorf("%s: %v", text, e.Fields)
			}
		}
		key, _ := w.issue(ctx, keys.CreateInput{})
		if !key.ExpiresAt.Equal(latest) || !key.InactivityExpiresAt.Equal(time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)) {
			t.Errorf("default ends: %s, %s", key.ExpiresAt, key.InactivityExpiresAt)
		}
	})
}

func TestExpiryIsOnlyBroughtForward(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		end := start.Add(time.Hour)
		key, _ := w.issue(ctx, keys.CreateInput{ExpiresAt: &end})
		set := func(at time.Time) (*keys.View, error) {
			return w.Update(ctx, keys.UpdateInput{ID: key.ID, ExpiresAt: graphql.OmittableOf(&at)})
		}
		_, err := set(end.Add(tick))
		userError[*keys.ExpiryOutOfRangeError](t, err)
		_, err = set(start.Add(time.Minute - tick))
		userError[*keys.ExpiryOutOfRangeError](t, err)
		_, err = w.Update(ctx, keys.UpdateInput{ID: key.ID, ExpiresAt: graphql.OmittableOf[*time.Time](nil)})
		userError[*fault.InputError](t, err)
		sooner, err := set(start.Add(time.Minute))
		must(t, err)
		if !sooner.ExpiresAt.Equal(start.Add(time.Minute)) {
			t.Errorf("ends %s", sooner.ExpiresAt)
		}
		_, err = set(end)
		userError[*keys.ExpiryOutOfRangeError](t, err)
	})
}

func TestDeadExactlyAtTheEnd(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		end := start.Add(time.Hour)
		_, byLifetime := w.issue(ctx, keys.CreateInput{ExpiresAt: &end})
		_, byDisuse := w.issue(ctx, keys.CreateInput{})
		rotated, byGrace := w.issue(ctx, keys.CreateInput{})
		_, err := w.Rotate(ctx, keys.RotateInput{ID: rotated.ID, GracePeriod: period("PT30M")})
		must(t, err)
		for _, c := range []struct {
			text, code string
			end        time.Time
		}{
			{byGrace, "api_keys.grace_ended", start.Add(30 * time.Minute)},
			{byLifetime, "api_keys.expired", end},
			{byDisuse, "api_keys.inactive", time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)},
		} {
			w.at(c.end.Add(-tick))
			probe := w.clock()
			if c.text != byDisuse { // using it would move this one's end
				if code := w.refused(c.text); code != "" {
					t.Errorf("%s one tick before its end", code)
				}
			}
			w.at(c.end)
			_, err := w.Authenticate(t.Context(), c.text, keys.Use{})
			refused, ok := err.(*fault.Error)
			if !ok || refused.Code != c.code || refused.At == nil || !refused.At.Equal(c.end) {
				t.Errorf("at its end %s (from %s): %+v", c.end, probe, err)
			}
		}
	})
}

func TestUseMovesAtMostOnceAMinute(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, text := w.issue(w.as(w.admin), keys.CreateInput{})
		used := func() time.Time { return *w.ViewerKey(w.as(text)).LastUsedAt }
		first := start.Add(time.Second)
		for _, c := range []struct{ at, want time.Time }{
			{first, first},
			{first.Add(30 * time.Second), first},
			{first.Add(time.Minute - tick), first},
			{first.Add(time.Minute), first.Add(time.Minute)},
			{first, first.Add(time.Minute)}, // a clock behind moves nothing back
		} {
			w.at(c.at)
			if got := used(); !got.Equal(c.want) {
				t.Errorf("used at %s: last use %s, want %s", c.at, got, c.want)
			}
		}
		key := w.ViewerKey(w.as(text))
		if want := lifecycle.MustPeriod("P3M").From(*key.LastUsedAt); !key.InactivityExpiresAt.Equal(want) {
			t.Errorf("inactivity end %s, want %s", key.InactivityExpiresAt, want)
		}
	})
}

func TestGraceBounds(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := w.as(w.admin)
		for text, ok := range map[string]bool{"PT0S": true, "P7D": true, "P7DT0.000001S": false} {
			key, _ := w.issue(ctx, keys.CreateInput{})
			rotated, err := w.Rotate(ctx, keys.RotateInput{ID: key.ID, GracePeriod: period(text)})
			if !ok {
				if e := userError[*keys.GraceOutOfRangeError](t, err); e.Maximum.String() != "P7D" {
					t.Errorf("maximum %s", e.Maximum)
				}
				continue
			}
			must(t, err)
			if want := period(text).From(start); !rotated.OldKey.GraceExpiresAt.Equal(want) {
				t.Errorf("grace ends %s, want %s", rotated.OldKey.GraceExpiresAt, want)
			}
		}
		key, _ := w.issue(ctx, keys.CreateInput{})
		rotated, err := w.Rotate(ctx, keys.RotateInput{ID: key.ID})
		must(t, err)
		if !rotated.GraceExpiresAt.Equal(start.Add(time.Hour)) {
			t.Errorf("default grace ends %s", rotated.GraceExpiresAt)
		}
	})
}

func TestSuspendedKeys(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		key, text := w.issue(w.as(w.admin), keys.CreateInput{})
		must(t, w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
			return tx.APIKey.UpdateOneID(key.ID).SetSuspendedAt(start).Exec(ctx)
		}))
		if code := w.refused(text); code != "api_keys.suspended" {
			t.Errorf("code %q", code)
		}
		_, err := w.Rotate(w.as(w.admin), keys.RotateInput{ID: key.ID})
		if e := userError[*keys.KeyNotLiveError](t, err); e.Status != lifecycle.Suspended || !e.Since.Equal(start) {
			t.Errorf("%+v", e)
		}
	})
}

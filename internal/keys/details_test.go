package keys_test

import (
	"testing"
	"time"

	"github.com/keytag/keytag/internal/keys"
)

func TestDetails(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		disuse := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
		check := func(name, id string, at time.Time, kind keys.DetailsKind, instant time.Time) {
			t.Helper()
			row, err := w.store.Client.APIKey.Get(w.system(), id)
			must(t, err)
			s := w.clock()
			w.at(at)
			view, err := w.Key(w.freshAdmin(), row.ID)
			must(t, err)
			d, err := view.Details(nil)
			must(t, err)
			w.at(s)
			if d.Kind != kind || !d.At.Equal(instant) {
				t.Errorf("%s at %s: %s %s (%s)", name, at, d.Kind, d.At, d.Message)
			}
		}
		make := func(end time.Time) string {
			key, _ := w.issue(admin, keys.CreateInput{ExpiresAt: &end})
			return key.ID
		}
		// The three cases, at their boundary: a tick later, equal, a tick earlier than disuse.
		later, equal, earlier := make(disuse.Add(tick)), make(disuse), make(disuse.Add(-tick))
		check("later", later, start, keys.ExpiresIfNotUsed, disuse)
		check("equal", equal, start, keys.ExpiresAt, disuse)
		check("earlier", earlier, start, keys.ExpiresAt, disuse.Add(-tick))
		check("later", later, disuse.Add(-tick), keys.ExpiresIfNotUsed, disuse)
		check("later", later, disuse, keys.ExpiredByInactivity, disuse)
		check("equal", equal, disuse, keys.ExpiredAt, disuse)
		check("earlier", earlier, disuse.Add(-tick), keys.ExpiredAt, disuse.Add(-tick))

		rotated := make(latest)
		r, err := w.Rotate(admin, keys.RotateInput{ID: rotated})
		must(t, err)
		check("in grace", rotated, start, keys.InGrace, *r.GraceExpiresAt)
		check("grace over", rotated, *r.GraceExpiresAt, keys.GraceEnded, *r.GraceExpiresAt)
		suspended := make(latest)
		_, err = w.Suspend(admin, keys.SuspendInput{ID: suspended})
		must(t, err)
		check("suspended", suspended, start, keys.DetailsSuspended, start)
		revoked := make(latest)
		_, err = w.Revoke(admin, keys.RevokeInput{ID: revoked})
		must(t, err)
		check("revoked", revoked, start, keys.DetailsRevoked, start)
	})
}

// Wall-clock times around the hours that a daylight change skips or repeats.
func TestLocalTimes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for zone, cases := range map[string]map[string]string{
			"Europe/Amsterdam": {
				"2026-10-25T00:30:00Z": "2026-10-25T02:30:00+02:00", "2026-10-25T01:30:00Z": "2026-10-25T02:30:00+01:00",
			},
			"Australia/Lord_Howe": { // half an hour
				"2026-10-03T15:29:59Z": "2026-10-04T01:59:59+10:30", "2026-10-03T15:30:00Z": "2026-10-04T02:30:00+11:00",
			},
			"Asia/Kathmandu": {"2026-10-03T15:30:00Z": "2026-10-03T21:15:00+05:45"},
		} {
			for instant, local := range cases {
				end, err := time.Parse(time.RFC3339, instant)
				must(t, err)
				key, _ := w.issue(w.as(w.admin), keys.CreateInput{ExpiresAt: &end})
				d, err := key.Details(&zone)
				must(t, err)
				if *d.LocalTime != local || !d.At.Equal(end) {
					t.Errorf("%s in %s: %s, want %s", instant, zone, *d.LocalTime, local)
				}
			}
		}
	})
}

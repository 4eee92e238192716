package lifecycle_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/keytag/keytag/internal/lifecycle"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(minutes int) *time.Time {
	t := noon.Add(time.Duration(minutes) * time.Minute)
	return &t
}

func TestEvaluateAtTheBoundaries(t *testing.T) {
	const us = time.Microsecond
	type want struct {
		status  lifecycle.Status
		because lifecycle.EndReason
		end     *time.Time
		next    *time.Time
	}
	forever := lifecycle.Instants{CreatedAt: noon}
	life := lifecycle.Instants{CreatedAt: noon, ExpiresAt: at(60)}
	idle := lifecycle.Instants{CreatedAt: noon, ExpiresAt: at(60), InactivityExpiresAt: at(30)}
	allAtOnce := lifecycle.Instants{CreatedAt: noon, ExpiresAt: at(60), InactivityExpiresAt: at(60), GraceExpiresAt: at(60), RotatedAt: at(10), RevokedAt: at(60)}
	idleAndGrace := lifecycle.Instants{CreatedAt: noon, ExpiresAt: at(90), InactivityExpiresAt: at(60), GraceExpiresAt: at(60), RotatedAt: at(10)}
	graceAndRevoked := lifecycle.Instants{CreatedAt: noon, ExpiresAt: at(90), GraceExpiresAt: at(60), RotatedAt: at(10), RevokedAt: at(60)}
	rotated := lifecycle.Instants{CreatedAt: noon, ExpiresAt: at(90), RotatedAt: at(10), GraceExpiresAt: at(70)}
	zeroGrace := lifecycle.Instants{CreatedAt: noon, ExpiresAt: at(90), RotatedAt: at(10), GraceExpiresAt: at(10)}
	revoked := lifecycle.Instants{CreatedAt: noon, ExpiresAt: at(60), RevokedAt: at(20)}
	revokedTooLate := lifecycle.Instants{CreatedAt: noon, ExpiresAt: at(60), RevokedAt: at(61)}
	suspendedThenRotated := lifecycle.Instants{CreatedAt: noon, ExpiresAt: at(90), SuspendedAt: at(5), RotatedAt: at(10), GraceExpiresAt: at(70)}
	rotatedThenSuspended := lifecycle.Instants{CreatedAt: noon, ExpiresAt: at(90), SuspendedAt: at(20), RotatedAt: at(10), GraceExpiresAt: at(70)}

	for name, c := range map[string]struct {
		key  lifecycle.Instants
		at   time.Time
		want want
	}{
		"never ends":                      {forever, noon, want{lifecycle.Active, "", nil, nil}},
		"1 µs before its end":             {life, at(60).Add(-us), want{lifecycle.Active, lifecycle.EndLifetime, at(60), at(60)}},
		"dead exactly at its end":         {life, *at(60), want{lifecycle.Expired, lifecycle.EndLifetime, at(60), nil}},
		"dead after its end":              {life, at(60).Add(us), want{lifecycle.Expired, lifecycle.EndLifetime, at(60), nil}},
		"in another zone":                 {life, at(60).In(time.FixedZone("", 7200)), want{lifecycle.Expired, lifecycle.EndLifetime, at(60), nil}},
		"1 µs before inactivity":          {idle, at(30).Add(-us), want{lifecycle.Active, lifecycle.EndNotAccessed, at(30), at(30)}},
		"inactive":                        {idle, *at(30), want{lifecycle.Expired, lifecycle.EndNotAccessed, at(30), nil}},
		"inactive past its lifetime":      {idle, *at(99), want{lifecycle.Expired, lifecycle.EndNotAccessed, at(30), nil}},
		"lifetime is named first":         {allAtOnce, *at(60), want{lifecycle.Revoked, lifecycle.EndLifetime, at(60), nil}},
		"inactivity before grace":         {idleAndGrace, *at(60), want{lifecycle.Expired, lifecycle.EndNotAccessed, at(60), nil}},
		"grace before revocation":         {graceAndRevoked, *at(60), want{lifecycle.Revoked, lifecycle.EndRotationGrace, at(60), nil}},
		"1 µs before rotation":            {rotated, at(10).Add(-us), want{lifecycle.Active, lifecycle.EndRotationGrace, at(70), at(10)}},
		"grace begins":                    {rotated, *at(10), want{lifecycle.RotatingOut, lifecycle.EndRotationGrace, at(70), at(70)}},
		"1 µs before grace ends":          {rotated, at(70).Add(-us), want{lifecycle.RotatingOut, lifecycle.EndRotationGrace, at(70), at(70)}},
		"grace over":                      {rotated, *at(70), want{lifecycle.Expired, lifecycle.EndRotationGrace, at(70), nil}},
		"no grace":                        {zeroGrace, *at(10), want{lifecycle.Expired, lifecycle.EndRotationGrace, at(10), nil}},
		"before rotation without grace":   {zeroGrace, noon, want{lifecycle.Active, lifecycle.EndRotationGrace, at(10), at(10)}},
		"1 µs before revocation":          {revoked, at(20).Add(-us), want{lifecycle.Active, lifecycle.EndRevoked, at(20), at(20)}},
		"revoked":                         {revoked, *at(20), want{lifecycle.Revoked, lifecycle.EndRevoked, at(20), nil}},
		"revoked stays so past its end":   {revoked, *at(60), want{lifecycle.Revoked, lifecycle.EndRevoked, at(20), nil}},
		"revoked after it had expired":    {revokedTooLate, *at(61), want{lifecycle.Expired, lifecycle.EndLifetime, at(60), nil}},
		"1 µs before suspension":          {suspendedThenRotated, at(5).Add(-us), want{lifecycle.Active, lifecycle.EndRotationGrace, at(70), at(5)}},
		"suspended":                       {suspendedThenRotated, *at(5), want{lifecycle.Suspended, lifecycle.EndRotationGrace, at(70), at(70)}},
		"rotated while suspended":         {suspendedThenRotated, *at(10), want{lifecycle.Suspended, lifecycle.EndRotationGrace, at(70), at(70)}},
		"suspended in grace":              {rotatedThenSuspended, *at(20), want{lifecycle.Suspended, lifecycle.EndRotationGrace, at(70), at(70)}},
		"in grace, soon suspended":        {rotatedThenSuspended, *at(10), want{lifecycle.RotatingOut, lifecycle.EndRotationGrace, at(70), at(20)}},
		"the clocks run when suspended":   {suspendedThenRotated, *at(70), want{lifecycle.Expired, lifecycle.EndRotationGrace, at(70), nil}},
		"rotated without an end of grace": {lifecycle.Instants{CreatedAt: noon, RotatedAt: at(0)}, noon, want{lifecycle.Active, "", nil, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			got := lifecycle.Evaluate(c.key, c.at)
			if !got.At.Equal(c.at) {
				t.Errorf("At = %v, want %v", got.At, c.at)
			}
			if got.Status != c.want.status || got.EndsBecause != c.want.because {
				t.Errorf("got %s because %q, want %s because %q", got.Status, got.EndsBecause, c.want.status, c.want.because)
			}
			if !same(got.EffectiveExpiresAt, c.want.end) {
				t.Errorf("EffectiveExpiresAt = %v, want %v", got.EffectiveExpiresAt, c.want.end)
			}
			if !same(got.NextChangeAt, c.want.next) {
				t.Errorf("NextChangeAt = %v, want %v", got.NextChangeAt, c.want.next)
			}
		})
	}
}

func same(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

func TestStatusPredicates(t *testing.T) {
	for status, want := range map[lifecycle.Status]struct{ live, ended bool }{
		lifecycle.Pending:     {false, false},
		lifecycle.Active:      {true, false},
		lifecycle.RotatingOut: {true, false},
		lifecycle.Suspended:   {false, false},
		lifecycle.Expired:     {false, true},
		lifecycle.Revoked:     {false, true},
	} {
		if status.Live() != want.live || status.Ended() != want.ended {
			t.Errorf("%s: Live %v, Ended %v", status, status.Live(), status.Ended())
		}
	}
}

func TestInstantIsUTCAndTruncatesDown(t *testing.T) {
	given := time.Date(2026, 3, 1, 14, 0, 0, 1_999, time.FixedZone("", 7200))
	want := time.Date(2026, 3, 1, 12, 0, 0, 1_000, time.UTC)
	if got := lifecycle.Instant(given); got != want {
		t.Errorf("Instant(%v) = %v, want %v", given, got, want)
	}
	if got := lifecycle.Instant(time.Unix(-1, 999_999_999)); got != time.Unix(-1, 999_999_000).UTC() {
		t.Errorf("an instant before 1970 went to %v", got)
	}
}

// The model works on minutes and follows the wording of the rule rather than
// the shape of Evaluate: it lists, filters and takes the smallest.

type model struct{ expires, inactivity, grace, suspended, rotated, revoked int } // -1: not set

func (m model) status(t int) lifecycle.Status {
	naturalEnd := -1
	for _, end := range []int{m.expires, m.inactivity, m.grace} {
		if end >= 0 && (naturalEnd < 0 || end < naturalEnd) {
			naturalEnd = end
		}
	}
	endedNaturallyFirst := naturalEnd >= 0 && (m.revoked < 0 || naturalEnd < m.revoked)
	switch {
	case m.revoked >= 0 && t >= m.revoked && !endedNaturallyFirst:
		return lifecycle.Revoked
	case endedNaturallyFirst && t >= naturalEnd:
		return lifecycle.Expired
	case m.suspended >= 0 && t >= m.suspended:
		return lifecycle.Suspended
	case m.rotated >= 0 && t >= m.rotated && m.grace > t:
		return lifecycle.RotatingOut
	}
	return lifecycle.Active
}

func (m model) end() (int, lifecycle.EndReason) {
	end, because := -1, lifecycle.EndReason("")
	for _, c := range []struct {
		at  int
		why lifecycle.EndReason
	}{
		{m.expires, lifecycle.EndLifetime},
		{m.inactivity, lifecycle.EndNotAccessed},
		{m.grace, lifecycle.EndRotationGrace},
		{m.revoked, lifecycle.EndRevoked},
	} {
		if c.at >= 0 && (end < 0 || c.at < end) {
			end, because = c.at, c.why
		}
	}
	return end, because
}

func (m model) next(t, horizon int) int {
	for later := t + 1; later <= horizon; later++ {
		if m.status(later) != m.status(t) {
			return later
		}
	}
	return -1
}

func (m model) instants() lifecycle.Instants {
	set := func(minute int) *time.Time {
		if minute < 0 {
			return nil
		}
		return at(minute)
	}
	return lifecycle.Instants{
		CreatedAt: noon, ExpiresAt: set(m.expires), InactivityExpiresAt: set(m.inactivity), GraceExpiresAt: set(m.grace),
		SuspendedAt: set(m.suspended), RotatedAt: set(m.rotated), RevokedAt: set(m.revoked),
	}
}

func TestEvaluateAgreesWithTheModel(t *testing.T) {
	const horizon = 8 // small, so that instants often coincide
	rapid.Check(t, func(t *rapid.T) {
		minute := rapid.IntRange(-1, horizon)
		m := model{
			minute.Draw(t, "expires"), minute.Draw(t, "inactivity"), minute.Draw(t, "grace"),
			minute.Draw(t, "suspended"), minute.Draw(t, "rotated"), minute.Draw(t, "revoked"),
		}
		now := rapid.IntRange(0, horizon).Draw(t, "now")
		got := lifecycle.Evaluate(m.instants(), *at(now))

		end, because := m.end()
		if got.Status != m.status(now) || got.EndsBecause != because {
			t.Fatalf("got %s because %q, want %s because %q", got.Status, got.EndsBecause, m.status(now), because)
		}
		for what, pair := range map[string]struct {
			got  *time.Time
			want int
		}{
			"EffectiveExpiresAt": {got.EffectiveExpiresAt, end},
			"NextChangeAt":       {got.NextChangeAt, m.next(now, horizon)},
		} {
			if (pair.got == nil) != (pair.want < 0) || pair.got != nil && !pair.got.Equal(*at(pair.want)) {
				t.Fatalf("%s = %v, want minute %d", what, pair.got, pair.want)
			}
		}
	})
}

var full = lifecycle.Instants{
	CreatedAt: noon, ExpiresAt: at(90), InactivityExpiresAt: at(80), GraceExpiresAt: at(70),
	SuspendedAt: at(60), RotatedAt: at(10), RevokedAt: at(75),
}

func TestEvaluateDoesNotAllocate(t *testing.T) {
	for minute := range 100 {
		now := *at(minute)
		if n := testing.AllocsPerRun(100, func() { lifecycle.Evaluate(full, now) }); n != 0 {
			t.Fatalf("%v allocations at minute %d", n, minute)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	now := *at(20)
	b.ReportAllocs()
	for b.Loop() {
		lifecycle.Evaluate(full, now)
	}
}

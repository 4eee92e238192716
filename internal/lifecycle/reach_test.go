package lifecycle_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/lifecycle"
)

// What Reach says of Back holds at every instant around the two it answers, at every end of a month.
func TestReachBoundsBack(t *testing.T) {
	var periods []lifecycle.Period
	for _, text := range []string{"PT0S", "PT1H", "P1D", "P30D", "P1M", "P2M", "P1Y", "P1M30D", "P11M2DT3H", "P1Y6M", "P6M1WT0.5S"} {
		periods = append(periods, lifecycle.MustPeriod(text))
	}
	day := time.Date(2023, 12, 25, 0, 0, 0, 0, time.UTC)
	for range 1500 {
		day = day.AddDate(0, 0, 1)
		for _, p := range periods {
			at := day.Add(time.Duration(rand.Int64N(int64(24 * time.Hour)))).Truncate(time.Microsecond)
			first, last := p.Reach(at)
			for _, d := range []time.Duration{0, time.Microsecond, time.Hour, 23 * time.Hour, 24 * time.Hour, 49 * time.Hour, 73 * time.Hour, 97 * time.Hour} {
				if end := first.Add(-d); p.Back(end).After(at) {
					t.Fatalf("%s back from %s is after %s, though first is %s", p, end, at, first)
				}
				if end := last.Add(d + time.Microsecond); !p.Back(end).After(at) {
					t.Fatalf("%s back from %s is not after %s, though last is %s", p, end, at, last)
				}
			}
			if last.Sub(first) > 72*time.Hour {
				t.Fatalf("%s at %s: %s and %s lie far apart", p, at, first, last)
			}
		}
	}
}

package lifecycle_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/keytag/keytag/internal/lifecycle"
)

func TestParsePeriodRenders(t *testing.T) {
	for text, want := range map[string]string{
		"p6m": "P6M", "P1Y": "P1Y", "P12M": "P12M", "P2W": "P2W", "p30d": "P30D",
		"PT1H": "PT1H", "pt90m": "PT90M", "P1Y2M3W4DT5H6M7S": "P1Y2M3W4DT5H6M7S",
		"P1M": "P1M", "PT1M": "PT1M", "P1MT1M": "P1MT1M",
		"P0Y6M": "P6M", "P1DT0S": "P1D", "P007D": "P7D",
		"PT0.5S": "PT0.5S", "PT1.500000S": "PT1.5S", "PT0.000001S": "PT0.000001S", "PT3.0S": "PT3S",
		"PT0S": "PT0S", "P0D": "PT0S", "p0yt0h": "PT0S",
		"P10Y": "P10Y", "P120M": "P120M", "P9Y12M": "P9Y12M", "P3653D": "P3653D", "PT315619200S": "PT315619200S",
	} {
		p, err := lifecycle.ParsePeriod(text)
		if err != nil || p.String() != want {
			t.Errorf("ParsePeriod(%q) = %v, %v, want %s", text, p, err, want)
		}
		if p.IsZero() != (want == "PT0S") {
			t.Errorf("%q: IsZero %v", text, p.IsZero())
		}
	}
}

func TestParsePeriodRefuses(t *testing.T) {
	for _, text := range []string{
		"", "P", "p", "PT", "P1YT", "1Y", "6M", "P6", "PY", "P1", "PT1", "P1H", "PT1D", "PT1Y", "PT1W", "P1S",
		"P6MT", "P1M1Y", "P1D1W", "P1D1D", "PT1S1M", "PT1M1M", "PTT1S", "P1TT1S", "PT1HT1M",
		"P-1D", "-P1D", "+P1D", "P+1D", " P1D", "P1D ", "P 1D", "P1D\n", "P1D\x00", "P١D",
		"P0.5Y", "P1.5D", "PT1.5M", "PT0.5H", "PT.5S", "PT1.S", "PT0.0000001S", "PT1,5S", "PT1.5", "PT1.-5S", "PT1.5.5S",
		"P11Y", "P121M", "P522W", "P3654D", "PT315619201S", "P10YT0.000001S", "P10Y1D", "P9Y13M", "P5Y61M",
		"P99999999999999999999Y", "P4294967297D", "PT18446744073709551617S", "P2147483648D",
		"PT1ſ", "PT1.5ſ", "P1Ɐ",
	} {
		if p, err := lifecycle.ParsePeriod(text); !errors.Is(err, lifecycle.ErrPeriod) || !p.IsZero() {
			t.Errorf("ParsePeriod(%q) = %v, %v, want a refusal", text, p, err)
		}
	}
}

func TestPeriodArithmetic(t *testing.T) {
	for _, c := range []struct{ period, from, to string }{
		{"p6m", "2025-08-31T12:00:00Z", "2026-02-28T12:00:00Z"},
		{"P6M", "2023-08-31T00:00:00Z", "2024-02-29T00:00:00Z"},
		{"P1M", "2024-01-31T00:00:00Z", "2024-02-29T00:00:00Z"},
		{"P1M", "2026-01-30T00:00:00Z", "2026-02-28T00:00:00Z"},
		{"P1M", "2025-12-31T00:00:00Z", "2026-01-31T00:00:00Z"},
		{"P1Y", "2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z"},
		{"P4Y", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"P10Y", "2096-02-29T00:00:00Z", "2106-02-28T00:00:00Z"}, // 2100 is no leap year
		{"P18M", "2025-10-31T00:00:00Z", "2027-04-30T00:00:00Z"},
		{"P1MT1S", "2026-01-31T23:59:59Z", "2026-03-01T00:00:00Z"},
		{"P1M1D", "2026-01-31T00:00:00Z", "2026-03-01T00:00:00Z"}, // clamped first, then the day
		{"P2W3D", "2026-02-20T00:00:00Z", "2026-03-09T00:00:00Z"},
		{"P1D", "2026-03-28T12:00:00+01:00", "2026-03-29T11:00:00Z"}, // UTC days, whatever the zone
		{"PT36H", "2026-12-31T00:00:00Z", "2027-01-01T12:00:00Z"},
		{"PT0.000001S", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z"},
		{"PT0S", "2026-01-31T00:00:00.000001Z", "2026-01-31T00:00:00.000001Z"},
	} {
		got := lifecycle.MustPeriod(c.period).From(instant(t, c.from))
		if got != instant(t, c.to).UTC() {
			t.Errorf("%s from %s = %s, want %s", c.period, c.from, got.Format(time.RFC3339Nano), c.to)
		}
	}
	for _, c := range []struct{ period, from, to string }{
		{"P6M", "2026-08-31T12:00:00Z", "2026-02-28T12:00:00Z"},
		{"P1M", "2024-03-31T00:00:00Z", "2024-02-29T00:00:00Z"},
		{"P1Y", "2024-02-29T00:00:00Z", "2023-02-28T00:00:00Z"},
		{"P2M", "2026-01-31T00:00:00Z", "2025-11-30T00:00:00Z"},
		{"P1M1D", "2026-03-31T00:00:00Z", "2026-02-27T00:00:00Z"},
		{"P1DT1.5S", "2026-03-01T00:00:00Z", "2026-02-27T23:59:58.5Z"},
	} {
		got := lifecycle.MustPeriod(c.period).Back(instant(t, c.from))
		if got != instant(t, c.to).UTC() {
			t.Errorf("%s back from %s = %s, want %s", c.period, c.from, got.Format(time.RFC3339Nano), c.to)
		}
	}
}

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// Whatever the day, months lead to the month counted to, on the same day or on
// its last.
func TestMonthsNeverOverflow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := time.Unix(rapid.Int64Range(0, 4_102_444_800).Draw(t, "from"), 0).UTC()
		years, months := rapid.IntRange(0, 4).Draw(t, "years"), rapid.IntRange(0, 70).Draw(t, "months")
		p, err := lifecycle.ParsePeriod(fmt.Sprintf("P%dY%dM", years, months))
		if err != nil {
			t.Fatal(err)
		}
		for sign, to := range map[int]time.Time{1: p.From(from), -1: p.Back(from)} {
			counted := from.Year()*12 + int(from.Month()) + sign*(years*12+months)
			if to.Year()*12+int(to.Month()) != counted {
				t.Fatalf("%v and %s led to %v", from, p, to)
			}
			if to.Day() != from.Day() && (to.Day() > from.Day() || to.AddDate(0, 0, 1).Day() != 1) {
				t.Fatalf("%v and %s led to day %d", from, p, to.Day())
			}
			if to.Truncate(24*time.Hour).Add(from.Sub(from.Truncate(24*time.Hour))) != to {
				t.Fatalf("%v and %s changed the time of day: %v", from, p, to)
			}
		}
	})
}

func TestPeriodAsJSON(t *testing.T) {
	type input struct{ Grace lifecycle.Period }
	var got input
	if err := json.Unmarshal([]byte(`{"Grace":"p1dt12h"}`), &got); err != nil {
		t.Fatal(err)
	}
	if got.Grace != lifecycle.MustPeriod("P1DT12H") {
		t.Errorf("read %v", got.Grace)
	}
	if text, err := json.Marshal(got); err != nil || string(text) != `{"Grace":"P1DT12H"}` {
		t.Errorf("wrote %s, %v", text, err)
	}
	if err := json.Unmarshal([]byte(`{"Grace":"12h"}`), &got); !errors.Is(err, lifecycle.ErrPeriod) {
		t.Errorf("malformed: %v", err)
	}
	if got.Grace != lifecycle.MustPeriod("P1DT12H") {
		t.Errorf("a refused text changed the period to %v", got.Grace)
	}
}

func TestMustPeriodPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	lifecycle.MustPeriod("P1H")
}

func FuzzParsePeriod(f *testing.F) {
	for _, seed := range []string{"P1Y2M3W4DT5H6M7.000008S", "p6m", "PT0S", "P0D", "P10Y", "PT", "P9999999999D", "PT1.5S", "PT1ſ"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := lifecycle.ParsePeriod(text)
		if err != nil {
			if p != (lifecycle.Period{}) {
				t.Fatalf("%q refused, yet answered %v", text, p)
			}
			return
		}
		again, err := lifecycle.ParsePeriod(p.String())
		if err != nil || again != p || again.String() != p.String() {
			t.Fatalf("%q → %s → %s, %v", text, p, again, err)
		}
		tenYears := time.Duration(3653*24) * time.Hour
		for _, moved := range []time.Duration{p.From(noon).Sub(noon), noon.Sub(p.Back(noon))} {
			// Ends of ten years and the clamp differ by a few days with the start.
			if moved < 0 || moved > tenYears+4*24*time.Hour || (moved == 0) != p.IsZero() {
				t.Fatalf("%q moves by %v", text, moved)
			}
		}
	})
}

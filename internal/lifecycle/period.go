package lifecycle

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrPeriod refuses a text that ParsePeriod does not accept.
var ErrPeriod = errors.New("must be an ISO 8601 duration such as PT1H, P30D or P6M, positive and at most P10Y")

// Period is an ISO 8601 duration in calendar units, kept as written: P12M and
// P1Y are different values of equal effect. The zero value is PT0S.
type Period struct {
	years, months, weeks, days      int32
	hours, minutes, seconds, micros int32
}

// units lists the designators in their only order. Each limit is ten years in
// that unit (3653 days, the most that ten years have), so that no sum of
// components can overflow.
var units = [...]struct {
	designator byte
	inTime     bool
	limit      int32
	component  func(*Period) *int32
}{
	{'Y', false, 10, func(p *Period) *int32 { return &p.years }},
	{'M', false, 120, func(p *Period) *int32 { return &p.months }},
	{'W', false, 521, func(p *Period) *int32 { return &p.weeks }},
	{'D', false, 3653, func(p *Period) *int32 { return &p.days }},
	{'H', true, 3653 * 24, func(p *Period) *int32 { return &p.hours }},
	{'M', true, 3653 * 24 * 60, func(p *Period) *int32 { return &p.minutes }},
	{'S', true, 3653 * 24 * 60 * 60, func(p *Period) *int32 { return &p.seconds }},
}

// ParsePeriod reads P[nY][nM][nW][nD][T[nH][nM][nS]] in upper or lower case,
// without signs, with at least one component and at least one after a T. Only
// seconds may have a fraction, of up to six digits. A zero period has to be
// written out (PT0S, P0D); who needs a positive one checks IsZero. The cap of
// ten years is measured from 2000-01-01. The only error is ErrPeriod.
func ParsePeriod(s string) (Period, error) {
	rest := strings.ToUpper(s)
	// ToUpper maps some letters outside ASCII to ASCII ones.
	if len(rest) != len(s) || !strings.HasPrefix(rest, "P") {
		return Period{}, ErrPeriod
	}
	rest = rest[1:]
	var p Period
	next, inTime, needsComponent := 0, false, true
	for rest != "" {
		if rest[0] == 'T' && !inTime {
			rest, inTime, needsComponent = rest[1:], true, true
			continue
		}
		n, digits := leadingDigits(rest)
		if digits == 0 || digits == len(rest) {
			return Period{}, ErrPeriod
		}
		rest = rest[digits:]
		if rest[0] == '.' {
			micros, length := fraction(rest[1:])
			if length == 0 || !inTime || !strings.HasPrefix(rest[1+length:], "S") {
				return Period{}, ErrPeriod
			}
			p.micros, rest = micros, rest[1+length:]
		}
		for next < len(units) && (units[next].designator != rest[0] || units[next].inTime != inTime) {
			next++
		}
		if next == len(units) || n > units[next].limit {
			return Period{}, ErrPeriod
		}
		*units[next].component(&p) = n
		next++
		rest, needsComponent = rest[1:], false
	}
	reference := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	if needsComponent || p.From(reference).After(Period{years: 10}.From(reference)) {
		return Period{}, ErrPeriod
	}
	return p, nil
}

// leadingDigits reads the number at the start of s and says how long it is. A
// number beyond every limit is answered as some number beyond every limit.
func leadingDigits(s string) (n int32, length int) {
	const beyond = 1_000_000_000 // ten times it would overflow, every limit is below
	for length < len(s) && '0' <= s[length] && s[length] <= '9' {
		if n < beyond/10 {
			n = n*10 + int32(s[length]-'0')
		} else {
			n = beyond
		}
		length++
	}
	return n, length
}

// fraction reads one to six digits as millionths; length 0 when there are none
// or more.
func fraction(s string) (micros int32, length int) {
	n, length := leadingDigits(s)
	if length > 6 {
		return 0, 0
	}
	for range 6 - length {
		n *= 10
	}
	return n, length
}

// MustPeriod is ParsePeriod for constants in code; it panics on a malformed
// one.
func MustPeriod(s string) Period {
	p, err := ParsePeriod(s)
	if err != nil {
		panic("lifecycle: period " + strconv.Quote(s) + " " + err.Error())
	}
	return p
}

// From is the instant one period after t, in UTC: years and months first, a day
// that the month does not have becoming its last, then weeks and days, then
// the time.
func (p Period) From(t time.Time) time.Time { return p.add(t, 1) }

// Back is the instant one period before t, by the same steps backwards. Because
// month ends clamp it is not the inverse of From.
func (p Period) Back(t time.Time) time.Time { return p.add(t, -1) }

// Reach says from when on Back leads to after t: never from first or earlier, always from later than
// last. The two differ, by three days, only with months and years, whose ends clamp.
func (p Period) Reach(t time.Time) (first, last time.Time) {
	months, rest := Period{years: p.years, months: p.months}, p
	rest.years, rest.months = 0, 0
	first = months.From(rest.From(t))
	if months.IsZero() {
		return first, first
	}
	return first, first.AddDate(0, 0, 3)
}

func (p Period) add(t time.Time, sign int) time.Time {
	t = t.UTC()
	year, month, day := t.Date()
	month += time.Month(sign * int(p.years*12+p.months))
	lastDay := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	day = min(day, lastDay) + sign*int(p.weeks*7+p.days)
	date := time.Date(year, month, 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	clock := time.Duration(p.hours)*time.Hour + time.Duration(p.minutes)*time.Minute +
		time.Duration(p.seconds)*time.Second + time.Duration(p.micros)*time.Microsecond
	return date.AddDate(0, 0, day-1).Add(time.Duration(sign) * clock)
}

// String is the ISO 8601 text in upper case, without zero components.
func (p Period) String() string {
	text, inTime := []byte{'P'}, false
	for _, unit := range units {
		n := *unit.component(&p)
		seconds := unit.designator == 'S'
		if n == 0 && !(seconds && (p.micros != 0 || len(text) == 1)) {
			continue
		}
		if unit.inTime && !inTime {
			text, inTime = append(text, 'T'), true
		}
		text = strconv.AppendInt(text, int64(n), 10)
		if seconds && p.micros != 0 {
			sixDigits := strconv.Itoa(1_000_000 + int(p.micros))[1:]
			text = append(append(text, '.'), strings.TrimRight(sixDigits, "0")...)
		}
		text = append(text, unit.designator)
	}
	return string(text)
}

// IsZero reports whether the period has no length.
func (p Period) IsZero() bool { return p == Period{} }

// MarshalText writes the period as String does.
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the period as ParsePeriod does.
func (p *Period) UnmarshalText(text []byte) error {
	parsed, err := ParsePeriod(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

// Value stores the period as String does.
func (p Period) Value() (driver.Value, error) { return p.String(), nil }

// Scan reads a stored period.
func (p *Period) Scan(stored any) error {
	text, ok := stored.(string)
	if !ok {
		return fmt.Errorf("lifecycle: a period is stored as text, not %T", stored)
	}
	return p.UnmarshalText([]byte(text))
}

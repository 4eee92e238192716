package keys

import (
	"time"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
)

// Policy bounds the life of keys.
type Policy struct {
	MaxExpiration lifecycle.Period
	// NotAccessed is how long an unused key lives.
	NotAccessed  lifecycle.Period
	DefaultGrace lifecycle.Period
	MaxGrace     lifecycle.Period
}

var builtIn = Policy{
	MaxExpiration: lifecycle.MustPeriod("P6M"),
	NotAccessed:   lifecycle.MustPeriod("P3M"),
	DefaultGrace:  lifecycle.MustPeriod("PT1H"),
	MaxGrace:      lifecycle.MustPeriod("P7D"),
}

// minLifetime is how far away, at least, the end of a key must lie when it is set.
const minLifetime = time.Minute

// expiry is what an input says about the end of a key: an instant, a length, or nothing.
type expiry struct {
	at *time.Time
	in *lifecycle.Period
}

// resolve answers the end to store: what the input says if it lies within [now + 1 minute,
// latest], both included, else an ExpiryOutOfRangeError; fallback when it says nothing.
func (e expiry) resolve(now, latest, fallback time.Time) (time.Time, fault.UserError) {
	var end time.Time
	field := "expiresAt"
	switch {
	case e.at != nil && e.in != nil:
		return end, fault.Invalid("give expiresAt or expiresIn, not both", "expiresAt", "expiresIn")
	case e.at != nil:
		end = lifecycle.Instant(*e.at)
	case e.in != nil:
		end, field = e.in.From(now), "expiresIn"
	default:
		return fallback, nil
	}
	if earliest := now.Add(minLifetime); end.Before(earliest) || end.After(latest) {
		return end, expiryOutOfRange(earliest, latest, field)
	}
	return end, nil
}

// grace answers when a key replaced at now ends, given the period asked for. It never lengthens
// the grace that the key already has.
func (p Policy) grace(now time.Time, asked *lifecycle.Period, running *time.Time) (time.Time, fault.UserError) {
	period := p.DefaultGrace
	if asked != nil {
		period = *asked
	}
	end := period.From(now)
	if end.After(p.MaxGrace.From(now)) {
		return end, graceOutOfRange(p.MaxGrace)
	}
	if running != nil && running.Before(end) {
		end = *running
	}
	return end, nil
}

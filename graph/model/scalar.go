package model

import (
	"io"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
)

// MarshalDateTime writes an instant as RFC 3339 in UTC, to the microsecond.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		var buffer [48]byte
		text := append(buffer[:0], '"')
		text = lifecycle.Instant(t).AppendFormat(text, time.RFC3339Nano)
		w.Write(append(text, '"'))
	})
}

// UnmarshalDateTime reads an RFC 3339 instant with any offset.
func UnmarshalDateTime(v any) (time.Time, error) {
	text, _ := v.(string)
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 1 || t.UTC().Year() > 9999 {
		return time.Time{}, fault.Invalid("must be an RFC 3339 instant such as 2026-12-31T23:59:59Z")
	}
	return lifecycle.Instant(t), nil
}

// MarshalDuration writes a period as ISO 8601 in upper case.
func MarshalDuration(p lifecycle.Period) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { io.WriteString(w, strconv.Quote(p.String())) })
}

// UnmarshalDuration reads an ISO 8601 duration, in upper or lower case.
func UnmarshalDuration(v any) (lifecycle.Period, error) {
	text, _ := v.(string)
	p, err := lifecycle.ParsePeriod(text)
	if err != nil {
		return p, fault.Invalid(err.Error())
	}
	return p, nil
}

package model

import (
	"bytes"
	"io"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
)

// into is where a response is written: in its own buffer what is written can be appended at once.
func into(w io.Writer, appendTo func([]byte) []byte) {
	if buffer, ok := w.(*bytes.Buffer); ok {
		buffer.Write(appendTo(buffer.AvailableBuffer()))
		return
	}
	w.Write(appendTo(nil))
}

// text is a string or an id in a response.
type text string

// MarshalString writes a string.
func MarshalString(s string) graphql.Marshaler { return text(s) }

// UnmarshalString reads a string.
func UnmarshalString(v any) (string, error) { return graphql.UnmarshalString(v) }

// MarshalID writes an id.
func MarshalID(id string) graphql.Marshaler { return text(id) }

// UnmarshalID reads an id.
func UnmarshalID(v any) (string, error) { return graphql.UnmarshalID(v) }

// MarshalGQL writes the string as JSON.
func (s text) MarshalGQL(w io.Writer) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			graphql.MarshalString(string(s)).MarshalGQL(w)
			return
		}
	}
	into(w, func(b []byte) []byte { return append(append(append(b, '"'), s...), '"') })
}

// instant is an instant in a response.
type instant time.Time

// MarshalDateTime writes an instant as RFC 3339 in UTC, to the microsecond.
func MarshalDateTime(t time.Time) graphql.Marshaler { return instant(t) }

// MarshalGQL writes the instant as JSON.
func (t instant) MarshalGQL(w io.Writer) {
	into(w, func(b []byte) []byte {
		return append(lifecycle.Instant(time.Time(t)).AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
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

// Package change describes what an operation changed, field by field, for the audit trail.
package change

import (
	"fmt"
	"strings"
	"time"
)

// Field is one changed field, rendered as text; nil is unset. It never holds a secret or digest. As
// JSON it is what storage holds.
type Field struct {
	Field  string  `json:"field"`
	Before *string `json:"before"`
	After  *string `json:"after"`
}

// Recorded is a field of a row that the audit trail follows.
type Recorded[Row any] struct {
	Name  string
	Value func(*Row) *string
}

// Between tells what differs between two states of a row; before is nil for a new one.
func Between[Row any](before, after *Row, recorded []Recorded[Row]) []Field {
	fields := []Field{}
	for _, r := range recorded {
		var b *string
		if before != nil {
			b = r.Value(before)
		}
		if a := r.Value(after); (b == nil) != (a == nil) || b != nil && *b != *a {
			fields = append(fields, Field{Field: r.Name, Before: b, After: a})
		}
	}
	return fields
}

// Text renders a value.
func Text[T any](value T) *string {
	text := fmt.Sprint(value)
	return &text
}

// Optional renders a value that may be unset.
func Optional[T any](value *T) *string {
	if value == nil {
		return nil
	}
	return Text(*value)
}

// Instant renders an instant as RFC 3339.
func Instant(t *time.Time) *string {
	if t == nil {
		return nil
	}
	text := t.Format(time.RFC3339Nano)
	return &text
}

// List renders values with spaces between them.
func List(values []string) *string {
	text := strings.Join(values, " ")
	return &text
}

package config

import (
	"fmt"
	"log/slog"
)

// Secret is a setting that is shown nowhere; Reveal gives it to the one that needs it.
type Secret string

const redacted = "[redacted]"

// Reveal is the value.
func (s Secret) Reveal() string { return string(s) }

// Format masks the value under every verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// String masks the value; an empty one is empty.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// LogValue masks like String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText masks like String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

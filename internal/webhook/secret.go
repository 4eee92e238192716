package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/keytag/keytag/internal/minted"
)

const (
	secretLead   = "whsec_"
	secretLength = 32 // Standard Webhooks: 24 to 64

	redacted = "[redacted]"
)

// ErrMalformedSecret refuses what is no signing secret. It never holds the text.
var ErrMalformedSecret = errors.New("malformed webhook signing secret")

// Secret is a signing secret of Standard Webhooks: 32 random bytes, written as "whsec_" and their
// base64. Under every fmt verb and encoder it shows as "[redacted]"; Reveal and Bytes are the only
// ways out. The zero value is no secret.
type Secret struct {
	_ [0]func() // not comparable: two values of one secret differ
	// fmt prints unexported fields of an enclosing struct by reflection without asking any method;
	// it does not follow a pointer there.
	key *string
}

// NewSecret makes a new secret.
func NewSecret() Secret {
	key := make([]byte, secretLength)
	rand.Read(key) // never fails: crypto/rand ends the program instead
	made := Secret{key: new(string(key))}
	minted.Note(made.Reveal())
	return made
}

// ParseSecret reads what Reveal wrote, and only that: no other alphabet, padding or white space.
func ParseSecret(text string) (Secret, error) {
	encoded, found := strings.CutPrefix(text, secretLead)
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !found || err != nil || base64.StdEncoding.EncodeToString(key) != encoded {
		return Secret{}, ErrMalformedSecret
	}
	return FromBytes(key)
}

// FromBytes reads what Bytes answered.
func FromBytes(key []byte) (Secret, error) {
	if len(key) != secretLength {
		return Secret{}, ErrMalformedSecret
	}
	return Secret{key: new(string(key))}, nil
}

// Reveal is the secret as its owner enters it in a verifier; empty for the zero value.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return secretLead + base64.StdEncoding.EncodeToString(s.Bytes())
}

// Bytes are the 32 bytes to keep encrypted; nil for the zero value.
func (s Secret) Bytes() []byte {
	if s.IsZero() {
		return nil
	}
	return []byte(*s.key)
}

// IsZero reports whether this is no secret.
func (s Secret) IsZero() bool { return s.key == nil }

// Format, String, LogValue, MarshalText (encoding/json and encoding/xml use it) and MarshalBinary
// (encoding/gob uses it) all show the same mark.

func (Secret) Format(f fmt.State, _ rune)     { _, _ = f.Write([]byte(redacted)) }
func (Secret) String() string                 { return redacted }
func (Secret) LogValue() slog.Value           { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error)   { return []byte(redacted), nil }
func (Secret) MarshalBinary() ([]byte, error) { return []byte(redacted), nil }

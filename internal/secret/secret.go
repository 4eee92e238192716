// Package secret mints and reads the text of API keys:
//
//	ktg_<public 10>_<secret 32><checksum 6>
//
// in base62 (0-9A-Za-z). The secret part holds 32 × log2(62) = 190.5 random
// bits. The checksum is the CRC-32 (IEEE) of everything before it, padded with
// zeros; it lets a mistyped key be refused without a look-up and proves
// nothing.
package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"

	"github.com/keytag/keytag/internal/minted"
)

const (
	lead     = "ktg_"
	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

	publicLength   = 10
	secretLength   = 32
	checksumLength = 6 // 62⁵ < 2³² < 62⁶

	prefixLength = len(lead) + publicLength
	bodyLength   = prefixLength + len("_") + secretLength
	textLength   = bodyLength + checksumLength

	redacted = "[redacted]"
)

// ErrMalformed refuses a text that is no key. It never holds the text.
var ErrMalformed = errors.New("malformed API key")

// Secret is the whole text of a key. Under every fmt verb and encoder it shows
// as "[redacted]"; Reveal is the only way out. The zero value is no key.
type Secret struct {
	_ [0]func() // not comparable: two values of one text differ; compare digests
	// fmt prints unexported fields of an enclosing struct, and operands of a
	// bad verb, by reflection without asking any method; it does not follow a
	// pointer there.
	text *string
}

// Mint makes a new key under a new public prefix.
func Mint() Secret { return MintWithPrefix(lead + randomText(publicLength)) }

// MintWithPrefix makes a new key under a prefix that Prefix once answered. It
// panics on any other text.
func MintWithPrefix(prefix string) Secret {
	if !IsPrefix(prefix) {
		panic("secret: malformed public prefix")
	}
	body := prefix + "_" + randomText(secretLength)
	sum := checksum(body)
	text := body + string(sum[:])
	minted.Note(text)
	return Secret{text: &text}
}

// Parse reads the text of a key, refusing with ErrMalformed what was not minted
// in this format.
func Parse(text string) (Secret, error) {
	if len(text) != textLength || !IsPrefix(text[:prefixLength]) ||
		text[prefixLength] != '_' || !isBase62(text[prefixLength+1:]) {
		return Secret{}, ErrMalformed
	}
	if sum := checksum(text[:bodyLength]); text[bodyLength:] != string(sum[:]) {
		return Secret{}, ErrMalformed
	}
	kept := text // &text would put every refused text on the heap too
	return Secret{text: &kept}, nil
}

// Reveal is the whole text, for the one reply or request that has to carry it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Prefix is the public part before the second underscore, e.g. ktg_4fQ9xT2aB1;
// empty for the zero value.
func (s Secret) Prefix() string {
	if s.text == nil {
		return ""
	}
	return (*s.text)[:prefixLength]
}

// Digest is the SHA-256 of the whole text, all that is ever stored of it.
func (s Secret) Digest() [sha256.Size]byte {
	var text [textLength]byte // on the stack, so that the secret is copied to no heap
	n := copy(text[:], s.Reveal())
	return sha256.Sum256(text[:n])
}

// IsZero reports whether this is no key.
func (s Secret) IsZero() bool { return s.text == nil }

// Pattern is a regular expression (RE2, and the common subset of other
// dialects) that finds this server's keys in any text.
func Pattern() string {
	return fmt.Sprintf(`\b%s[0-9A-Za-z]{%d}_[0-9A-Za-z]{%d}\b`,
		lead, publicLength, secretLength+checksumLength)
}

// In reports whether a text that is to be kept holds a key.
func In(text string) bool {
	for at := strings.Index(text, lead); at >= 0; {
		if len(text) >= at+textLength {
			if _, err := Parse(text[at : at+textLength]); err == nil {
				return true
			}
		}
		next := strings.Index(text[at+1:], lead)
		if next < 0 {
			return false
		}
		at += 1 + next
	}
	return false
}

// IsPrefix reports whether a text has the form of a public prefix.
func IsPrefix(prefix string) bool {
	return len(prefix) == prefixLength && strings.HasPrefix(prefix, lead) && isBase62(prefix[len(lead):])
}

func isBase62(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// checksum is the CRC-32 (IEEE) of body in base62. The loop stands here because
// hash/crc32 makes its argument escape, and refusing a bad key must not
// allocate.
func checksum(body string) (sum [checksumLength]byte) {
	crc := ^uint32(0)
	for i := range len(body) {
		crc = crc32.IEEETable[byte(crc)^body[i]] ^ crc>>8
	}
	crc = ^crc
	for i := checksumLength - 1; i >= 0; i-- {
		sum[i] = alphabet[crc%62]
		crc /= 62
	}
	return sum
}

// randomText draws n characters, each equally likely: bytes from 248 = 4 × 62
// on are thrown away.
func randomText(n int) string {
	text := make([]byte, 0, n)
	var random [48]byte
	for len(text) < n {
		rand.Read(random[:]) // never fails: crypto/rand ends the program instead
		for _, b := range random {
			if b < 248 && len(text) < n {
				text = append(text, alphabet[b%62])
			}
		}
	}
	return string(text)
}

// Format, String, LogValue, MarshalText (encoding/json and encoding/xml use
// it) and MarshalBinary (encoding/gob uses it) all show the same mark.

func (Secret) Format(f fmt.State, _ rune)     { _, _ = f.Write([]byte(redacted)) }
func (Secret) String() string                 { return redacted }
func (Secret) LogValue() slog.Value           { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error)   { return []byte(redacted), nil }
func (Secret) MarshalBinary() ([]byte, error) { return []byte(redacted), nil }

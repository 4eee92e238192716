// Package seal keeps what has to be kept and must not be read from the database: webhook secrets, and
// the secret of a successor until it is handed over. It also makes the claim tokens of rotations,
// which are stored nowhere.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/keytag/keytag/internal/minted"
)

// ErrKey says what KEYTAG_ENCRYPTION_KEY may be.
var ErrKey = errors.New("must be 32 bytes in base64, optionally with an id of [a-z0-9-] and a colon before them; several are separated by commas, and the first encrypts")

// ErrUnreadable means that a text was sealed under a key that is not there any more, for another
// purpose, or has been changed.
var ErrUnreadable = errors.New("seal: sealed under a key that this server does not have, or changed")

// Sealer encrypts under the first of its keys and reads what was sealed under any of them. It is safe
// for concurrent use.
type Sealer struct{ keys []key }

type key struct {
	id    string
	aead  cipher.AEAD
	claim []byte // for claim tokens
}

const keySize = 32

var validID = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Parse reads keys as KEYTAG_ENCRYPTION_KEY gives them; the empty text is no Sealer. The only error is
// ErrKey.
func Parse(text string) (*Sealer, error) {
	if text == "" {
		return nil, nil
	}
	var s Sealer
	seen := map[string]bool{}
	for _, part := range strings.Split(text, ",") {
		id, encoded, named := strings.Cut(strings.TrimSpace(part), ":")
		if !named {
			id, encoded = "", id
		}
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(raw) != keySize {
			return nil, ErrKey
		}
		if !named {
			sum := sha256.Sum256(raw)
			id = hex.EncodeToString(sum[:4])
		}
		if !validID.MatchString(id) || seen[id] {
			return nil, ErrKey
		}
		seen[id] = true
		k, err := newKey(id, raw)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, k)
	}
	return &s, nil
}

// newKey derives a key for each purpose (HKDF, RFC 5869), so that none serves two.
func newKey(id string, raw []byte) (key, error) {
	encryption, err := hkdf.Key(sha256.New, raw, nil, "keytag sealing", keySize)
	if err != nil {
		return key{}, err
	}
	claim, err := hkdf.Key(sha256.New, raw, nil, "keytag claim tokens", keySize)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(encryption)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return key{id, aead, claim}, err
}

// Seal encrypts with AES-256-GCM: `ID.base64url`. What is sealed for one purpose, such as the id of a
// row, cannot be opened for another.
func (s *Sealer) Seal(plain, purpose string) string {
	k := s.keys[0]
	return k.id + "." + base64.RawURLEncoding.EncodeToString(k.aead.Seal(nil, nil, []byte(plain), []byte(purpose)))
}

// Open is the reverse of Seal. The only error is ErrUnreadable.
func (s *Sealer) Open(sealed, purpose string) (string, error) {
	id, encoded, _ := strings.Cut(sealed, ".")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "", ErrUnreadable
	}
	for _, k := range s.keys {
		if k.id == id {
			plain, err := k.aead.Open(nil, nil, raw, []byte(purpose))
			if err != nil {
				return "", ErrUnreadable
			}
			return string(plain), nil
		}
	}
	return "", ErrUnreadable
}

const claimTokenPrefix = "kclaim_"

// ClaimToken is what the holder of a key claims an announced rotation with: an HMAC-SHA-256 of the
// rotation's id.
func (s *Sealer) ClaimToken(rotationID string) string {
	token := s.keys[0].claimToken(rotationID)
	minted.Note(token)
	return token
}

func (k key) claimToken(rotationID string) string {
	mac := hmac.New(sha256.New, k.claim)
	mac.Write([]byte(rotationID))
	return claimTokenPrefix + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// IsClaimToken reports whether token was made for the rotation under any of the keys.
func (s *Sealer) IsClaimToken(token, rotationID string) bool {
	fits := false
	for _, k := range s.keys {
		if hmac.Equal([]byte(token), []byte(k.claimToken(rotationID))) {
			fits = true
		}
	}
	return fits
}

// Format shows the ids of the keys alone, under every fmt verb.
func (s *Sealer) Format(f fmt.State, _ rune) {
	ids := make([]string, len(s.keys))
	for i, k := range s.keys {
		ids[i] = k.id
	}
	fmt.Fprintf(f, "seal(%s)", strings.Join(ids, ","))
}

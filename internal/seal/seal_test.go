package seal_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/keytag/keytag/internal/seal"
)

func encoded(b byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(b)), 32)))
}

func parse(t *testing.T, text string) *seal.Sealer {
	t.Helper()
	s, err := seal.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKeysCanBeChanged(t *testing.T) {
	before := parse(t, encoded('a'))
	sealed := before.Seal("the secret", "row 1")
	token := before.ClaimToken("rot_1")
	if strings.Contains(sealed, "secret") || sealed == before.Seal("the secret", "row 1") {
		t.Errorf("sealed as %s", sealed)
	}
	after := parse(t, "new:"+encoded('b')+", "+encoded('a'))
	if plain, err := after.Open(sealed, "row 1"); plain != "the secret" || err != nil {
		t.Errorf("%q, %v", plain, err)
	}
	if !strings.HasPrefix(after.Seal("x", "row 1"), "new.") {
		t.Error("the first key does not encrypt")
	}
	if !after.IsClaimToken(token, "rot_1") || after.IsClaimToken(token, "rot_2") || after.ClaimToken("rot_1") == token {
		t.Error("claim tokens")
	}
	gone := parse(t, "new:"+encoded('b'))
	if _, err := gone.Open(sealed, "row 1"); !errors.Is(err, seal.ErrUnreadable) {
		t.Errorf("without the old key: %v", err)
	}
	if gone.IsClaimToken(token, "rot_1") {
		t.Error("a token of a key that is gone")
	}
}

func TestNothingChangedOpens(t *testing.T) {
	s := parse(t, encoded('a'))
	sealed := s.Seal("the secret", "row 1")
	if _, err := s.Open(sealed, "row 2"); !errors.Is(err, seal.ErrUnreadable) {
		t.Errorf("for another purpose: %v", err)
	}
	for i := range len(sealed) {
		changed := []byte(sealed)
		changed[i] ^= 1
		if plain, err := s.Open(string(changed), "row 1"); err == nil && i != len(sealed)-1 { // the last character has bits that encode nothing
			t.Errorf("byte %d changed: %q", i, plain)
		}
	}
}

func TestBadKeys(t *testing.T) {
	for _, text := range []string{"x", encoded('a')[:40], "ID:" + encoded('a'), ":" + encoded('a'), encoded('a') + "," + encoded('a'), encoded('a') + ",", "a:b:" + encoded('a')} {
		if s, err := seal.Parse(text); !errors.Is(err, seal.ErrKey) || s != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if s, err := seal.Parse(""); s != nil || err != nil {
		t.Errorf("nothing: %v, %v", s, err)
	}
}

func TestNothingIsPrinted(t *testing.T) {
	s := parse(t, "k1:"+encoded('a'))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if text := fmt.Sprintf(verb, s); text != "seal(k1)" {
			t.Errorf("%s: %s", verb, text)
		}
	}
}

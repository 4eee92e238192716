package secret_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/keytag/keytag/internal/secret"
)

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func TestMintedKeysParse(t *testing.T) {
	pattern := regexp.MustCompile("^" + secret.Pattern() + "$")
	seen := map[string]bool{}
	for range 2000 {
		minted := secret.Mint()
		text := minted.Reveal()
		parsed, err := secret.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Reveal() != text || parsed.Digest() != minted.Digest() || parsed.IsZero() {
			t.Fatal("a parsed key differs from the minted one")
		}
		if minted.Digest() != sha256.Sum256([]byte(text)) {
			t.Fatal("the digest is not the SHA-256 of the text")
		}
		if public, _, _ := strings.Cut(text[4:], "_"); minted.Prefix() != "ktg_"+public || len(public) != 10 {
			t.Fatalf("prefix %s", minted.Prefix())
		}
		if !pattern.MatchString(text) {
			t.Fatal("the pattern does not match a minted key")
		}
		if seen[text] || seen[minted.Prefix()] {
			t.Fatal("minted twice")
		}
		seen[text], seen[minted.Prefix()] = true, true
	}
}

// The checksum, computed the other way: hash/crc32 and arbitrary precision.
func TestChecksumIsCRC32InBase62(t *testing.T) {
	for range 200 {
		text := secret.Mint().Reveal()
		body, sum := text[:len(text)-6], text[len(text)-6:]
		value := new(big.Int)
		for _, c := range sum {
			value.Mul(value, big.NewInt(62)).Add(value, big.NewInt(int64(strings.IndexRune(alphabet, c))))
		}
		if value.Uint64() != uint64(crc32.ChecksumIEEE([]byte(body))) {
			t.Fatal("the checksum is not the CRC-32 of what stands before it")
		}
	}
}

func TestSecretPartHoldsEnoughBits(t *testing.T) {
	text := secret.Mint().Reveal()
	_, rest, _ := strings.Cut(strings.TrimPrefix(text, "ktg_"), "_")
	if bits := float64(len(rest)-6) * math.Log2(62); bits < 190 {
		t.Errorf("%.1f random bits", bits)
	}
}

// Pearson's χ² over 62 characters; its 61 degrees of freedom exceed 150 about
// once in 10⁹ runs. Taking bytes modulo 62 would reach some 800.
func TestCharactersAreEquallyLikely(t *testing.T) {
	var counts [62]int
	const keys = 20_000
	for range keys {
		for _, c := range secret.Mint().Reveal()[15:47] {
			counts[strings.IndexRune(alphabet, c)]++
		}
	}
	expected, chi := float64(keys*32)/62, 0.0
	for _, n := range counts {
		chi += (float64(n) - expected) * (float64(n) - expected) / expected
	}
	if chi > 150 {
		t.Errorf("χ² = %.0f", chi)
	}
}

func TestMintWithPrefixKeepsThePublicPart(t *testing.T) {
	first := secret.Mint()
	second := secret.MintWithPrefix(first.Prefix())
	if second.Prefix() != first.Prefix() || second.Digest() == first.Digest() {
		t.Error("expected another key under the same prefix")
	}
	if _, err := secret.Parse(second.Reveal()); err != nil {
		t.Error(err)
	}
	for _, prefix := range []string{"", "ktg_", "ktg_123456789", "ktg_12345678901", "ktg_12345-7890", "abc_1234567890"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("minted under %q", prefix)
				}
			}()
			secret.MintWithPrefix(prefix)
		}()
	}
}

func TestAnyOneCharacterChangedIsRefused(t *testing.T) {
	text := secret.Mint().Reveal()
	for i := range len(text) {
		for c := range 256 {
			changed := text[:i] + string([]byte{byte(c)}) + text[i+1:]
			if _, err := secret.Parse(changed); changed != text && err != secret.ErrMalformed {
				t.Fatalf("accepted with byte %d changed to %q", i, byte(c))
			}
		}
	}
}

func TestAnyTwoNeighboursSwappedAreRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(secret.Mint().Reveal())
		i := rapid.IntRange(0, len(text)-2).Draw(t, "i")
		if text[i] == text[i+1] {
			return
		}
		text[i], text[i+1] = text[i+1], text[i]
		if _, err := secret.Parse(string(text)); err != secret.ErrMalformed {
			t.Fatal("accepted")
		}
	})
}

func TestParseRefusesOtherShapes(t *testing.T) {
	text := secret.Mint().Reveal()
	for _, other := range []string{
		"", "ktg_", text[1:], text[:len(text)-1], text + "0", " " + text, text + "\n",
		strings.ToUpper(text[:3]) + text[3:], strings.Replace(text, "_", "-", 2), strings.Repeat("_", len(text)),
		strings.Repeat("k", 1<<20),
	} {
		got, err := secret.Parse(other)
		if !errors.Is(err, secret.ErrMalformed) || !got.IsZero() {
			t.Errorf("accepted %.60q", other)
		}
	}
}

func TestPatternFindsKeysInText(t *testing.T) {
	pattern := regexp.MustCompile(secret.Pattern())
	text := secret.Mint().Reveal()
	for _, around := range []string{"%s", "Authorization: Bearer %s\r\n", `{"key":"%s"}`, "KEYTAG_TOKEN=%s;", "(%s)", "%s."} {
		if got := pattern.FindString(fmt.Sprintf(around, text)); got != text {
			t.Errorf("not found in %q", around)
		}
	}
	for _, not := range []string{"x" + text, text + "x", text[:len(text)-1], secret.Mint().Prefix()} {
		if pattern.MatchString(not) {
			t.Errorf("matches something that is no key")
		}
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	key := secret.Mint()
	text := key.Reveal()
	type holder struct {
		Open   secret.Secret
		hidden secret.Secret
	}
	held := holder{key, key}
	var shown []string

	const verbs = "vsqxXdboOcUeEfFgGtTpw"
	for _, verb := range verbs {
		for _, flags := range []string{"", "+", "#", "-", " ", "0", "60", ".3", "+#"} {
			format := "%" + flags + string(verb)
			printed := fmt.Sprintf(format, key)
			shown = append(shown, printed)
			if verb != 'T' && verb != 'p' && verb != 'w' && printed != "[redacted]" {
				t.Errorf("%s prints %s", format, printed)
			}
			for _, inside := range []any{&key, held, &held, []secret.Secret{key}, map[string]secret.Secret{"k": key}, []any{held}} {
				shown = append(shown, fmt.Sprintf(format, inside))
			}
		}
	}
	shown = append(shown, fmt.Sprint(key), fmt.Sprintln(held), key.String(), fmt.Errorf("with %w and %v", secret.ErrMalformed, key).Error())

	for name, encode := range map[string]func(any) ([]byte, error){
		"json": json.Marshal,
		"xml":  xml.Marshal,
		"gob": func(v any) ([]byte, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(v)
			return b.Bytes(), err
		},
		"slog text": func(v any) ([]byte, error) {
			var b bytes.Buffer
			slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", v)
			return b.Bytes(), nil
		},
		"slog json": func(v any) ([]byte, error) {
			var b bytes.Buffer
			slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", v, slog.Group("g", "v", v))
			return b.Bytes(), nil
		},
	} {
		for _, v := range []any{key, &key, held, &held} {
			out, err := encode(v)
			if err != nil || !bytes.Contains(out, []byte("[redacted]")) {
				t.Errorf("%s of %T: %q, %v", name, v, out, err)
			}
			shown = append(shown, string(out))
		}
	}

	// The secret part alone would be a leak too, and so would its bytes in
	// another notation.
	part := text[15:]
	for _, out := range shown {
		for _, leak := range []string{part, fmt.Sprintf("%x", part), fmt.Sprintf("%X", part), fmt.Sprintf("% x", part), strings.Trim(fmt.Sprint([]byte(part)), "[]")} {
			if strings.Contains(out, leak) {
				t.Fatalf("leaked: %s", strings.ReplaceAll(out, leak, "<secret>"))
			}
		}
	}
}

func TestZeroValueIsNoKey(t *testing.T) {
	var none secret.Secret
	if !none.IsZero() || none.Reveal() != "" || none.Prefix() != "" || fmt.Sprint(none) != "[redacted]" {
		t.Error("the zero value looks like a key")
	}
}

func TestRefusingDoesNotAllocate(t *testing.T) {
	text := secret.Mint().Reveal()
	badSum := text[:len(text)-1] + string(alphabet[(strings.IndexByte(alphabet, text[len(text)-1])+1)%62])
	for name, other := range map[string]string{"shape": "eyJhbGciOi", "characters": strings.Repeat("-", len(text)), "checksum": badSum} {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := secret.Parse(other); err == nil {
				t.Fatal("accepted")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	key := secret.Mint()
	if n := testing.AllocsPerRun(100, func() { key.Digest() }); n != 0 {
		t.Errorf("Digest: %v allocations", n)
	}
}

func BenchmarkParseAndDigest(b *testing.B) {
	text := secret.Mint().Reveal()
	b.ReportAllocs()
	for b.Loop() {
		key, err := secret.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		key.Digest()
	}
}

func FuzzParse(f *testing.F) {
	f.Add(secret.Mint().Reveal())
	f.Add("ktg_4fQ9xT2aB1_00000000000000000000000000000000000000")
	f.Add("")
	pattern := regexp.MustCompile("^(?:" + secret.Pattern() + ")$")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := secret.Parse(text)
		if err != nil {
			if err != secret.ErrMalformed || !key.IsZero() {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if key.Reveal() != text || !pattern.MatchString(text) || !strings.HasPrefix(text, key.Prefix()+"_") {
			t.Fatal("accepted what is no key")
		}
	})
}

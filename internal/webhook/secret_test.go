package webhook_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/keytag/keytag/internal/webhook"
)

func TestSecretsAreReadBack(t *testing.T) {
	seen := map[string]bool{}
	for range 500 {
		made := webhook.NewSecret()
		text, key := made.Reveal(), made.Bytes()
		if text != "whsec_"+base64.StdEncoding.EncodeToString(key) || len(key) != 32 || made.IsZero() {
			t.Fatalf("a secret of %d bytes", len(key))
		}
		parsed, err := webhook.ParseSecret(text)
		if err != nil || parsed.Reveal() != text {
			t.Fatal("the text is not read back")
		}
		stored, err := webhook.FromBytes(key)
		if err != nil || stored.Reveal() != text {
			t.Fatal("the bytes are not read back")
		}
		clear(key)
		if stored.Reveal() != text || made.Reveal() != text {
			t.Fatal("a secret changes with the bytes that it was read from")
		}
		if seen[text] {
			t.Fatal("made twice")
		}
		seen[text] = true
	}
}

func TestOtherTextsAreNoSecrets(t *testing.T) {
	text := webhook.NewSecret().Reveal()
	encode := base64.StdEncoding.EncodeToString
	for name, wrong := range map[string]string{
		"empty":           "",
		"lead alone":      "whsec_",
		"no lead":         strings.TrimPrefix(text, "whsec_"),
		"another lead":    "WHSEC_" + strings.TrimPrefix(text, "whsec_"),
		"white space":     text + "\n",
		"a line break":    text[:20] + "\r\n" + text[20:],
		"a leading space": " " + text,
		"no padding":      strings.TrimSuffix(text, "="),
		"URL alphabet":    "whsec_" + base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 32)),
		"31 bytes":        "whsec_" + encode(make([]byte, 31)),
		"33 bytes":        "whsec_" + encode(make([]byte, 33)),
		"loose end bits":  "whsec_" + strings.Repeat("A", 42) + "B=",
	} {
		if s, err := webhook.ParseSecret(wrong); !errors.Is(err, webhook.ErrMalformedSecret) || !s.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, n := range []int{0, 31, 33} {
		if _, err := webhook.FromBytes(make([]byte, n)); !errors.Is(err, webhook.ErrMalformedSecret) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if zero := (webhook.Secret{}); !zero.IsZero() || zero.Reveal() != "" || zero.Bytes() != nil {
		t.Error("the zero value is a secret")
	}
}

func TestSecretsAreShownNowhere(t *testing.T) {
	s := webhook.NewSecret()
	inside := struct {
		Open   webhook.Secret
		hidden webhook.Secret
		List   []webhook.Secret
		Map    map[string]*webhook.Secret
	}{s, s, []webhook.Secret{s}, map[string]*webhook.Secret{"a": &s}}
	var shown strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		for _, flags := range []string{"", "+", "#", "-", "0", " ", "60", ".3"} {
			fmt.Fprintf(&shown, "%"+flags+string(c), s)
			fmt.Fprintf(&shown, "%"+flags+string(c), &s)
			fmt.Fprintf(&shown, "%"+flags+string(c), inside)
			fmt.Fprintf(&shown, "%"+flags+string(c), &inside)
		}
	}
	fmt.Fprintln(&shown, s, inside, fmt.Errorf("failed: %v", s))
	if err := json.NewEncoder(&shown).Encode(inside); err != nil {
		t.Fatal(err)
	}
	if err := xml.NewEncoder(&shown).Encode(s); err != nil {
		t.Fatal(err)
	}
	if err := gob.NewEncoder(&shown).Encode(struct{ Open webhook.Secret }{s}); err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewTextHandler(&shown, nil)).Info("made", "secret", s, "inside", inside)
	slog.New(slog.NewJSONHandler(&shown, nil)).Info("made", "secret", s, "inside", inside)
	keepsSecret(t, shown.String(), s)
	if n := strings.Count(shown.String(), "[redacted]"); n < 1000 {
		t.Errorf("redacted %d times", n)
	}
}

func FuzzParseSecret(f *testing.F) {
	f.Add(webhook.NewSecret().Reveal())
	f.Add("whsec_" + strings.Repeat("A", 43) + "=")
	f.Add("whsec_" + strings.Repeat("A", 42) + "B=")
	f.Add("whsec_\n" + strings.Repeat("A", 43) + "=")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := webhook.ParseSecret(text)
		if err != nil {
			if !errors.Is(err, webhook.ErrMalformedSecret) || !s.IsZero() {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := webhook.FromBytes(s.Bytes())
		if err != nil || s.Reveal() != text || again.Reveal() != text || len(text) != len("whsec_")+44 {
			t.Errorf("%q was read as a secret", text)
		}
	})
}

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/seal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/webhook"
)

// put writes a file of evidence.
func put(t *testing.T, directory string, kind evidence.Kind, name, content string) string {
	t.Helper()
	path := filepath.Join(directory, string(kind), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// minted is one secret of each kind.
func minted(t *testing.T) map[string]string {
	t.Helper()
	sealer, err := seal.Parse(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32)))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"key": secret.Mint().Reveal(), "signer": webhook.NewSecret().Reveal(), "claim token": sealer.ClaimToken("rot_1")}
}

// A secret is found in every kind of evidence, in every encoding, wherever it stands.
func TestAPlantedSecretIsFound(t *testing.T) {
	for what, text := range minted(t) {
		lead, private, _ := strings.Cut(text, "_")
		if lead == "ktg" {
			private = private[strings.IndexByte(private, '_')+1:]
		}
		inJSON, _ := json.Marshal(text)
		planted := map[string]string{
			"itself": text, "private part": private, "JSON": string(inJSON), "JSON with escaped slashes": strings.ReplaceAll(text, "/", `\/`),
			"URL": url.QueryEscape(text), "hex": fmt.Sprintf("%x", text), "HEX": fmt.Sprintf("%X", text),
			"first half": private[:len(private)/2+12], "last half": private[len(private)/2-12:],
		}
		for before := range 3 {
			padded := strings.Repeat("p", before) + text + "after"
			planted[fmt.Sprint("base64, after ", before)] = base64.StdEncoding.EncodeToString([]byte(padded))
			planted[fmt.Sprint("base64url, after ", before)] = base64.RawURLEncoding.EncodeToString([]byte(padded))
		}
		if lead == "whsec" {
			raw, err := base64.StdEncoding.DecodeString(private)
			if err != nil {
				t.Fatal(err)
			}
			planted["bytes"], planted["bytes in hex"] = string(raw), hex.EncodeToString(raw)
		}
		for form, content := range planted {
			for _, before := range []int{0, 1<<20 - 20} { // the second is cut by the end of a round
				directory := t.TempDir()
				put(t, directory, evidence.Secrets, "some", secret.Mint().Reveal()+"\n"+text+"\n")
				put(t, directory, evidence.Logs, "innocent", "nothing to see")
				path := put(t, directory, evidence.Logs, "guilty", strings.Repeat("-", before)+content)
				r, err := search(directory)
				if err != nil {
					t.Fatal(err)
				}
				if len(r.hits) == 0 || r.hits[0].file != path || r.hits[0].offset < int64(before) || r.hits[0].offset > int64(before+len(content)) {
					t.Errorf("%s, %s, after %d bytes: %v", what, form, before, r.hits)
				}
				err = r.verdict()
				if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error()+r.String(), private[:width]) {
					t.Errorf("%s, %s: the verdict names no file, or the secret", what, form)
				}
			}
		}
	}
}

// What is public or stored by design is no leak, and tells that the search sees what is there.
func TestPrefixAndDigestAreNoLeak(t *testing.T) {
	directory := t.TempDir()
	inSQLite, inPostgres, nowhere := secret.Mint(), secret.Mint(), secret.Mint()
	put(t, directory, evidence.Secrets, "some", inSQLite.Reveal()+"\n"+inPostgres.Reveal()+"\n"+nowhere.Reveal()+"\n"+inSQLite.Reveal()+"\n")
	digest := inSQLite.Digest()
	put(t, directory, evidence.Databases, "sqlite", inSQLite.Prefix()+string(digest[:]))
	put(t, directory, evidence.Databases, "postgres", fmt.Sprintf(`(%s,"\\x%x")`, inPostgres.Prefix(), sha256.Sum256([]byte(inPostgres.Reveal()))))
	r, err := search(directory)
	if err != nil {
		t.Fatal(err)
	}
	if r.secrets != 3 || r.digests != 2 || len(r.hits) != 0 || r.kinds[evidence.Databases].files != 2 {
		t.Errorf("%+v", r)
	}
}

func TestAlmostNoEvidenceIsNoProof(t *testing.T) {
	enough := func() *report {
		r := &report{secrets: leastSecrets, digests: leastDigests, kinds: map[evidence.Kind]amount{}}
		for _, kind := range evidence.Searched {
			r.kinds[kind] = amount{1, 1}
		}
		return r
	}
	if err := enough().verdict(); err != nil {
		t.Fatal(err)
	}
	few, unseen := enough(), enough()
	few.secrets--
	unseen.digests--
	for _, r := range []*report{few, unseen} {
		if r.verdict() == nil {
			t.Errorf("enough: %v", r)
		}
	}
	for _, kind := range evidence.Searched {
		r := enough()
		r.kinds[kind] = amount{1, 0}
		if r.verdict() == nil {
			t.Errorf("enough without %s", kind)
		}
	}
}

func TestANoteThatIsNoSecretIsRefused(t *testing.T) {
	directory := t.TempDir()
	put(t, directory, evidence.Secrets, "some", "ktg_123\n")
	if _, err := search(directory); err == nil || strings.Contains(err.Error(), "123") {
		t.Errorf("%v", err)
	}
}

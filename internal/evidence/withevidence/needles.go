package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/keytag/keytag/internal/evidence"
)

// width is how many bytes stand for a longer text: three windows of it cover a secret, so that a piece of
// twice the width holds one wherever it was cut. Of 62 characters or more, so many are nowhere by chance.
const width = 16

type window [width]byte

// needles are what is searched for: windows of secrets in every encoding, and of the digests of keys.
type needles struct {
	secrets int
	of      map[window]number
	// filter has a bit set for each window, by its hash; most windows of a text meet none.
	filter []uint64
}

// number is that of a secret; digests have those below zero: -1 for secret 0.
type number int32

const filterBits = 26

func hash(at []byte) uint64 {
	low, high := binary.LittleEndian.Uint64(at), binary.LittleEndian.Uint64(at[8:])
	return ((low^high>>29)*0x9e3779b97f4a7c15 ^ high*0xc2b2ae3d27d4eb4f) >> (64 - filterBits)
}

// readNeedles reads the secrets that were noted.
func readNeedles(directory string) (*needles, error) {
	n := &needles{of: map[window]number{}, filter: make([]uint64, 1<<filterBits/64)}
	seen := map[string]bool{}
	files, err := filepath.Glob(filepath.Join(directory, string(evidence.Secrets), "*"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			if text := lines.Text(); !seen[text] {
				seen[text] = true
				if err := n.add(text); err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
			}
		}
		if err := lines.Err(); err != nil {
			return nil, err
		}
		_ = file.Close() // only read
	}
	return n, nil
}

// add takes a key, a secret that signs webhooks, or a claim token.
func (n *needles) add(text string) error {
	lead, private, _ := strings.Cut(text, "_")
	forms := []string{private}
	switch lead {
	case "ktg":
		_, private, _ = strings.Cut(private, "_") // what comes before is public
		forms = []string{private}
		digest := sha256.Sum256([]byte(text))
		n.insert(string(digest[:]), -1-number(n.secrets))
		n.insert(hex.EncodeToString(digest[:]), -1-number(n.secrets))
	case "whsec":
		forms = append(forms, decoded(base64.StdEncoding, private))
	case "kclaim":
		forms = append(forms, decoded(base64.RawURLEncoding, private))
	}
	for _, form := range forms {
		if len(form) < 2*width {
			return fmt.Errorf("a secret of %d bytes is too short, or of no kind that is known", len(form))
		}
		for _, text := range encodings(form) {
			n.insert(text, number(n.secrets))
		}
	}
	n.secrets++
	return nil
}

func decoded(encoding *base64.Encoding, text string) string {
	raw, _ := encoding.DecodeString(text) // too short a secret where it fails
	return string(raw)
}

// encodings are how a text may stand in another one.
func encodings(text string) []string {
	list := []string{
		text,
		hex.EncodeToString([]byte(text)),
		strings.ToUpper(hex.EncodeToString([]byte(text))),
		url.QueryEscape(text),
		strings.ReplaceAll(text, "/", `\/`), // in JSON
	}
	// Base64 differs by how many bytes stand before the text; what these and those after it have a part in is cut off.
	for before := range 3 {
		padded := append(make([]byte, before), text...)
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			list = append(list, encoding.EncodeToString(padded)[(before*8+5)/6:len(padded)*8/6])
		}
	}
	return list
}

// insert adds the windows that cover a text.
func (n *needles) insert(text string, secret number) {
	for at := 0; ; at += width {
		at = min(at, len(text)-width)
		w := window([]byte(text[at : at+width]))
		n.of[w] = secret
		h := hash(w[:])
		n.filter[h/64] |= 1 << (h % 64)
		if at == len(text)-width {
			return
		}
	}
}

// find tells where secrets and digests stand in what r gives.
func (n *needles) find(r io.Reader, found func(offset int64, secret number)) (size int64, err error) {
	buffer := make([]byte, 1<<20)
	kept := 0 // at the start of buffer, from the round before
	for {
		read, err := io.ReadFull(r, buffer[kept:])
		text := buffer[:kept+read]
		for at := 0; at+width <= len(text); at++ {
			h := hash(text[at:])
			if n.filter[h/64]&(1<<(h%64)) == 0 {
				continue
			}
			if secret, ok := n.of[window(text[at:])]; ok {
				found(size-int64(kept)+int64(at), secret)
			}
		}
		size += int64(read)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return size, nil
		}
		if err != nil {
			return size, err
		}
		kept = copy(buffer, text[len(text)-width+1:])
	}
}

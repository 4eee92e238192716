package telemetry

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strings"
)

// secretPattern matches the text of an API key, of a secret that signs
// webhooks, and of a claim token; the one group that takes part is what of it
// may be shown. Of the latter two, pieces are masked as well: a parser cuts
// them where it reads an operator.
var secretPattern = regexp.MustCompile(
	`(ktg_[0-9A-Za-z]{10}_)[0-9A-Za-z]{38}` +
		`|(whsec_)[0-9A-Za-z+/]{8,}=?` +
		`|(kclaim_)[0-9A-Za-z_-]{8,}`)

const redacted = "${1}${2}${3}[redacted]"

// Redact replaces every secret in s by its public lead and `[redacted]`; that
// of an API key is its prefix.
func Redact(s string) string {
	if !mayHoldSecret(s) {
		return s
	}
	return secretPattern.ReplaceAllString(s, redacted)
}

// redactor masks secrets in each record on its way to w. They consist of
// characters that no log format escapes, so they are found in the written bytes
// wherever they came from: message, attribute, group, error, nested struct.
type redactor struct{ w io.Writer }

// Write reports len(p) on success, since masking changes the length.
func (r redactor) Write(p []byte) (int, error) {
	masked := p
	if mayHoldSecretBytes(p) {
		masked = secretPattern.ReplaceAll(p, []byte(redacted))
	}
	if _, err := r.w.Write(masked); err != nil {
		return 0, err
	}
	return len(p), nil
}

// leads are what secretPattern begins with: whether one is there is seen much faster.
var leads = []string{"ktg_", "whsec_", "kclaim_"}

func mayHoldSecret(s string) bool {
	return slices.ContainsFunc(leads, func(lead string) bool { return strings.Contains(s, lead) })
}

func mayHoldSecretBytes(p []byte) bool {
	return slices.ContainsFunc(leads, func(lead string) bool { return bytes.Contains(p, []byte(lead)) })
}

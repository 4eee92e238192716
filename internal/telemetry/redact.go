package telemetry

import (
	"io"
	"regexp"
)

// keyPattern matches the text of an API key; the first group is its public
// prefix.
var keyPattern = regexp.MustCompile(`(ktg_[0-9A-Za-z]{10})_[0-9A-Za-z]{38}`)

const redacted = "${1}_[redacted]"

// Redact replaces every API key in s by its public prefix and `_[redacted]`.
func Redact(s string) string {
	return keyPattern.ReplaceAllString(s, redacted)
}

// redactor masks API keys in each record on its way to w. A key consists of
// characters that no log format escapes, so it is found in the written bytes
// wherever it came from: message, attribute, group, error, nested struct.
type redactor struct{ w io.Writer }

// Write reports len(p) on success, since masking changes the length.
func (r redactor) Write(p []byte) (int, error) {
	if _, err := r.w.Write(keyPattern.ReplaceAll(p, []byte(redacted))); err != nil {
		return 0, err
	}
	return len(p), nil
}

package config

import (
	"log/slog"
	"net/url"
	"regexp"
	"strings"
)

// DatabaseURL is the address of the database, which may hold a password. It
// prints and encodes with the password masked; Reveal gives all of it.
type DatabaseURL string

// Reveal is the whole address, for the one that opens the database.
func (u DatabaseURL) Reveal() string { return string(u) }

var urlScheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]{0,19}$`)

// scheme is the part before `://`, or empty when that is not a URL scheme
// (RFC 3986, lower case).
func (u DatabaseURL) scheme() string {
	scheme, _, found := strings.Cut(string(u), "://")
	if !found || !urlScheme.MatchString(scheme) {
		return ""
	}
	return scheme
}

// String masks the password in the user part and in every parameter of a
// PostgreSQL address, and all of an address that cannot be understood.
func (u DatabaseURL) String() string {
	switch scheme := u.scheme(); scheme {
	case "sqlite":
		return string(u)
	case "postgres", "postgresql":
		parsed, err := url.Parse(string(u))
		if err != nil {
			return scheme + "://[redacted]"
		}
		parameters := parsed.Query()
		for name := range parameters {
			if strings.Contains(strings.ToLower(name), "password") {
				parameters.Set(name, "xxxxx")
			}
		}
		parsed.RawQuery = parameters.Encode()
		return parsed.Redacted()
	}
	return "[redacted]"
}

// GoString masks like String.
func (u DatabaseURL) GoString() string { return `config.DatabaseURL("` + u.String() + `")` }

// LogValue masks like String.
func (u DatabaseURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText masks like String.
func (u DatabaseURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"

	"github.com/keytag/keytag/internal/mail"
	"github.com/keytag/keytag/internal/seal"
)

var rules = newRules()

func newRules() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(field reflect.StructField) string { return field.Tag.Get("env") })
	for tag, rule := range map[string]func(string) bool{
		"database_url":   isDatabaseURL,
		"listen":         isListen,
		"public_url":     isPublicURL,
		"origins":        func(text string) bool { _, err := parseOrigins(text); return err == nil },
		"networks":       func(text string) bool { _, err := parseNetworks(text); return err == nil },
		"encryption_key": func(text string) bool { _, err := seal.Parse(text); return err == nil },
	} {
		if err := v.RegisterValidation(tag, func(fl validator.FieldLevel) bool { return rule(fl.Field().String()) }); err != nil {
			panic(err) // only for an empty tag or a nil function
		}
	}
	return v
}

// check gives one error for every setting with a value that is not allowed.
func check(config any) []error {
	var (
		problems []error
		wrong    validator.ValidationErrors
	)
	if errors.As(rules.Struct(config), &wrong) {
		for _, w := range wrong {
			problems = append(problems, fmt.Errorf("%s: must be %s, got %s", w.Field(), allowed(w), given(w.Value())))
		}
	}
	return problems
}

func allowed(wrong validator.FieldError) string {
	switch wrong.Tag() {
	case "database_url":
		return "sqlite://PATH or postgres://USER@HOST/NAME"
	case "listen":
		return "host:port (an empty host means every address)"
	case "origins":
		return "origins such as https://app.example.com, without a path, separated by commas"
	case "min", "max":
		return "between 0 and 1000000"
	case "networks":
		return "CIDR blocks such as 10.0.0.0/8, separated by commas"
	case "encryption_key":
		return strings.TrimPrefix(seal.ErrKey.Error(), "must be ")
	case "public_url":
		return "an http:// or https:// address without user, query or fragment"
	}
	return "one of " + strings.Join(strings.Fields(wrong.Param()), ", ")
}

var userInfo = regexp.MustCompile(`//[^/]*@`)

// given shows a wrong value. Of a database address only the scheme is shown:
// where the password stands in an address that is not understood, nobody knows.
func given(value any) string {
	if _, ok := value.(Secret); ok {
		return "something else"
	}
	address, ok := value.(DatabaseURL)
	if !ok {
		return strconv.Quote(shorten(userInfo.ReplaceAllString(fmt.Sprint(value), "//[redacted]@")))
	}
	if scheme := address.scheme(); scheme != "" {
		return fmt.Sprintf("a %s:// address that does not fit", scheme)
	}
	return "something else"
}

func shorten(text string) string {
	const limit = 80
	if len(text) <= limit {
		return text
	}
	cut := limit
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

func isDatabaseURL(text string) bool {
	if path, ok := strings.CutPrefix(text, "sqlite://"); ok {
		return path != ""
	}
	parsed, err := url.Parse(text)
	return err == nil && (parsed.Scheme == "postgres" || parsed.Scheme == "postgresql")
}

// isListen accepts port 0, which lets the system choose.
func isListen(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil || strings.ContainsAny(host, " /@") {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

func isPublicURL(text string) bool {
	parsed, err := url.Parse(text)
	return err == nil && (parsed.Scheme == "http" || parsed.Scheme == "https") && parsed.Hostname() != "" &&
		parsed.User == nil && parsed.RawQuery == "" && !parsed.ForceQuery && parsed.Fragment == ""
}

// Mail is what sends e-mail, nil when that is not configured.
func (c Config) Mail() (*mail.Sender, error) {
	switch {
	case c.SMTPURL == "" && c.SMTPFrom == "":
		return nil, nil
	case c.SMTPURL == "":
		return nil, errors.New("KEYTAG_SMTP_URL: must be set when KEYTAG_SMTP_FROM is")
	case c.SMTPFrom == "":
		return nil, errors.New("KEYTAG_SMTP_FROM: must be set when KEYTAG_SMTP_URL is")
	}
	return mail.New(c.SMTPURL.Reveal(), c.SMTPFrom)
}

// Origins are those whose pages may ask from a browser.
func (c Config) Origins() []string {
	origins, _ := parseOrigins(c.CORSOrigins) // valid once Load has returned it
	return origins
}

// parseOrigins reads origins as browsers write them (RFC 6454 §6.2): in lower case, without a port that
// is that of the scheme.
func parseOrigins(text string) ([]string, error) {
	var origins []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		parsed, err := url.Parse(part)
		if err != nil {
			return nil, err
		}
		origin := parsed.Scheme + "://" + parsed.Host
		standard := map[string]string{"http": "80", "https": "443"}[parsed.Scheme]
		if standard == "" || parsed.Port() == standard || parsed.Hostname() == "" ||
			origin != part || origin != strings.ToLower(origin) || strings.Contains(origin, "*") {
			return nil, fmt.Errorf("no origin: %s", part)
		}
		origins = append(origins, origin)
	}
	return origins, nil
}

// Proxies are the blocks of addresses whose X-Forwarded-For is believed.
func (c Config) Proxies() []netip.Prefix {
	blocks, _ := parseNetworks(c.TrustedProxies) // valid once Load has returned it
	return blocks
}

func parseNetworks(text string) ([]netip.Prefix, error) {
	var blocks []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		block, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, block)
	}
	return blocks, nil
}

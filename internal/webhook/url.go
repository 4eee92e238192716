package webhook

import (
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/keytag/keytag/internal/secret"
)

const longestURL = 2000 // bytes

var (
	printable = regexp.MustCompile(`^[!-~]*$`)
	hostName  = regexp.MustCompile(`^([0-9A-Za-z_-]{1,63}\.)*[0-9A-Za-z_-]{1,63}\.?$`)
)

// CheckURL reports why a URL can be no receiver; the text says what is allowed and holds nothing of
// the URL. It looks nothing up: where a name leads is judged when it is dialled. With allowPrivate
// plain http and every host are allowed.
func CheckURL(text string, allowPrivate bool) error {
	form := errors.New("expected an absolute https URL of at most 2000 printable ASCII bytes, without user, password and fragment")
	if allowPrivate {
		form = errors.New("expected an absolute https or http URL of at most 2000 printable ASCII bytes, without user, password and fragment")
	}
	if len(text) > longestURL || !printable.MatchString(text) {
		return form
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && (u.Scheme != "http" || !allowPrivate) ||
		u.User != nil || strings.Contains(text, "#") {
		return form
	}
	decoded, err := url.PathUnescape(text)
	if err != nil {
		return errors.New("expected a URL whose percent signs each stand before two hexadecimal digits")
	}
	if secret.In(text) || secret.In(decoded) {
		return errors.New("a webhook URL must not hold an API key")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("expected a port from 1 to 65535")
		}
	}

	host := u.Hostname()
	addr, isAddress := literal(host)
	if !hostName.MatchString(host) && !addr.IsValid() {
		return errors.New("expected a host name of letters, digits, hyphens and dots, or an address")
	}
	if !allowPrivate && (isAddress && !public(addr) || isLocalhost(host)) {
		return errors.New("expected a host on the public internet")
	}
	return nil
}

// Host is the host that a URL leads to, in one spelling: the lane in which what goes there waits.
func Host(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
}

// isLocalhost is RFC 6761, 6.3: these names are loopback whatever a resolver says.
func isLocalhost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

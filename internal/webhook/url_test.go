package webhook_test

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/webhook"
)

func TestURLs(t *testing.T) {
	key := secret.Mint().Reveal()
	long := "https://example.com/" + strings.Repeat("a", 1980)
	for _, c := range []struct {
		url              string
		anywhere, public bool // allowed where private addresses are, and where not
	}{
		{"https://example.com", true, true},
		{"https://example.com/", true, true},
		{"HTTPS://EXAMPLE.com:8443/a/b?c=d&e=%20", true, true},
		{"https://example.com./a", true, true},
		{"https://example.com:/a", true, true},
		{"https://xn--bcher-kva.example/a", true, true},
		{"https://a_b-c.example.com/a", true, true},
		{"https://8.8.8.8/a", true, true},
		{"https://134744072/a", true, true},
		{"https://[2606:4700:4700::1111]:443/a", true, true},
		{"https://[::ffff:8.8.8.8]/a", true, true},
		{"https://1e100.example", true, true},
		{"https://0xa.example", true, true},
		{long, true, true},

		{"http://example.com/a", true, false},
		{"https://localhost/a", true, false},
		{"https://hooks.LocalHost./a", true, false},
		{"http://127.0.0.1:8080/a", true, false},
		{"https://[fe80::1%25eth0]/a", true, false},

		{"", false, false},
		{"example.com/a", false, false},
		{"//example.com/a", false, false},
		{"/a", false, false},
		{"https:example.com/a", false, false},
		{"https:///a", false, false},
		{"https://:443/a", false, false},
		{"https://./a", false, false},
		{"https://example..com/a", false, false},
		{"https://.example.com/a", false, false},
		{"https://example.com../a", false, false},
		{"ftp://example.com/a", false, false},
		{"file:///etc/passwd", false, false},
		{"gopher://example.com/a", false, false},
		{"https+unix://example.com/a", false, false},
		{"javascript:alert(1)", false, false},
		{"https://user@example.com/a", false, false},
		{"https://user:pass@example.com/a", false, false},
		{"https://@example.com/a", false, false},
		{"https://example.com@127.0.0.1/a", false, false},
		{"https://example.com/a#b", false, false},
		{"https://example.com/a#", false, false},
		{"https://example.com/a b", false, false},
		{" https://example.com/a", false, false},
		{"https://example.com/a\n", false, false},
		{"https://example.com/\x00", false, false},
		{"https://example.com/ä", false, false},
		{"https://bücher.example/a", false, false},
		{"https://①②⑦.⓪.⓪.①/", false, false},
		{"https://127。0。0。1/", false, false},
		{"https://%E2%91%A0/", false, false},
		{"https://127.0.0.1%2f.example.com/", false, false},
		{`https://example.com\@127.0.0.1/`, false, false},
		{"https://example.com/%zz", false, false},
		{"https://example.com/?a=%", false, false},
		{"https://example.com:0/", false, false},
		{"https://example.com:65536/", false, false},
		{"https://example.com:a/", false, false},
		{"https://example.com:-1/", false, false},
		{"https://[127.0.0.1]/", false, false},
		{"https://[::1/", false, false},
		{"https://[]/", false, false},
		{"https://::1/", false, false},
		{"https://exam!ple.com/", false, false},
		{long + "a", false, false},
		{"https://example.com/" + key, false, false},
		{"https://example.com/?key=" + key, false, false},
		{"https://example.com/?key=" + strings.Replace(key, "_", "%5F", 1), false, false},
		{"https://example.com/?key=%6B" + strings.TrimPrefix(key, "k"), false, false},
	} {
		for private, allowed := range map[bool]bool{true: c.anywhere, false: c.public} {
			err := webhook.CheckURL(c.url, private)
			if (err == nil) != allowed {
				t.Errorf("%.80q, private %v: %v", c.url, private, err)
			}
			if user := fault.UserError(nil); errors.As(err, &user) {
				t.Errorf("%v chooses its code itself", err)
			}
			if err != nil && strings.Contains(err.Error(), key) {
				t.Errorf("%v holds the key", err)
			}
		}
	}
}

// numeric is a host of which no part but a number is the last: an address or nothing.
var numeric = regexp.MustCompile(`(^|\.)([0-9]+|0[xX][0-9A-Fa-f]*)\.?$`)

func FuzzCheckURL(f *testing.F) {
	for _, form := range forms {
		f.Add("https://" + form.host + "/a")
	}
	for _, text := range []string{
		"https://8.8.8.8:1/a?b", "https://[2606:4700::1]/", "https://a.example:443", "https://a@b/#c",
		"https://0x7f.0.0.1.", "https://a.0x/", "https://1.2.3.256/", "https://%31/", `https://a\b/`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		err := webhook.CheckURL(text, false)
		if anywhere := webhook.CheckURL(text, true); err == nil && anywhere != nil {
			t.Errorf("%q is allowed only where less is", text)
		}
		if err != nil {
			if len(text) > 30 && strings.Contains(err.Error(), text) {
				t.Errorf("%q is in the error", text)
			}
			return
		}
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		host := u.Hostname()
		if u.Scheme != "https" || host == "" || u.User != nil || u.Fragment != "" || len(text) > 2000 || secret.In(text) {
			t.Errorf("%q was allowed", text)
		}
		if addr, err := netip.ParseAddr(host); err == nil && !webhook.Public(addr) {
			t.Errorf("%q leads to %v", text, addr)
		}
		if strings.HasPrefix(host, "127.") && numeric.MatchString(host) || strings.EqualFold(host, "localhost") {
			t.Errorf("%q is loopback", text)
		}
		if _, err := http.NewRequest(http.MethodPost, text, nil); err != nil {
			t.Errorf("%q makes no request: %v", text, err)
		}
	})
}

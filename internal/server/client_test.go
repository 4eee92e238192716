package server

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestWhereARequestComesFrom(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for _, c := range []struct {
		name, remote string
		forwarded    []string
		want         string
	}{
		{"nobody forwarded", "10.0.0.1:80", nil, "10.0.0.1"},
		{"a stranger forges", "192.0.2.9:80", []string{"203.0.113.1"}, "192.0.2.9"},
		{"one proxy", "10.0.0.1:80", []string{"203.0.113.1"}, "203.0.113.1"},
		{"a forgery behind a proxy", "10.0.0.1:80", []string{"198.51.100.66, 203.0.113.1"}, "203.0.113.1"},
		{"two proxies", "10.0.0.1:80", []string{"203.0.113.1, 10.0.0.2"}, "203.0.113.1"},
		{"two headers", "10.0.0.1:80", []string{"198.51.100.66", "203.0.113.1,10.0.0.2"}, "203.0.113.1"},
		{"proxies alone", "10.0.0.1:80", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"mapped", "[::ffff:10.0.0.1]:80", []string{"::ffff:203.0.113.1"}, "203.0.113.1"},
		{"IPv6", "[2001:db8::1]:80", []string{"2a00::1"}, "2a00::1"},
		{"with a zone", "10.0.0.1:80", []string{"fe80::1%eth0"}, "fe80::1"},
		{"with a port", "10.0.0.1:80", []string{"203.0.113.1:4711"}, "203.0.113.1"},
		{"no address", "10.0.0.1:80", []string{"unknown"}, ""},
		{"an empty one", "10.0.0.1:80", []string{"203.0.113.1, "}, ""},
	} {
		r := httptest.NewRequest("POST", "/graphql", nil)
		r.RemoteAddr = c.remote
		for _, value := range c.forwarded {
			r.Header.Add("X-Forwarded-For", value)
		}
		var want netip.Addr
		if c.want != "" {
			want = netip.MustParseAddr(c.want)
		}
		if got := clientIP(r, proxies); got != want {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
	}
}

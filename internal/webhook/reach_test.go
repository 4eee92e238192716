package webhook_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/webhook"
)

const notPublic = "the host is not on the public internet, or there is none of this name"

// forms are hosts as a URL spells them, and where a resolver or browser takes each.
var forms = []struct{ host, addr string }{
	{"127.0.0.1", "127.0.0.1"}, {"127.0.0.1.", "127.0.0.1"}, {"127.1", "127.0.0.1"}, {"127.0.1", "127.0.0.1"},
	{"127.255.255.254", "127.255.255.254"}, {"2130706433", "127.0.0.1"}, {"017700000001", "127.0.0.1"},
	{"0177.0.0.1", "127.0.0.1"}, {"0177.0.0.01", "127.0.0.1"}, {"0000177.1", "127.0.0.1"}, {"0x7f.1", "127.0.0.1"},
	{"0x7f.1.", "127.0.0.1"}, {"0x7f000001", "127.0.0.1"}, {"0X7F.0.0.0X1", "127.0.0.1"}, {"127.0x1", "127.0.0.1"},
	{"0x7f.0.01", "127.0.0.1"},
	{"0.0.0.0", "0.0.0.0"}, {"0", "0.0.0.0"}, {"0x", "0.0.0.0"}, {"0.1", "0.0.0.1"},
	{"169.254.169.254", "169.254.169.254"}, {"2852039166", "169.254.169.254"}, {"0xa9fea9fe", "169.254.169.254"},
	{"100.64.0.1", "100.64.0.1"}, {"100.100.100.200", "100.100.100.200"}, {"10.0.0.1", "10.0.0.1"},
	{"012.1", "10.0.0.1"}, {"172.16.0.1", "172.16.0.1"}, {"172.31.255.254", "172.31.255.254"},
	{"192.168.0.1", "192.168.0.1"}, {"192.168.257", "192.168.1.1"}, {"168.63.129.16", "168.63.129.16"},
	{"192.0.0.192", "192.0.0.192"}, {"192.0.2.1", "192.0.2.1"}, {"198.18.0.1", "198.18.0.1"},
	{"198.51.100.1", "198.51.100.1"}, {"203.0.113.1", "203.0.113.1"}, {"224.0.0.1", "224.0.0.1"},
	{"240.0.0.1", "240.0.0.1"}, {"255.255.255.255", "255.255.255.255"}, {"4294967295", "255.255.255.255"},
	{"[::1]", "::1"}, {"[0:0:0:0:0:0:0:1]", "::1"}, {"[::]", "::"},
	{"[::ffff:127.0.0.1]", "::ffff:127.0.0.1"}, {"[::ffff:7f00:1]", "::ffff:127.0.0.1"},
	{"[::FFFF:A9FE:A9FE]", "::ffff:169.254.169.254"}, {"[::ffff:0.0.0.0]", "::ffff:0.0.0.0"},
	{"[::127.0.0.1]", "::127.0.0.1"}, {"[::ffff:0:7f00:1]", "::ffff:0:7f00:1"}, {"[64:ff9b::7f00:1]", "64:ff9b::7f00:1"},
	{"[64:ff9b::127.0.0.1]", "64:ff9b::7f00:1"}, {"[64:ff9b:1::7f00:1]", "64:ff9b:1::7f00:1"},
	{"[2002:7f00:1::]", "2002:7f00:1::"}, {"[2001:0:7f00:1::]", "2001:0:7f00:1::"}, {"[2001:db8::1]", "2001:db8::1"},
	{"[3fff::1]", "3fff::1"}, {"[100::1]", "100::1"}, {"[fc00::1]", "fc00::1"}, {"[fd00:ec2::254]", "fd00:ec2::254"},
	{"[fe80::1]", "fe80::1"}, {"[fe80::1%25lo]", "fe80::1"}, {"[fec0::1]", "fec0::1"}, {"[ff02::1]", "ff02::1"},
	{"localhost", "127.0.0.1"}, {"localhost.", "127.0.0.1"}, {"LOCALHOST", "127.0.0.1"}, {"a.localhost", "127.0.0.1"},
}

// loopback is where on Linux a connection to the address ends up, if on one of our listeners.
func loopback(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr == netip.MustParseAddr("127.0.0.1") || addr == netip.IPv6Loopback() || addr.IsUnspecified()
}

// scene holds traps on both loopback addresses, and a receiver that the client takes for public,
// with a trap on the same port of the other family.
type scene struct {
	zone      *zone
	v4, v6    *trap
	opposite  [2]*trap // of IPv4 and of IPv6 targets
	receivers [2]net.Listener
	location  string
	newClient func(allowPrivate bool) *webhook.Client
	follow    *http.Client
}

func newScene(t *testing.T) *scene {
	s := &scene{zone: newZone(t)}
	v4, v6 := pair(t)
	s.v4, s.v6 = watch(v4), watch(v6)
	answer := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			w.Header().Set("Location", s.location)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	}
	on4, other6 := pair(t)
	other4, on6 := pair(t)
	server := receiver(t, on6, answer)
	receiver(t, on4, answer)
	s.receivers = [2]net.Listener{on6, on4}
	s.opposite = [2]*trap{watch(other4), watch(other6)}
	s.newClient = func(allowPrivate bool) *webhook.Client {
		c := webhook.New(allowPrivate, time.Now)
		c.SetLimit(5 * time.Second)
		c.SetResolver(s.zone.resolver())
		c.SetRoots(roots(server))
		for _, l := range s.receivers {
			c.TakeForPublic(addrPort(l))
		}
		return c
	}
	s.follow = &http.Client{Transport: &http.Transport{
		DialContext:       (&net.Dialer{Resolver: s.zone.resolver()}).DialContext,
		TLSClientConfig:   &tls.Config{RootCAs: roots(server)},
		DisableKeepAlives: true,
	}}
	return s
}

func (s *scene) caught() int {
	return s.v4.caught() + s.v6.caught() + s.opposite[0].caught() + s.opposite[1].caught()
}

func (s *scene) url(host string) string {
	return "https://" + host + ":" + strconv.Itoa(port(s.v4)) + "/"
}

// rebind delivers once to a receiver of the other family than the address, and then, the name
// leading to the address, to the same URL again.
func (s *scene) rebind(t *testing.T, c *webhook.Client, addr netip.Addr) error {
	t.Helper()
	on := s.receivers[0]
	if !addr.Unmap().Is4() {
		on = s.receivers[1]
	}
	target := fmt.Sprintf("https://%s:%d/", hooks, port(on))
	s.zone.set(hooks, addrPort(on).Addr())
	if _, err := deliver(c, target); err != nil {
		t.Fatalf("before the name leads elsewhere: %v", err)
	}
	s.zone.set(hooks, addr)
	_, err := deliver(c, target)
	return err
}

func TestNoFormOfAPrivateAddressIsReached(t *testing.T) {
	s := newScene(t)
	c := s.newClient(false)
	refused := func(t *testing.T, err error) {
		t.Helper()
		if reason := failed(t, err).Reason; reason != notPublic {
			t.Errorf("failed with %q", reason)
		}
	}
	for _, form := range forms {
		addr := netip.MustParseAddr(form.addr)
		bare := strings.NewReplacer("[", "", "]", "", "%25", "%").Replace(form.host)
		s.zone.set(form.host, addr) // a resolver that reads every spelling
		t.Run(form.host, func(t *testing.T) {
			if webhook.Public(addr) {
				t.Fatal("public")
			}
			t.Run("literal", func(t *testing.T) {
				if webhook.CheckURL(s.url(form.host), false) == nil {
					t.Error("the URL was accepted")
				}
				_, err := deliver(c, s.url(form.host))
				failed(t, err)
			})
			t.Run("past the check", func(t *testing.T) {
				_, err := c.Dial(context.Background(), net.JoinHostPort(bare, strconv.Itoa(port(s.v4))))
				// Go's own resolver takes digits alone for no name.
				digits := strings.Trim(bare, "0123456789.") == ""
				if name := (*net.DNSError)(nil); !errors.Is(err, webhook.ErrNotPublic) && !(digits && errors.As(err, &name)) {
					t.Errorf("dialled: %v", err)
				}
			})
			t.Run("name", func(t *testing.T) {
				s.zone.set("name.example.com", addr)
				_, err := deliver(c, s.url("name.example.com"))
				refused(t, err)
			})
			t.Run("rebinding", func(t *testing.T) { refused(t, s.rebind(t, c, addr)) })
			t.Run("redirect", func(t *testing.T) {
				s.location = s.url(form.host)
				s.zone.set(hooks, addrPort(s.receivers[0]).Addr())
				result, err := deliver(c, fmt.Sprintf("https://%s:%d/redirect", hooks, port(s.receivers[0])))
				if failure := failed(t, err); failure.StatusCode != 307 || result.StatusCode != 307 {
					t.Errorf("status %d, %v", failure.StatusCode, failure)
				}
			})
			if v4 := addr.Unmap(); v4.Is4() {
				t.Run("mapped", func(t *testing.T) {
					mapped := netip.AddrFrom16(v4.As16())
					_, err := deliver(c, s.url("["+mapped.String()+"]"))
					failed(t, err)
					s.zone.set("name.example.com", mapped)
					_, err = deliver(c, s.url("name.example.com"))
					refused(t, err)
					refused(t, s.rebind(t, c, mapped))
				})
			}
			if n := s.caught(); n != 0 {
				t.Errorf("%d connections", n)
			}
		})
	}
	t.Run("one answer of two", func(t *testing.T) {
		for i, on := range s.receivers {
			other := addrPort(s.opposite[i].Listener).Addr()
			s.zone.set(hooks, other, addrPort(on).Addr())
			if _, err := deliver(c, fmt.Sprintf("https://%s:%d/", hooks, port(on))); err != nil {
				failed(t, err)
			}
		}
		if n := s.caught(); n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}

// The control: the listeners are there, and what keeps the client from them is the rule.
func TestPrivateAddressesAreReachedWhereAllowed(t *testing.T) {
	s := newScene(t)
	c := s.newClient(true)
	reached := func(t *testing.T, way string, before int) {
		t.Helper()
		if s.caught() == before {
			t.Errorf("%s: no connection", way)
		}
	}
	var literals int
	for _, form := range forms {
		addr := netip.MustParseAddr(form.addr)
		if !loopback(addr) {
			continue
		}
		t.Run(form.host, func(t *testing.T) {
			s.zone.set(form.host, addr)
			before := s.caught()
			if strings.Trim(form.host, "0123456789.") != "" || form.host == "127.0.0.1" || form.host == "0.0.0.0" {
				literals++
				_, err := deliver(c, s.url(form.host))
				failed(t, err) // the traps close what they accept
				reached(t, "literal", before)

				before = s.caught()
				s.location = s.url(form.host)
				s.zone.set(hooks, addrPort(s.receivers[0]).Addr())
				if response, err := s.follow.Get(fmt.Sprintf("https://%s:%d/redirect", hooks, port(s.receivers[0]))); err == nil {
					_ = response.Body.Close()
				}
				reached(t, "redirect, by a client that follows", before)
			}
			before = s.caught()
			s.zone.set("name.example.com", addr)
			_, err := deliver(c, s.url("name.example.com"))
			failed(t, err)
			reached(t, "name", before)

			before = s.caught()
			failed(t, s.rebind(t, c, addr))
			reached(t, "rebinding", before)
		})
	}
	if literals < 15 {
		t.Errorf("only %d literals were tried", literals)
	}
}

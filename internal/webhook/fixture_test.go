package webhook_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/webhook"
)

// hooks is a name that the certificate of httptest covers.
const hooks = "hooks.example.com"

var signing = webhook.NewSecret()

// proxy stands in the environment of all tests of this package.
var proxy *trap

func TestMain(m *testing.M) {
	proxy = spring("127.0.0.1:0")
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		_ = os.Setenv(name, "http://"+proxy.Addr().String())
	}
	_ = os.Setenv("NO_PROXY", "")
	_ = os.Setenv("no_proxy", "")
	os.Exit(m.Run())
}

// trap accepts connections, remembers where they come from and closes them.
type trap struct {
	net.Listener
	mu      sync.Mutex
	callers []string // since caught was last asked
	counted int
}

func spring(address string) *trap {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		panic(err)
	}
	return watch(listener)
}

func watch(listener net.Listener) *trap {
	t := &trap{Listener: listener}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.mu.Lock()
			t.callers = append(t.callers, conn.RemoteAddr().String())
			t.mu.Unlock()
			_ = conn.Close()
		}
	}()
	return t
}

// caught is how many have connected so far. Connections are accepted in order: when one of our own
// has come through, all that came before have been counted. Only callers since the last time are
// looked through for it, for ports are used again.
func (t *trap) caught() int {
	conn, err := net.Dial("tcp", t.Addr().String())
	if err != nil {
		panic(err)
	}
	defer func() { _ = conn.Close() }()
	for {
		t.mu.Lock()
		if i := slices.Index(t.callers, conn.LocalAddr().String()); i >= 0 {
			defer t.mu.Unlock()
			t.counted += i
			t.callers = t.callers[i+1:]
			return t.counted
		}
		t.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
}

// pair listens on the same port of both loopback addresses.
func pair(t *testing.T) (v4, v6 net.Listener) {
	t.Helper()
	for range 100 {
		v4, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		v6, err := net.Listen("tcp6", fmt.Sprintf("[::1]:%d", port(v4)))
		if err == nil {
			t.Cleanup(func() { _ = v4.Close(); _ = v6.Close() })
			return v4, v6
		}
		_ = v4.Close()
	}
	t.Fatal("no port is free on both loopback addresses; is there an IPv6 loopback?")
	return nil, nil
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

func addrPort(l net.Listener) netip.AddrPort { return netip.MustParseAddrPort(l.Addr().String()) }

// receiver serves TLS for hooks.
func receiver(t *testing.T, on net.Listener, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	_ = server.Listener.Close()
	server.Listener = on
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func roots(server *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return pool
}

// zone is a DNS server on loopback.
type zone struct {
	conn  net.PacketConn
	mu    sync.Mutex
	names map[string][]netip.Addr
}

func newZone(t *testing.T) *zone {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	z := &zone{conn: conn, names: map[string][]netip.Addr{}}
	go func() {
		query := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(query)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(z.answer(query[:n]), from)
		}
	}()
	return z
}

func (z *zone) set(name string, addrs ...netip.Addr) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.names[strings.ToLower(strings.TrimSuffix(name, "."))] = addrs
}

func (z *zone) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", z.conn.LocalAddr().String())
	}}
}

// answer is RFC 1035, 4: header, the question again, and the records that the type asks for.
func (z *zone) answer(query []byte) []byte {
	var labels []string
	at := 12
	for query[at] != 0 {
		labels = append(labels, string(query[at+1:at+1+int(query[at])]))
		at += 1 + int(query[at])
	}
	kind := binary.BigEndian.Uint16(query[at+1:])
	z.mu.Lock()
	addrs, known := z.names[strings.ToLower(strings.Join(labels, "."))]
	z.mu.Unlock()

	reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:at+5]...)
	if !known {
		reply[3] |= 3 // no such name
	}
	for _, addr := range addrs {
		if addr.Is4() != (kind == 1) || !addr.Is4() && kind != 28 {
			continue
		}
		data := addr.AsSlice()
		reply = append(reply, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(data)))
		reply = append(reply, data...)
		reply[7]++
	}
	return reply
}

// deliver sends a small event signed with signing.
func deliver(c *webhook.Client, target string) (webhook.Result, error) {
	return c.Deliver(context.Background(), target, "evt_1", []byte(`{}`), signing)
}

// failed asserts that a delivery failed with a text that may be shown, and returns the failure.
func failed(t *testing.T, err error) *webhook.Failure {
	t.Helper()
	var failure *webhook.Failure
	if !errors.As(err, &failure) {
		t.Fatalf("%v is no failure of the receiver", err)
	}
	for _, text := range []string{err.Error(), fmt.Sprintf("%v %+v %#v", err, err, err)} {
		keepsSecret(t, text, signing)
	}
	if reason := failure.Reason; reason != err.Error() || len(reason) < 10 || len(reason) > 150 || strings.ContainsAny(reason, "\n[]") {
		t.Errorf("reason %q", reason)
	}
	return failure
}

func keepsSecret(t *testing.T, text string, s webhook.Secret) {
	t.Helper()
	key := s.Bytes()
	for _, form := range []string{
		string(key), strings.TrimPrefix(s.Reveal(), "whsec_"), base64.URLEncoding.EncodeToString(key),
		fmt.Sprintf("%x", key), fmt.Sprintf("%X", key), fmt.Sprint(key), fmt.Sprintf("%#v", key), fmt.Sprintf("%q", key),
	} {
		if strings.Contains(text, form) {
			t.Errorf("a secret in %q", text)
		}
	}
}

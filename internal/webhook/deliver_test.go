package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/keytag/keytag/internal/webhook"
)

// sent is one request as a receiver gets it.
type sent struct {
	*http.Request
	body []byte
}

// collect delivers an event by a client of the clock to a receiver that takes it.
func collect(t *testing.T, clock func() time.Time, body []byte, secrets ...webhook.Secret) sent {
	t.Helper()
	var got []sent
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, sent{r, body})
	}))
	defer server.Close()
	result, err := webhook.New(true, clock).Deliver(context.Background(), server.URL+"/a?b=c", "evt_1", body, secrets...)
	if err != nil || result.StatusCode != 200 || len(got) != 1 {
		t.Fatalf("%v, %v, %d requests", result, err, len(got))
	}
	return got[0]
}

func verifier(t *testing.T, s webhook.Secret) *standardwebhooks.Webhook {
	t.Helper()
	v, err := standardwebhooks.NewWebhook(s.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func event(t *testing.T) []byte {
	t.Helper()
	body, err := webhook.Body("api_key.rotated", time.Now(), map[string]any{"apiKeyId": "key_1", "n": 1.5, "text": "<ä>"})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestRequest(t *testing.T) {
	at := time.Date(2031, 5, 6, 7, 8, 9, 999_999_999, time.FixedZone("", 3600))
	body := event(t)
	got := collect(t, func() time.Time { return at }, body, signing)
	if got.Method != http.MethodPost || got.RequestURI != "/a?b=c" || string(got.body) != string(body) || got.ContentLength != int64(len(body)) || !got.Close {
		t.Errorf("%s %s %s", got.Method, got.RequestURI, got.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "keytag-webhook", "Webhook-Id": "evt_1",
		"Webhook-Timestamp": strconv.FormatInt(at.Unix(), 10),
		"Cookie":            "", "Authorization": "", "Referer": "", "Accept-Encoding": "",
	} {
		if value := strings.Join(got.Header.Values(name), "|"); value != want {
			t.Errorf("%s: %q", name, value)
		}
	}
}

func TestBody(t *testing.T) {
	at := time.Date(2031, 5, 6, 1, 8, 9, 120_000_000, time.FixedZone("", 7200))
	body, err := webhook.Body("api_key.rotated", at, map[string]string{"apiKeyId": "key_1"})
	if want := `{"type":"api_key.rotated","timestamp":"2031-05-05T23:08:09.12Z","data":{"apiKeyId":"key_1"}}`; err != nil || string(body) != want {
		t.Errorf("%s, %v", body, err)
	}
	if _, err := webhook.Body("a", at, func() {}); err == nil {
		t.Error("a function was encoded")
	}
	if body, err := webhook.Body("a", at, nil); err != nil || !json.Valid(body) {
		t.Errorf("%s, %v", body, err)
	}
}

func TestSignatureIsVerifiedByAnotherLibrary(t *testing.T) {
	body := event(t)
	got := collect(t, time.Now, body, signing)
	verify := verifier(t, signing)
	if err := verify.Verify(got.body, got.Header); err != nil {
		t.Fatal(err)
	}
	for i := range body {
		for change := 1; change < 256; change++ {
			changed := []byte(string(body))
			changed[i] ^= byte(change)
			if verify.Verify(changed, got.Header) == nil {
				t.Fatalf("verified with byte %d changed", i)
			}
		}
	}
	for _, changed := range [][]byte{body[1:], body[:len(body)-1], append([]byte(" "), body...), {}} {
		if verify.Verify(changed, got.Header) == nil {
			t.Errorf("verified %q", changed)
		}
	}
	for name, value := range map[string]string{
		"webhook-id":        "evt_2",
		"webhook-timestamp": strconv.FormatInt(time.Now().Unix()+1000, 10),
		"webhook-signature": "v1,AAAA",
	} {
		header := got.Header.Clone()
		header.Set(name, value)
		if verify.VerifyIgnoringTimestamp(body, header) == nil {
			t.Errorf("verified with another %s", name)
		}
	}
	if verifier(t, webhook.NewSecret()).Verify(body, got.Header) == nil {
		t.Error("verified with another secret")
	}
}

func TestTimestampIsThatOfTheAttempt(t *testing.T) {
	verify := verifier(t, signing)
	for ago, want := range map[time.Duration]error{
		0: nil, 290 * time.Second: nil, 301 * time.Second: standardwebhooks.ErrMessageTooOld,
		-310 * time.Second: standardwebhooks.ErrMessageTooNew,
	} {
		got := collect(t, func() time.Time { return time.Now().Add(-ago) }, event(t), signing)
		if err := verify.Verify(got.body, got.Header); !errors.Is(err, want) {
			t.Errorf("%v ago: %v", ago, err)
		}
	}
}

func TestEachOfTwoSecretsVerifiesAlone(t *testing.T) {
	older, newer := webhook.NewSecret(), webhook.NewSecret()
	got := collect(t, time.Now, event(t), newer, older)
	for name, s := range map[string]webhook.Secret{"older": older, "newer": newer} {
		if err := verifier(t, s).Verify(got.body, got.Header); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list := strings.Split(got.Header.Get("webhook-signature"), " "); len(list) != 2 || list[0] == list[1] {
		t.Errorf("signatures %q", list)
	}
}

func TestNothingIsSentUnsigned(t *testing.T) {
	target := watch(listen(t))
	for _, secrets := range [][]webhook.Secret{nil, {{}}, {signing, {}}} {
		_, err := webhook.New(true, time.Now).Deliver(context.Background(), "http://"+target.Addr().String(), "evt_1", []byte(`{}`), secrets...)
		if failure := (*webhook.Failure)(nil); err == nil || errors.As(err, &failure) {
			t.Errorf("%d secrets: %v", len(secrets), err)
		}
	}
	if n := target.caught(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

func TestStatuses(t *testing.T) {
	elsewhere := watch(listen(t))
	c := webhook.New(true, time.Now)
	for _, status := range []int{200, 201, 202, 204, 206, 299, 300, 301, 302, 303, 304, 307, 308, 400, 401, 404, 410, 429, 500, 503, 599} {
		var cookies, requests int
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cookies += len(r.Cookies())
			requests++
			w.Header().Set("Location", "http://"+elsewhere.Addr().String())
			w.Header().Set("Set-Cookie", "a=b")
			w.WriteHeader(status)
			if status != 204 && status != 304 {
				_, _ = io.WriteString(w, "words of the receiver")
			}
		}))
		for range 2 {
			result, err := deliver(c, server.URL)
			if result.StatusCode != status {
				t.Errorf("%d: result %v", status, result)
			}
			if status < 300 {
				if err != nil {
					t.Errorf("%d: %v", status, err)
				}
				continue
			}
			failure := failed(t, err)
			if failure.StatusCode != status || failure.Gone != (status == 410) || !strings.Contains(failure.Reason, strconv.Itoa(status)) ||
				strings.Contains(failure.Reason, "words") || strings.Contains(failure.Reason, "127.0.0.1") {
				t.Errorf("%d: %#v", status, failure)
			}
		}
		server.Close()
		if cookies != 0 || requests != 2 {
			t.Errorf("%d: %d cookies in %d requests", status, cookies, requests)
		}
	}
	if n := elsewhere.caught(); n != 0 {
		t.Errorf("followed %d redirects", n)
	}
}

func TestFailuresSayWhatFailed(t *testing.T) {
	names := newZone(t)
	on, _ := pair(t)
	server := receiver(t, on, func(http.ResponseWriter, *http.Request) {})
	names.set(hooks, addrPort(on).Addr())
	names.set("other.invalid", addrPort(on).Addr())
	closed := listen(t)
	_ = closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	tls := fmt.Sprintf("https://%s:%d/", hooks, port(on))
	c := webhook.New(true, time.Now)
	c.SetResolver(names.resolver())

	for name, f := range map[string]struct{ target, reason string }{
		"unknown authority": {tls, "TLS certificate"},
		"no such name":      {"https://missing.example.com/", "there is none of this name"},
		"no listener":       {"http://" + closed.Addr().String(), "no connection"},
		"no TLS":            {strings.Replace(plain.URL, "http:", "https:", 1), "no HTTP"},
		"no HTTP":           {"http://" + watch(listen(t)).Addr().String(), "no HTTP"},
		"no URL":            {"https://a b/", "https"},
	} {
		if failure := failed(t, second(deliver(c, f.target))); !strings.Contains(failure.Reason, f.reason) || failure.StatusCode != 0 || failure.Gone {
			t.Errorf("%s: %#v", name, failure)
		}
	}
	c.SetRoots(roots(server))
	if _, err := deliver(c, tls); err != nil {
		t.Error(err)
	}
	other := fmt.Sprintf("https://other.invalid:%d/", port(on))
	if failure := failed(t, second(deliver(c, other))); !strings.Contains(failure.Reason, "TLS certificate") {
		t.Errorf("another name's certificate: %v", failure)
	}
}

func TestProxyOfTheEnvironmentIsIgnored(t *testing.T) {
	names := newZone(t)
	target := watch(listen(t))
	names.set(hooks, addrPort(target.Listener).Addr())
	address := fmt.Sprintf("http://%s:%d/", hooks, port(target))
	c := webhook.New(true, time.Now)
	c.SetResolver(names.resolver())
	failed(t, second(deliver(c, address)))
	if target.caught() != 1 || proxy.caught() != 0 {
		t.Errorf("%d connections to the receiver, %d to the proxy", target.caught(), proxy.caught())
	}
	// The control: the environment does name a proxy.
	u, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "http", Host: hooks}})
	if err != nil || u == nil || u.Host != proxy.Addr().String() {
		t.Errorf("the environment says %v, %v", u, err)
	}
}

func second(_ webhook.Result, err error) error { return err }

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

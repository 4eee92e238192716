// Package webhook signs and sends webhooks after the Standard Webhooks specification
// (https://github.com/standard-webhooks/standard-webhooks). Where they go is said by people whom
// the network behind this server need not trust: every address is judged as it is dialled.
package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/keytag/keytag/internal/telemetry"
)

const (
	timeLimit     = 15 * time.Second // of one delivery: names, connection, request and answer
	longestAnswer = 64 << 10         // bytes read of the head, and of the body
)

// Result is what the receiver answered; zero if it did not.
type Result struct{ StatusCode int }

// Failure is a delivery that failed, but for faults of ours. Its text may be stored and shown to
// whoever set the URL: it holds nothing that the receiver sent but the status, and no address.
type Failure struct {
	// StatusCode is zero without an answer.
	StatusCode int
	// Gone: the receiver answered 410 and wants no more.
	Gone   bool
	Reason string
}

func (f *Failure) Error() string { return f.Reason }

var errNotPublic = errors.New("address outside the public internet")

// Client delivers webhooks. It may be used concurrently.
type Client struct {
	allowPrivate bool
	clock        func() time.Time
	limit        time.Duration
	resolver     *net.Resolver
	roots        *x509.CertPool // nil: those of the system
	// permitted judges an address about to be dialled.
	permitted func(netip.AddrPort) bool
}

// New returns a client that reaches the public internet only, and over TLS only. With allowPrivate
// it reaches everything, by plain http too.
func New(allowPrivate bool, clock func() time.Time) *Client {
	return &Client{
		allowPrivate: allowPrivate,
		clock:        clock,
		limit:        timeLimit,
		permitted:    func(to netip.AddrPort) bool { return allowPrivate || public(to.Addr()) },
	}
}

// Deliver posts body, signed with each of the secrets; the id is the same in every attempt. A status
// of 2xx is success. An error that is no *Failure says nothing of the receiver: ctx has ended, or a
// secret is missing.
func (c *Client) Deliver(ctx context.Context, target, id string, body []byte, secrets ...Secret) (Result, error) {
	ctx, span := telemetry.BeginCall(ctx, "webhook")
	result, err := c.deliver(ctx, target, id, body, secrets...)
	span.Text("http.request.method", http.MethodPost)
	span.Number("http.response.status_code", result.StatusCode)
	span.End(err != nil)
	var failure *Failure
	switch {
	case err == nil:
		telemetry.Webhooks.Add("delivered")
	case errors.As(err, &failure) && failure.Gone:
		telemetry.Webhooks.Add("gone")
	case errors.As(err, &failure) && failure.StatusCode != 0:
		telemetry.Webhooks.Add("refused")
	default:
		telemetry.Webhooks.Add("unreached")
	}
	return result, err
}

func (c *Client) deliver(ctx context.Context, target, id string, body []byte, secrets ...Secret) (Result, error) {
	if len(secrets) == 0 || slices.ContainsFunc(secrets, Secret.IsZero) {
		return Result{}, errors.New("webhook: no signing secret")
	}
	// Again: what was allowed when the URL was stored need not be now.
	if err := CheckURL(target, c.allowPrivate); err != nil {
		return Result{}, &Failure{Reason: err.Error()}
	}
	limited, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return Result{}, &Failure{Reason: "the URL is not valid"}
	}
	timestamp := strconv.FormatInt(c.clock().Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "keytag-webhook")
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", timestamp)
	request.Header.Set("webhook-signature", signatures(id, timestamp, body, secrets))

	// The transport and not an http.Client: it follows no redirect and keeps no cookie.
	response, err := c.transport(limited).RoundTrip(request)
	switch {
	case err != nil && ctx.Err() != nil:
		return Result{}, ctx.Err()
	case err != nil && limited.Err() != nil:
		return Result{}, &Failure{Reason: fmt.Sprintf("no answer within %v", c.limit)}
	case err != nil:
		return Result{}, &Failure{Reason: reason(err)}
	}
	defer func() { _ = response.Body.Close() }()
	// The status has decided. The rest is read, if it comes, so that the receiver can end in peace.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, longestAnswer))

	result := Result{StatusCode: response.StatusCode}
	if result.StatusCode/100 == 2 {
		return result, nil
	}
	failure := &Failure{
		StatusCode: result.StatusCode,
		Gone:       result.StatusCode == http.StatusGone,
		Reason:     fmt.Sprintf("the receiver answered %d", result.StatusCode),
	}
	if result.StatusCode/100 == 3 {
		failure.Reason += "; redirects are not followed"
	}
	return result, failure
}

// transport is good for one delivery: what it has connected is closed when ctx ends. Of itself
// http.Transport lets a connection begun, a TLS handshake or a protocol switched to go on.
func (c *Client) transport(ctx context.Context) *http.Transport {
	return &http.Transport{
		Proxy: nil, // a proxy would dial in our stead, unjudged
		DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
			conn, err := c.dial(ctx, network, address)
			if err == nil {
				context.AfterFunc(ctx, func() { _ = conn.Close() })
			}
			return conn, err
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.roots},
		MaxResponseHeaderBytes: longestAnswer,
		DisableKeepAlives:      true,
		DisableCompression:     true,
	}
}

// dial judges each address when it is about to be connected to, and not before: whatever a name has
// led to, it can lead elsewhere the next time.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{
		Resolver: c.resolver,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !c.permitted(to) {
				return errNotPublic
			}
			return nil
		},
	}
	return dialer.DialContext(ctx, network, address)
}

// unreachable is one text for two causes: which names there are inside is not for the owner of a URL.
const unreachable = "the host is not on the public internet, or there is none of this name"

// reason says in words of our own what went wrong without an answer; the text of err would name
// addresses and quote the receiver.
func reason(err error) string {
	var (
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		operation   *net.OpError
	)
	switch {
	case errors.Is(err, errNotPublic):
		return unreachable
	case errors.As(err, &name):
		return unreachable
	case errors.As(err, &certificate):
		return "the receiver's TLS certificate is not valid"
	case errors.As(err, &operation) && operation.Op == "dial":
		return "no connection to the receiver"
	}
	return "the connection broke, or the answer is no HTTP"
}

// Check is CheckURL for what this client may reach.
func (c *Client) Check(target string) error { return CheckURL(target, c.allowPrivate) }

// Package auth is the door that turns a request's header into its caller.
package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/ratelimit"
	"github.com/keytag/keytag/internal/telemetry"
)

// Authenticator binds requests to their callers.
type Authenticator struct {
	Keys *keys.Authority
	Log  *slog.Logger
	// PerKey limits how often a key may be used, by its id. Nil: as often as it likes.
	PerKey *ratelimit.Limiter[string]
	// PerNetwork limits requests without a key that works. Those with one are never counted there: whoever
	// shares the address of an attacker goes on. Nil: no limit.
	PerNetwork *ratelimit.Limiter[netip.Prefix]
}

// Authenticate returns the request's context bound to the caller whose key it carries, or unbound
// when it carries none. Errors are *fault.Error: `auth.ambiguous`, those of
// keys.Authority.Authenticate, `auth.unavailable` when the key cannot be looked up, and
// `request.rate_limited`.
func (a *Authenticator) Authenticate(r *http.Request) (context.Context, error) {
	ctx, err := a.withinLimits(r)
	switch {
	case err != nil:
		if refused := (*fault.Error)(nil); errors.As(err, &refused) {
			telemetry.Authentications.Add(refused.Code)
		}
	case ctx == r.Context():
		telemetry.Authentications.Add("none")
	default:
		telemetry.Authentications.Add("ok")
	}
	return ctx, err
}

func (a *Authenticator) withinLimits(r *http.Request) (context.Context, error) {
	ctx, err := a.authenticate(r)
	if err == nil {
		if id, _, ok := keys.ViewerKeyEnd(ctx); ok {
			telemetry.Annotate(ctx, slog.String("key", id))
			if !a.PerKey.Allow(id) {
				return nil, rateLimited
			}
			return ctx, nil
		}
	}
	if !isUnavailable(err) && !a.PerNetwork.Allow(ratelimit.Network(telemetry.RequestFrom(r.Context()).RemoteIP)) {
		return nil, rateLimited
	}
	return ctx, err
}

// Afford charges a caller without a key for an operation, whose cost counts fields: introspection is open to everybody,
// and may cost as much as thousands of small requests. Errors are *fault.Error: `request.rate_limited`.
func (a *Authenticator) Afford(ctx context.Context, cost int64) error {
	if _, _, ok := keys.ViewerKeyEnd(ctx); ok || cost < costOfRequest {
		return nil
	}
	if !a.PerNetwork.AllowN(ratelimit.Network(telemetry.RequestFrom(ctx).RemoteIP), int(cost/costOfRequest)) {
		return rateLimited
	}
	return nil
}

// costOfRequest is how much cost counts as one more request.
const costOfRequest = 2_000

var rateLimited = &fault.Error{Code: fault.CodeRateLimited, Message: "too many requests; try again in a second"}

// isUnavailable reports that nothing is known of the key: it may well be one that works.
func isUnavailable(err error) bool {
	refused := (*fault.Error)(nil)
	return err != nil && errors.As(err, &refused) && refused.Code == fault.CodeUnavailable
}

func (a *Authenticator) authenticate(r *http.Request) (context.Context, error) {
	text, given, err := presented(r.Header)
	if err != nil || !given {
		return r.Context(), err
	}
	probe := r.Header.Get("Keytag-Probe")
	if probe != "" && probe != "1" {
		return nil, &fault.Error{Code: fault.CodeProbe, Message: "Keytag-Probe must be 1"}
	}
	use := keys.Use{IP: telemetry.RequestFrom(r.Context()).RemoteIP, Probe: probe == "1"}
	ctx, err := a.Keys.Authenticate(r.Context(), text, use)
	if err == nil {
		return ctx, nil
	}
	if refused := (*fault.Error)(nil); errors.As(err, &refused) {
		return nil, refused
	}
	a.Log.ErrorContext(r.Context(), "authenticate", "error", err, "request_id", telemetry.RequestID(r.Context()))
	return nil, keys.Unavailable
}

// presented is the key text in `Authorization: Bearer …` (RFC 6750 §2.1) or `X-Api-Key`; given is false when
// there is neither. Another authorization scheme is a key that is not valid, not an anonymous request.
func presented(h http.Header) (text string, given bool, err error) {
	take := func(other string) {
		other = strings.TrimSpace(other)
		if given && other != text {
			err = &fault.Error{Code: "auth.ambiguous", Message: "the request carries different keys; send one"}
		}
		text, given = other, true
	}
	for _, value := range h["Authorization"] {
		scheme, text, _ := strings.Cut(strings.TrimSpace(value), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			text = ""
		}
		take(text)
	}
	for _, value := range h["X-Api-Key"] {
		take(value)
	}
	return text, given, err
}

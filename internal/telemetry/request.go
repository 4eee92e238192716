package telemetry

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
)

// Request is the record of one HTTP request: fixed facts about where it came
// from, and attributes that code further in adds for the access log. Safe for
// concurrent use.
type Request struct {
	ID        string     // 1–64 characters of [A-Za-z0-9._-]
	RemoteIP  netip.Addr // IPv4 is never mapped into IPv6; the zero Addr when unknown
	UserAgent string     // valid UTF-8, at most 256 bytes; chosen by the client

	mu    sync.Mutex
	attrs []slog.Attr
}

type requestKey struct{}

// WithRequest binds r to the context.
func WithRequest(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestFrom is the record of the request that ctx belongs to. Outside of a
// request it is a fresh empty record.
func RequestFrom(ctx context.Context) *Request {
	if r, ok := ctx.Value(requestKey{}).(*Request); ok {
		return r
	}
	return &Request{}
}

// RequestID is the id of the request that ctx belongs to, empty outside of one.
func RequestID(ctx context.Context) string {
	return RequestFrom(ctx).ID
}

// Annotate adds attributes to the access log line of the request that ctx
// belongs to. An attribute replaces an earlier one with the same key.
func Annotate(ctx context.Context, attrs ...slog.Attr) {
	r := RequestFrom(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, attr := range attrs {
		at := slices.IndexFunc(r.attrs, func(a slog.Attr) bool { return a.Key == attr.Key })
		if at < 0 {
			r.attrs = append(r.attrs, attr)
		} else {
			r.attrs[at] = attr
		}
	}
}

// Attrs appends what Annotate added, in order.
func (r *Request) Attrs(to []slog.Attr) []slog.Attr {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(to, r.attrs...)
}

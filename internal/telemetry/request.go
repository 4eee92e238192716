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

	mu     sync.Mutex
	attrs  []slog.Attr
	room   [6]slog.Attr // for those that there mostly are
	answer Answer
}

// Runs notes the field of the root that an operation of GraphQL asks for, when it runs.
func (r *Request) Runs(field string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer.Operation = field
}

// Answered notes the code of the first error of an answer of GraphQL, empty when it has none.
func (r *Request) Answered(code string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer.Code = code; code == "" {
		r.answer.Code = "ok"
	}
}

// Answer is what was asked for and what came of it; false of what is no request of GraphQL.
func (r *Request) Answer() (Answer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.answer
	if a.Operation == "" {
		a.Operation = "none"
	}
	return a, a.Code != ""
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
	if r.attrs == nil {
		r.attrs = r.room[:0]
	}
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

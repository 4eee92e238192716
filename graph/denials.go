package graph

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/fault"
)

// denials are the fields of one request that were denied to its caller.
type denials struct {
	mu     sync.Mutex
	fields []string
}

type denialsKey struct{}

// deny notes err against the field being resolved if it denies the caller something.
func deny(ctx context.Context, code string) {
	d, _ := ctx.Value(denialsKey{}).(*denials)
	if d == nil || code != fault.CodeForbidden && code != "api_keys.scope_not_held" {
		return
	}
	field := graphql.GetFieldContext(ctx)
	name := field.Object + "." + field.Field.Name
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.fields, name) {
		d.fields = append(d.fields, name)
	}
}

// recordDenials writes one audit event for a request of an authenticated caller that was denied
// something, with the fields concerned. That it cannot be written fails no request.
func recordDenials(ctx context.Context, trail *audit.Trail, log *slog.Logger) {
	d, _ := ctx.Value(denialsKey{}).(*denials)
	if d == nil || len(d.fields) == 0 {
		return
	}
	slices.Sort(d.fields) // fields are resolved side by side
	if err := trail.Denied(ctx, strings.Join(d.fields, " ")); err != nil {
		log.ErrorContext(ctx, "record a denial", "error", err)
	}
}

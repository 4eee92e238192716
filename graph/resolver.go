// Package graph is the GraphQL door: one short method per field, which calls one operation and
// shapes one answer.
package graph

import (
	"context"
	"time"

	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
)

// Resolver holds what the fields are answered from.
type Resolver struct {
	Keys      *keys.Authority
	Directory *directory.Directory
	Alerts    *alert.Alerts
	Trail     *audit.Trail
	Clock     func() time.Time
	Version   string
}

// answer parts the outcome of a mutation into the user errors of its payload and an error of the
// request.
func answer(ctx context.Context, err error) ([]fault.UserError, error) {
	userErrors, err := fault.Split(err)
	for _, e := range userErrors {
		deny(ctx, e.Describe().Code)
	}
	return userErrors, err
}

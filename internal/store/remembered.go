package store

import (
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
)

// remembered are the tables whose rows replicas remember. Rows that are new are remembered by nobody, and
// that there was no such key is only remembered of texts that nobody can know of.
var remembered = []string{"api_keys", "users", "organizations", "projects", "environments"}

// changesRemembered reports that a statement may change or delete rows of such a table. It errs on the safe
// side.
func changesRemembered(statement string) bool {
	switch verb, _, _ := strings.Cut(strings.TrimLeft(statement, " \t\n"), " "); strings.ToUpper(verb) {
	case "SELECT":
		return false
	case "INSERT":
		if !strings.Contains(strings.ToUpper(statement), "DO UPDATE") {
			return false
		}
	}
	for _, table := range remembered {
		if strings.Contains(statement, table) {
			return true
		}
	}
	return false
}

type besideKey struct{}

// Beside returns ctx for statements that change nothing that an answer from memory could be wrong by: when a
// key was used and by that lives longer, and when it is to be looked at.
func Beside(ctx context.Context) context.Context { return context.WithValue(ctx, besideKey{}, true) }

// noting notes whether the epoch is to be raised.
type noting struct {
	exact
	raises *atomic.Bool
}

func (n noting) note(ctx context.Context, query string) {
	if ctx.Value(besideKey{}) == nil && changesRemembered(query) {
		n.raises.Store(true)
	}
}

func (n noting) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	n.note(ctx, query)
	return n.exact.ExecContext(ctx, query, args...)
}

func (n noting) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	n.note(ctx, query)
	return n.exact.QueryContext(ctx, query, args...)
}

package queries_test

import (
	"fmt"
	"testing"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/internal/benchdata/queries"
)

// That hardly a key meets a condition is found out from an index, in whatever order the list is.
func TestConditionsThatHardlyAKeyMeets(t *testing.T) {
	rare := func(t *testing.T, name string) *filled {
		f := fill(t, name, 5000)
		statements := []string{"UPDATE api_keys SET suspended_at = NULL, pending_since = NULL, grace_expires_at = NULL, revoked_at = NULL, last_used_at = NULL, expires_at = NULL"}
		if name == dialect.Postgres {
			statements = append(statements, "VACUUM api_keys")
		}
		for _, statement := range statements {
			if _, err := f.pool.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		f.list = nil
		for name, filter := range map[string]map[string]any{
			"several states":     {"statuses": []string{"SUSPENDED", "REVOKED"}},
			"grace is over":      {"endReasons": []string{"ROTATION_GRACE"}},
			"grace or revoked":   {"endReasons": []string{"ROTATION_GRACE", "REVOKED"}},
			"unused since":       {"unusedSince": "2000-01-01T00:00:00Z"},
			"used":               {"neverUsed": false},
			"used at all":        {"lastUsedAt": map[string]any{"isNull": false}},
			"with a lifetime":    {"expiresAt": map[string]any{"isNull": false}},
			"made at no instant": {"createdAt": map[string]any{"isNull": true}},
		} {
			for _, by := range []string{"CREATED_AT", "NAME", "EFFECTIVE_EXPIRES_AT"} {
				f.list = append(f.list, queries.Query{Name: fmt.Sprintf("%s by %s", name, by), Document: queries.OrganizationPage, Variables: map[string]any{
					"filter": filter, "orderBy": map[string]any{"field": by, "direction": "DESC"}, "first": queries.PageSize}})
			}
		}
		return f
	}
	// The calling key is used by asking.
	atMostOne := func(hold func(*testing.T, asked)) func(*testing.T, asked) {
		return func(t *testing.T, a asked) {
			if a.returned > 1 {
				t.Fatalf("%d keys", a.returned)
			}
			hold(t, a)
		}
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f := rare(t, dialect.Postgres)
		for _, planning := range f.plannings(t) {
			f.each(t, atMostOne(func(t *testing.T, a asked) { f.holdPostgres(t, planning, a) }))
		}
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f := rare(t, dialect.SQLite)
		perRow := f.stepsPerRow(t)
		f.each(t, atMostOne(func(t *testing.T, a asked) { f.holdSQLite(t, perRow, a) }))
	})
}

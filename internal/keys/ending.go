package keys

import (
	"context"
	"time"

	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/organization"
	"github.com/keytag/keytag/internal/principal"
)

// Ending is how many keys of an organization end within some days.
type Ending struct {
	OrganizationID string
	Days, Keys     int
}

const (
	// MaxEnding is up to how many are counted.
	MaxEnding = 100_000
	// maxOrganizations are those that are told of, the oldest.
	maxOrganizations = 1_000
)

// EndingWithin counts the keys of every organization that end within some days of now, over all clocks. With an error
// it answers those it has counted.
func (a *Authority) EndingWithin(ctx context.Context, days ...int) ([]Ending, error) {
	ctx = principal.System(ctx)
	organizations, err := a.store.Client.Organization.Query().Order(organization.ByID()).Limit(maxOrganizations).IDs(ctx)
	if err != nil {
		return nil, err
	}
	now, all := a.now(), []Ending(nil)
	for _, id := range organizations {
		for _, n := range days {
			count, err := a.ending(ctx, id, now, now.AddDate(0, 0, n))
			if err != nil {
				return all, err
			}
			all = append(all, Ending{id, n, count})
		}
	}
	return all, nil
}

// ending counts along the index of an organization's ends.
func (a *Authority) ending(ctx context.Context, organizationID string, from, before time.Time) (n int, err error) {
	found := sql.Dialect(a.store.Dialect()).Select().From(sql.Table(apikey.Table))
	found.Select(found.C(apikey.FieldID)).Where(sql.And(
		sql.EQ(found.C(apikey.FieldOrganizationID), organizationID), sql.IsNull(found.C(apikey.FieldRemovedAt)),
		sql.GT(found.C(apikey.FieldEffectiveExpiresAt), from), sql.LT(found.C(apikey.FieldEffectiveExpiresAt), before),
	)).Limit(MaxEnding)
	rows, err := a.rows(ctx, sql.Dialect(a.store.Dialect()).Select(sql.Count("*")).From(found.As("ending")))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return 0, err
		}
	}
	return n, rows.Err()
}

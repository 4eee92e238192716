package keys

import (
	"time"

	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/keyscope"
	"github.com/keytag/keytag/ent/db/predicate"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/scope"
)

// predicates turns the filter into SQL. Statuses are those at now.
func (f *Filter) predicates(now time.Time) []predicate.APIKey {
	var ps []predicate.APIKey
	for _, list := range []struct {
		column string
		ids    []string
	}{{apikey.FieldProjectID, f.ProjectIDs}, {apikey.FieldEnvironmentID, f.EnvironmentIDs}, {apikey.FieldOwnerID, f.OwnerIDs}} {
		if list.ids != nil {
			ps = append(ps, sql.FieldIn(list.column, list.ids...))
		}
	}
	if f.createdByID != nil {
		ps = append(ps, apikey.CreatedByID(*f.createdByID))
	}
	if f.KeyPrefix != nil {
		ps = append(ps, apikey.KeyPrefix(*f.KeyPrefix))
	}
	if f.Statuses != nil {
		wanted := make([]predicate.APIKey, len(f.Statuses))
		for i, status := range f.Statuses {
			wanted[i] = hasStatus(status, now)
		}
		if len(wanted) == 0 {
			wanted = []predicate.APIKey{sql.FieldIn[string](apikey.FieldID)}
		}
		ps = append(ps, apikey.Or(wanted...))
	}
	if f.Scopes != nil {
		ps = append(ps, f.Scopes.predicates()...)
	}
	return ps
}

func (f *ScopeFilter) predicates() []predicate.APIKey {
	var ps []predicate.APIKey
	if f.Any != nil {
		ps = append(ps, holdsOneOf(f.Any))
	}
	for _, s := range f.All {
		ps = append(ps, holdsOneOf([]string{s}))
	}
	for _, s := range f.Grants {
		ps = append(ps, holdsOneOf(scope.Covering(s)))
	}
	if len(f.None) > 0 {
		ps = append(ps, apikey.Not(holdsOneOf(f.None)))
	}
	return ps
}

// handedOver: keys that are pending are listed only when they are asked for.
func handedOver(now time.Time) predicate.APIKey {
	return apikey.Or(apikey.PendingSinceIsNil(), apikey.EffectiveExpiresAtLTE(now))
}

// holdsOneOf: the key holds one of the scopes literally.
func holdsOneOf(scopes []string) predicate.APIKey {
	values := make([]any, len(scopes))
	for i, s := range scopes {
		values[i] = s
	}
	return func(s *sql.Selector) {
		grants := sql.Table(keyscope.Table)
		s.Where(sql.Exists(sql.Dialect(s.Dialect()).Select(grants.C(keyscope.FieldKeyID)).From(grants).Where(sql.And(
			sql.ColumnsEQ(grants.C(keyscope.FieldKeyID), s.C(apikey.FieldID)),
			sql.In(grants.C(keyscope.FieldScope), values...),
		))))
	}
}

// hasStatus is lifecycle.Evaluate in SQL. effective_expires_at is the earliest end over all clocks,
// revocation among them, and never null.
func hasStatus(status lifecycle.Status, t time.Time) predicate.APIKey {
	ended := apikey.EffectiveExpiresAtLTE(t)
	pending := apikey.PendingSinceIsNil()
	if status == lifecycle.Pending {
		pending = apikey.PendingSinceNotNil()
	}
	alive := apikey.And(apikey.EffectiveExpiresAtGT(t), pending)
	suspended := apikey.SuspendedAtLTE(t)
	notSuspended := apikey.Or(apikey.SuspendedAtIsNil(), apikey.SuspendedAtGT(t))
	rotated := apikey.And(apikey.RotatedAtLTE(t), apikey.GraceExpiresAtNotNil())
	notRotated := apikey.Or(apikey.RotatedAtIsNil(), apikey.RotatedAtGT(t), apikey.GraceExpiresAtIsNil())
	switch status {
	case lifecycle.Revoked:
		return apikey.And(ended, predicate.APIKey(sql.FieldsEQ(apikey.FieldRevokedAt, apikey.FieldEffectiveExpiresAt)))
	case lifecycle.Expired:
		return apikey.And(ended, apikey.Or(
			apikey.RevokedAtIsNil(),
			predicate.APIKey(sql.FieldsGT(apikey.FieldRevokedAt, apikey.FieldEffectiveExpiresAt)),
		))
	case lifecycle.Pending:
		return alive
	case lifecycle.Suspended:
		return apikey.And(alive, suspended)
	case lifecycle.RotatingOut:
		return apikey.And(alive, notSuspended, rotated)
	}
	return apikey.And(alive, notSuspended, notRotated)
}

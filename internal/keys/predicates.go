package keys

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/keyscope"
	"github.com/keytag/keytag/ent/db/notification"
	"github.com/keytag/keytag/ent/db/predicate"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/typeid"
)

// predicates turns the filter into SQL, but for what keys hold of scopes (ScopeFilter.groups). Statuses
// and ends are those at now.
func (f *Filter) predicates(now time.Time) []predicate.APIKey {
	var ps []predicate.APIKey
	add := func(p ...predicate.APIKey) { ps = append(ps, p...) }
	for _, list := range []struct {
		column string
		ids    []string
	}{
		{apikey.FieldProjectID, f.ProjectIDs}, {apikey.FieldEnvironmentID, f.EnvironmentIDs},
		{apikey.FieldOwnerID, f.OwnerIDs}, {apikey.FieldCreatedByID, f.CreatedByIDs},
	} {
		if list.ids != nil {
			add(sql.FieldIn(list.column, list.ids...))
		}
	}
	if f.KeyPrefix != nil {
		add(apikey.KeyPrefix(*f.KeyPrefix))
	}
	if f.FamilyID != nil {
		add(apikey.FamilyID(*f.FamilyID))
	}
	if f.Statuses != nil {
		add(oneOf(distinct(f.Statuses), func(s lifecycle.Status) predicate.APIKey { return hasStatus(s, now) }))
	}
	if f.EndReasons != nil {
		add(oneOf(distinct(f.EndReasons), endsBy))
	}
	add(f.ends(now)...)
	add(f.uses(now)...)
	add(f.creation()...)
	if f.NameStartsWith != nil {
		prefix := fold(*f.NameStartsWith)
		add(apikey.NameFoldedGTE(prefix), apikey.NameFoldedLT(prefix+lastName))
	}
	if f.RotationDueBefore != nil {
		add(apikey.NextRotationAtLT(*f.RotationDueBefore))
	}
	if f.HasNotification != nil {
		if has := notified; *f.HasNotification {
			add(has)
		} else {
			add(apikey.Not(has))
		}
	}
	if f.Scopes != nil && len(f.Scopes.None) > 0 {
		add(apikey.Not(holdsOneOf(f.Scopes.None)))
	}
	return ps
}

// lastName sorts behind every name.
var lastName = strings.Repeat("\U0010FFFF", maxName+1)

// distinct is a list without what it says again: each value is a part of the statement.
func distinct[E cmp.Ordered](list []E) []E { return slices.Compact(slices.Sorted(slices.Values(list))) }

// oneOf: one of the values has it; of no values none.
func oneOf[T any](values []T, has func(T) predicate.APIKey) predicate.APIKey {
	if len(values) == 0 {
		return sql.FieldIn[string](apikey.FieldID)
	}
	ps := make([]predicate.APIKey, len(values))
	for i, v := range values {
		ps[i] = has(v)
	}
	return apikey.Or(ps...)
}

// expiring are the instants before which keys end.
func (f *Filter) expiring(now time.Time) []time.Time {
	var before []time.Time
	for _, at := range []*time.Time{f.ExpiringBefore, after(now, f.ExpiringWithin)} {
		if at != nil {
			before = append(before, earlierOf(*at, never)) // a key that never ends is stored as ending in the year 9999
		}
	}
	return before
}

// ends are the conditions on when keys end.
func (f *Filter) ends(now time.Time) []predicate.APIKey {
	ps := inRange(f.ExpiresAt, apikey.FieldExpiresAt)
	for _, before := range f.expiring(now) {
		ps = append(ps, apikey.EffectiveExpiresAtLT(before))
		if f.Statuses == nil {
			ps = append(ps, apikey.EffectiveExpiresAtGT(now))
		}
	}
	return ps
}

func after(now time.Time, p *lifecycle.Period) *time.Time {
	if p == nil {
		return nil
	}
	return new(p.From(now))
}

func earlierOf(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// unused are the instants since which keys are not used.
func (f *Filter) unused(now time.Time) []time.Time {
	var since []time.Time
	if f.UnusedSince != nil {
		since = append(since, *f.UnusedSince)
	}
	if f.UnusedFor != nil {
		since = append(since, f.UnusedFor.Back(now))
	}
	return since
}

// uses are the conditions on when keys were used.
func (f *Filter) uses(now time.Time) []predicate.APIKey {
	ps := inRange(f.LastUsedAt, apikey.FieldLastUsedAt)
	for _, at := range f.unused(now) {
		ps = append(ps,
			apikey.Or(apikey.LastUsedAtLT(at), apikey.LastUsedAtIsNil()),
			apikey.CreatedAtLT(at), // no key is used before it is made
		)
	}
	switch {
	case f.NeverUsed == nil:
	case *f.NeverUsed:
		ps = append(ps, apikey.LastUsedAtIsNil())
	default:
		ps = append(ps, apikey.LastUsedAtNotNil())
	}
	return ps
}

// creation is the condition on when keys were made.
func (f *Filter) creation() []predicate.APIKey {
	r := f.CreatedAt
	if r == nil {
		return nil
	}
	var ps []predicate.APIKey
	if r.From != nil {
		ps = append(ps, apikey.CreatedAtGTE(*r.From))
	}
	if r.Before != nil {
		ps = append(ps, apikey.CreatedAtLT(*r.Before))
	}
	if r.IsNull != nil && *r.IsNull {
		ps = append(ps, sql.FieldIn[string](apikey.FieldID))
	}
	return ps
}

// firstID is the least id of a key that was made at t; of earlier instants than ids can carry it is the
// very least.
func firstID(t time.Time) string {
	if t.UnixMicro() < 0 {
		t = time.UnixMicro(0)
	}
	return typeid.First(typeid.APIKey, t)
}

// inRange: the instant of the column, which may be unset, lies in the range.
func inRange(r *page.Range, column string) []predicate.APIKey {
	var ps []predicate.APIKey
	if r == nil {
		return nil
	}
	if r.From != nil {
		ps = append(ps, sql.FieldGTE(column, *r.From))
	}
	if r.Before != nil {
		ps = append(ps, sql.FieldLT(column, *r.Before))
	}
	switch {
	case r.IsNull == nil:
	case *r.IsNull:
		ps = append(ps, sql.FieldIsNull(column))
	default:
		ps = append(ps, sql.FieldNotNull(column))
	}
	return ps
}

// notified: the key has a notification.
func notified(s *sql.Selector) {
	n := sql.Table(notification.Table)
	s.Where(exists(sql.Dialect(s.Dialect()).Select(n.C(notification.FieldID)).From(n).
		Where(sql.ColumnsEQ(n.C(notification.FieldKeyID), s.C(apikey.FieldID)))))
}

// handedOver: keys that are pending are listed only when they are asked for.
func handedOver(now time.Time) predicate.APIKey {
	return apikey.Or(apikey.PendingSinceIsNil(), apikey.EffectiveExpiresAtLTE(now))
}

// holdsOneOf: the key holds one of the scopes literally.
func holdsOneOf(scopes []string) predicate.APIKey {
	return func(s *sql.Selector) {
		grants := sql.Table(keyscope.Table)
		s.Where(exists(sql.Dialect(s.Dialect()).Select(grants.C(keyscope.FieldKeyID)).From(grants).Where(sql.And(
			sql.In(grants.C(keyscope.FieldScope), values(scopes)...),
			sql.ColumnsEQ(grants.C(keyscope.FieldKeyID), s.C(apikey.FieldID)),
		))))
	}
}

// exists: there is a row, which is looked up for each key that is checked. Without the offset PostgreSQL may
// read all rows beforehand instead.
func exists(rows *sql.Selector) *sql.Predicate { return sql.Exists(rows.Limit(1).Offset(0)) }

func values(texts []string) []any {
	list := make([]any, len(texts))
	for i, t := range texts {
		list[i] = t
	}
	return list
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

// demands reports whether the filter is met only by keys whose column is set, or only by those whose it
// is not.
func (f *Filter) demands(column string) (set, unset bool) {
	inRange := func(r *page.Range) {
		if r != nil {
			set = r.From != nil || r.Before != nil || r.IsNull != nil && !*r.IsNull
			unset = r.IsNull != nil && *r.IsNull
		}
	}
	switch column {
	case apikey.FieldExpiresAt:
		inRange(f.ExpiresAt)
		set = set || len(f.EndReasons) == 1 && f.EndReasons[0] == lifecycle.EndLifetime
	case apikey.FieldLastUsedAt:
		inRange(f.LastUsedAt)
		set = set || f.NeverUsed != nil && !*f.NeverUsed
		unset = unset || f.NeverUsed != nil && *f.NeverUsed
	case apikey.FieldNextRotationAt:
		set = f.RotationDueBefore != nil
	case apikey.FieldEffectiveExpiresAt:
		set = f.ExpiringBefore != nil || f.ExpiringWithin != nil || f.EndReasons != nil || f.asksForEnded()
	}
	return set, unset
}

// asksForEnded reports whether every status asked for is one of keys that have ended.
func (f *Filter) asksForEnded() bool {
	return len(f.Statuses) > 0 && !slices.ContainsFunc(f.Statuses, func(s lifecycle.Status) bool { return !s.Ended() })
}

// asksForLive reports whether every status asked for is one of keys that have not.
func (f *Filter) asksForLive() bool {
	return len(f.Statuses) > 0 && !slices.ContainsFunc(f.Statuses, lifecycle.Status.Ended)
}

// endsBy is the reason of lifecycle.Evaluate in SQL: of equal ends the first of lifetime, disuse, grace
// and revocation.
func endsBy(reason lifecycle.EndReason) predicate.APIKey {
	clocks := []struct {
		reason lifecycle.EndReason
		column string
	}{
		{lifecycle.EndLifetime, apikey.FieldExpiresAt}, {lifecycle.EndNotAccessed, apikey.FieldInactivityExpiresAt},
		{lifecycle.EndRotationGrace, apikey.FieldGraceExpiresAt}, {lifecycle.EndRevoked, apikey.FieldRevokedAt},
	}
	var ps []predicate.APIKey
	for _, clock := range clocks {
		if clock.reason == reason {
			return apikey.And(append(ps, sql.FieldsEQ(clock.column, apikey.FieldEffectiveExpiresAt))...)
		}
		ps = append(ps, apikey.Or(sql.FieldIsNull(clock.column), sql.FieldsGT(clock.column, apikey.FieldEffectiveExpiresAt)))
	}
	return sql.FieldIn[string](apikey.FieldID)
}

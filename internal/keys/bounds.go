package keys

import (
	"slices"
	"strings"
	"time"

	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/principal"
)

// bound is a column that a search compares with some values; of none, it is met by no key. It can be
// walked along when it is one value, or none.
type bound struct {
	column string
	values []string
}

func (b bound) where(s *sql.Selector) {
	if len(b.values) == 1 {
		s.Where(sql.EQ(s.C(b.column), b.values[0]))
		return
	}
	s.Where(sql.In(s.C(b.column), values(b.values)...))
}

// name is that of the bound and no other.
func (b bound) name() string { return b.column + " " + strings.Join(b.values, ",") }

// indexed are the columns that indexes begin with, narrowest first, and the columns that these go on
// with before they end with the id. An order or a range of others has no index.
var indexed = []struct {
	column string
	then   []string
}{
	{apikey.FieldKeyPrefix, nil},
	{apikey.FieldFamilyID, nil},
	{apikey.FieldEnvironmentID, []string{apikey.FieldID}},
	{apikey.FieldOwnerID, []string{apikey.FieldID, apikey.FieldEffectiveExpiresAt}},
	{apikey.FieldCreatedByID, []string{apikey.FieldID}},
	{apikey.FieldProjectID, sortable},
	{apikey.FieldOrganizationID, sortable},
}

var sortable = []string{apikey.FieldID, apikey.FieldEffectiveExpiresAt, apikey.FieldExpiresAt,
	apikey.FieldLastUsedAt, apikey.FieldNameFolded, apikey.FieldNextRotationAt}

// boundsOf are those of a search, narrowest first, one a column: what all of its conditions have in common. The
// last is the caller's organization.
func boundsOf(p *principal.Principal, s Search) []bound {
	var found []bound
	for _, index := range indexed {
		lists := [][]string{}
		for _, f := range s.filters() {
			lists = append(lists, f.ids(index.column))
		}
		switch {
		case index.column == apikey.FieldOwnerID && !p.IsAdmin():
			lists = append(lists, []string{p.UserID})
		case index.column == apikey.FieldOrganizationID:
			lists = append(lists, []string{p.OrganizationID})
		}
		var common []string
		for _, list := range lists {
			switch {
			case list == nil: // absent
			case common == nil:
				common = append([]string{}, list...)
			default:
				common = slices.DeleteFunc(common, func(id string) bool { return !slices.Contains(list, id) })
			}
		}
		if common != nil {
			found = append(found, bound{index.column, common})
		}
	}
	return found
}

// filters are the conditions of a search, wherever they come from.
func (s Search) filters() []*Filter {
	if s.Filter == nil {
		return []*Filter{&s.Within}
	}
	return []*Filter{&s.Within, s.Filter}
}

// ids are what a filter compares a column with, nil when it does not.
func (f *Filter) ids(column string) []string {
	switch column {
	case apikey.FieldKeyPrefix:
		return optional(f.KeyPrefix)
	case apikey.FieldFamilyID:
		return optional(f.FamilyID)
	case apikey.FieldEnvironmentID:
		return f.EnvironmentIDs
	case apikey.FieldOwnerID:
		return f.OwnerIDs
	case apikey.FieldCreatedByID:
		return f.CreatedByIDs
	case apikey.FieldProjectID:
		return f.ProjectIDs
	}
	return nil
}

// walkable is the narrowest of some bounds whose index goes on with a column.
func walkable(of []bound, column string) bound {
	for _, b := range of {
		for _, index := range indexed {
			if len(b.values) <= 1 && index.column == b.column && slices.Contains(index.then, column) {
				return b
			}
		}
	}
	return of[len(of)-1]
}

// span is a range of a column that an index finds keys by.
type span struct {
	column string
	within []func(column string) *sql.Predicate
	// loose: the range is wide as a rule, or keys whose column is unset meet the condition too.
	loose bool
	// name, if any, is that of the condition that no key outside of the loose range meets.
	name string
}

func (r span) where(s *sql.Selector) {
	for _, p := range r.within {
		s.Where(p(s.C(r.column)))
	}
}

// spans are the ranges that the keys of a filter are within.
func (f *Filter) spans(now time.Time) []span {
	from := func(v any) func(string) *sql.Predicate { return func(c string) *sql.Predicate { return sql.GTE(c, v) } }
	before := func(v any) func(string) *sql.Predicate { return func(c string) *sql.Predicate { return sql.LT(c, v) } }
	var spans []span
	add := func(column string, within ...func(string) *sql.Predicate) {
		if len(within) > 0 {
			spans = append(spans, span{column: column, within: within})
		}
	}
	// Not as IS NOT NULL: SQLite would pass over all that are unset.
	set := func(column string, least any) {
		spans = append(spans, span{column, []func(string) *sql.Predicate{from(least)}, true, "set " + column})
	}
	inRange := func(r *page.Range, column string, value func(time.Time) any) {
		if r == nil {
			return
		}
		if r.IsNull != nil && *r.IsNull {
			spans = append(spans, span{column, []func(string) *sql.Predicate{sql.IsNull}, true, "unset " + column})
		}
		if r.IsNull != nil && !*r.IsNull && r.From == nil && r.Before == nil {
			set(column, value(time.Time{}))
		}
		var within []func(string) *sql.Predicate
		if r.From != nil {
			within = append(within, from(value(*r.From)))
		}
		if r.Before != nil {
			within = append(within, before(value(*r.Before)))
		}
		add(column, within...)
	}
	instant := func(t time.Time) any { return t }
	live := func(c string) *sql.Predicate { return sql.GT(c, now) }
	for _, end := range f.expiring(now) {
		within := []func(string) *sql.Predicate{before(end)}
		if f.Statuses == nil {
			within = append(within, live)
		}
		add(apikey.FieldEffectiveExpiresAt, within...)
	}
	inRange(f.ExpiresAt, apikey.FieldExpiresAt, instant)
	inRange(f.LastUsedAt, apikey.FieldLastUsedAt, instant)
	inRange(f.CreatedAt, apikey.FieldID, func(t time.Time) any { return firstID(t) })
	if f.NameStartsWith != nil {
		prefix := fold(*f.NameStartsWith)
		add(apikey.FieldNameFolded, from(prefix), before(prefix+lastName))
	}
	if f.RotationDueBefore != nil {
		add(apikey.FieldNextRotationAt, before(*f.RotationDueBefore))
	}
	for _, at := range f.unused(now) {
		spans = append(spans,
			span{column: apikey.FieldLastUsedAt, within: []func(string) *sql.Predicate{before(at)}, loose: true},
			span{column: apikey.FieldID, within: []func(string) *sql.Predicate{before(firstID(at))}, loose: true})
	}
	switch {
	case f.NeverUsed == nil:
	case *f.NeverUsed:
		spans = append(spans, span{apikey.FieldLastUsedAt, []func(string) *sql.Predicate{sql.IsNull}, true, "unset " + apikey.FieldLastUsedAt})
	default:
		set(apikey.FieldLastUsedAt, time.Time{})
	}
	switch {
	case f.asksForLive():
		spans = append(spans, span{apikey.FieldEffectiveExpiresAt, []func(string) *sql.Predicate{live}, true, "live"})
	case f.asksForEnded():
		over := func(c string) *sql.Predicate { return sql.LTE(c, now) }
		spans = append(spans, span{apikey.FieldEffectiveExpiresAt, []func(string) *sql.Predicate{over}, true, "ended"})
	}
	return spans
}

// The columns that are set in every key of a status, or that ends for a reason; indexes leave the other keys out.
var (
	markOfStatus = map[lifecycle.Status]string{
		lifecycle.Pending: apikey.FieldPendingSince, lifecycle.Suspended: apikey.FieldSuspendedAt,
		lifecycle.RotatingOut: apikey.FieldGraceExpiresAt, lifecycle.Revoked: apikey.FieldRevokedAt,
	}
	markOfEnd = map[lifecycle.EndReason]string{
		lifecycle.EndRotationGrace: apikey.FieldGraceExpiresAt, lifecycle.EndRevoked: apikey.FieldRevokedAt,
	}
)

// marks are, of each condition, columns of which one is set in every key that meets it, and which are set in few
// others.
func (f *Filter) marks() [][]string {
	var found [][]string
	add := func(columns []string) {
		if len(columns) > 0 && !slices.Contains(columns, "") {
			found = append(found, columns)
		}
	}
	add(columnsFor(f.Statuses, markOfStatus))
	add(columnsFor(f.EndReasons, markOfEnd))
	return found
}

// columnsFor are the columns of some values, each once; empty is that of a value that has none.
func columnsFor[V comparable](values []V, of map[V]string) []string {
	var columns []string
	for _, v := range values {
		if column := of[v]; !slices.Contains(columns, column) {
			columns = append(columns, column)
		}
	}
	return columns
}

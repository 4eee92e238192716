package alert

import (
	"context"
	"slices"
	"time"

	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/notification"
	"github.com/keytag/keytag/ent/db/predicate"
	"github.com/keytag/keytag/ent/db/project"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
)

// foresight is what a page of the forecast is read with. What the database is asked for is a little
// more than one risk, since it cannot count back from an end by the calendar; entry decides about each key.
type foresight struct {
	*Alerts
	ForecastSearch
	now, until time.Time
	leads      leads
	// No reminder of an end at quiet or earlier is still to come, in no project. One of a later end than
	// loud is, but in the projects named here.
	quiet, loud time.Time
	silent      []string
}

// foresee reads a page.
func (a *Alerts) foresee(ctx context.Context, s ForecastSearch, b page.Bounds) (*Forecast, error) {
	f := &foresight{Alerts: a, ForecastSearch: s, now: a.now()}
	f.until = s.Within.From(f.now)
	if err := f.listen(ctx); err != nil {
		return nil, err
	}
	risks := slices.Clone(byRisk)
	if b.Backward {
		slices.Reverse(risks)
	}
	if b.From != nil {
		risks = risks[slices.IndexFunc(risks, func(r Risk) bool { return forecastOrder[r] == b.From.Order }):]
	}
	var found []*ForecastEntry
	for i, risk := range risks {
		rest := b
		rest.Size = b.Size - len(found)
		if i > 0 {
			rest.From = nil // begun in the risk before
		}
		more, err := f.read(ctx, risk, rest)
		if err != nil {
			return nil, err
		}
		if found = append(found, more...); len(found) > b.Size {
			break
		}
	}
	p := &Forecast{page.Of(b, found)}
	return p, f.load(ctx, p.Nodes)
}

// load loads what the caller wants beside the keys of a page, and not beside those that were judged in vain.
func (f *foresight) load(ctx context.Context, entries []*ForecastEntry) error {
	if len(entries) == 0 || len(f.With) == 0 {
		return nil
	}
	byID, ids := map[string]*keys.View{}, make([]string, len(entries))
	for i, e := range entries {
		byID[e.APIKey.ID], ids[i] = e.APIKey, e.APIKey.ID
	}
	rows, err := keys.Load(f.store.Client.APIKey.Query().Where(apikey.IDIn(ids...)), f.With).All(ctx)
	for _, row := range rows {
		byID[row.ID].Edges = row.Edges
	}
	return err
}

// mostRows is how many keys are judged at a time, at most.
const mostRows = 800

// read reads entries of one risk, up to one more than the page wants.
func (f *foresight) read(ctx context.Context, risk Risk, b page.Bounds) ([]*ForecastEntry, error) {
	parts := f.stretches(risk)
	if b.Backward {
		slices.Reverse(parts)
	}
	var found []*ForecastEntry
	for _, part := range parts {
		for rows, size := []*db.APIKey(nil), b.Size+1; part.follows(b); size = min(2*size, mostRows) {
			var err error
			if rows, err = f.batch(ctx, part, b, size); err != nil {
				return nil, err
			}
			for _, key := range rows {
				if e := f.entry(ctx, key); e.Risk == risk {
					found = append(found, e)
				}
			}
			if len(found) > b.Size {
				return found[:b.Size+1], nil
			}
			if len(rows) < size {
				break
			}
			last := rows[len(rows)-1]
			b.From = &page.Cursor{At: *last.EffectiveExpiresAt, ID: last.ID}
		}
	}
	return found, nil
}

// batch reads keys of a stretch that follow those read so far, with all that is needed to judge them.
func (f *foresight) batch(ctx context.Context, part stretch, b page.Bounds, size int) ([]*db.APIKey, error) {
	behind, sorted := store.Keyset(b, false, apikey.FieldEffectiveExpiresAt, apikey.FieldID)
	q := f.store.Client.APIKey.Query().
		WithReplacedBy().
		WithNotification(func(q *db.NotificationQuery) { q.WithJob().WithAlertSource() }).
		Where(keys.Checked(apikey.PendingSinceIsNil(), part.only), behind).
		// The cursor says this too, but not to SQLite's choice of where an index is entered.
		Where(apikey.EffectiveExpiresAtGT(part.after), apikey.EffectiveExpiresAtLTE(part.until))
	if part.replaced {
		q.Where(apikey.ReplacedByIDNotNil())
	}
	caller := principal.From(ctx)
	switch {
	case caller.IsAdmin() && f.ProjectID == nil:
		q.Where(apikey.OrganizationID(caller.OrganizationID))
	case caller.IsAdmin():
		q.Where(apikey.ProjectID(*f.ProjectID))
	case f.ProjectID == nil:
		q.Where(apikey.OwnerID(caller.UserID))
	default:
		q.Where(apikey.OwnerID(caller.UserID), keys.Checked(apikey.ProjectID(*f.ProjectID)))
	}
	return q.Order(sorted).Limit(size).All(ctx)
}

// stretch is keys that end after one instant and until another and may have the risk that is read.
type stretch struct {
	after, until time.Time
	only         predicate.APIKey
	// replaced: only keys that were replaced, which an index has.
	replaced bool
}

// follows narrows the stretch to what lies behind the cursor, and reports whether anything does.
func (s *stretch) follows(b page.Bounds) bool {
	switch {
	case b.From == nil:
	case b.Backward && b.From.At.Before(s.until):
		s.until = b.From.At
	case !b.Backward && b.From.At.After(s.after):
		s.after = b.From.At.Add(-time.Microsecond) // others may end at the same instant
	}
	return s.after.Before(s.until)
}

// stretches are where keys of a risk are looked for, the earliest first. Of nearly all keys reminders
// decide whether anybody will be told, and nearly always by the end alone: so what is told and what is not
// mostly lie one behind the other.
func (f *foresight) stretches(risk Risk) []stretch {
	inUse := apikey.LastUsedAtGTE(f.usedSince())
	idle := apikey.Or(apikey.LastUsedAtIsNil(), apikey.LastUsedAtLT(f.usedSince()))
	succeeded, replaced := hasSuccessor(f.now), apikey.ReplacedByIDNotNil()
	// Of keys that were replaced, and in silent projects, no reminder comes, whenever they end.
	unreminded := func(of predicate.APIKey) stretch {
		if len(f.silent) > 0 {
			return stretch{f.loud, f.until, apikey.And(of, apikey.Or(replaced, apikey.ProjectIDIn(f.silent...))), false}
		}
		return stretch{f.loud, f.until, of, true}
	}
	switch risk {
	case Critical:
		alone := apikey.And(inUse, apikey.Not(succeeded))
		return []stretch{{f.now, f.loud, alone, false}, unreminded(alone)}
	case High:
		alone := apikey.And(inUse, apikey.Not(succeeded))
		return []stretch{{f.now, f.quiet, apikey.And(alone, hasNotification), false}, {f.quiet, f.until, alone, false}}
	case Medium:
		either := apikey.Or(apikey.And(inUse, succeeded), apikey.And(idle, apikey.Not(succeeded)))
		return []stretch{{f.now, f.loud, either, false}, unreminded(either)}
	}
	return []stretch{{f.now, f.quiet, apikey.And(idle, apikey.Or(replaced, hasNotification)), false}, {f.quiet, f.until, idle, false}}
}

func (f *foresight) usedSince() time.Time { return f.now.Add(-usedWithin) }

// hasSuccessor: the key that took the place of this one has not ended by now and is not removed.
func hasSuccessor(now time.Time) predicate.APIKey {
	return func(s *sql.Selector) {
		successor := sql.Table(apikey.Table).As("successor")
		s.Where(oneOf(s, successor, sql.And(
			sql.ColumnsEQ(successor.C(apikey.FieldID), s.C(apikey.FieldReplacedByID)),
			sql.IsNull(successor.C(apikey.FieldRemovedAt)),
			sql.GT(successor.C(apikey.FieldEffectiveExpiresAt), now),
		)))
	}
}

// hasNotification: the key has a notification, sent or not.
func hasNotification(s *sql.Selector) {
	n := sql.Table(notification.Table)
	s.Where(oneOf(s, n, sql.ColumnsEQ(n.C(notification.FieldKeyID), s.C(apikey.FieldID))))
}

// oneOf: there is a row. It is counted, because PostgreSQL may answer EXISTS by reading the whole table
// beforehand, for the few keys that a page asks about.
func oneOf(s *sql.Selector, table *sql.SelectTable, where *sql.Predicate) *sql.Predicate {
	rows := sql.Dialect(s.Dialect()).Select(sql.Count("*")).From(table).Where(where)
	return sql.P(func(b *sql.Builder) { b.Wrap(func(b *sql.Builder) { b.Join(rows) }).WriteString(" = 1") })
}

// leads are the lead times of an organization's projects.
type leads struct {
	usual []lifecycle.Period
	own   map[string][]lifecycle.Period // of projects that have their own
}

func (l leads) of(projectID string) []lifecycle.Period {
	if own, set := l.own[projectID]; set {
		return own
	}
	return l.usual
}

// mostSilent is how many projects a statement names; with more, all are looked at as if they were one.
const mostSilent = 1000

// listen finds out when reminders come.
func (f *foresight) listen(ctx context.Context) error {
	organization, err := f.store.Client.Organization.Get(ctx, principal.From(ctx).OrganizationID)
	if err != nil {
		return err
	}
	q := f.store.Client.Project.Query().Where(project.ReminderLeadTimesNotNil())
	if f.ProjectID != nil {
		q.Where(project.ID(*f.ProjectID))
	}
	projects, err := q.All(ctx)
	if err != nil {
		return err
	}
	f.leads = leads{leadTimes(organization, nil), map[string][]lifecycle.Period{}}
	for _, p := range projects {
		f.leads.own[p.ID] = leadTimes(organization, p)
	}
	if f.ProjectID != nil {
		f.quiet, f.loud = f.reach(f.leads.of(*f.ProjectID))
		return nil
	}
	f.quiet, f.loud = f.reach(f.leads.usual)
	loudest := f.loud
	for id, own := range f.leads.own {
		quiet, loud := f.reach(own)
		f.quiet, loudest = earliest(f.quiet, quiet), latest(loudest, &loud)
		if loud.After(f.loud) {
			f.silent = append(f.silent, id)
		}
	}
	if len(f.silent) > mostSilent {
		f.loud, f.silent = loudest, nil
	}
	return nil
}

// reach is from which ends on a reminder is still to come: not of one at quiet or earlier, certainly of
// one later than loud.
func (f *foresight) reach(leads []lifecycle.Period) (quiet, loud time.Time) {
	quiet, loud = f.until, f.until
	for _, lead := range leads {
		first, last := lead.Reach(f.now)
		quiet, loud = earliest(quiet, first), earliest(loud, last)
	}
	return quiet, loud
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

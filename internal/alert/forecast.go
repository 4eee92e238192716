package alert

import (
	"context"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/typeid"
)

// Risk is how much goes wrong if nobody does anything about the coming end of a key. Values are those
// of the GraphQL enum RiskLevel.
type Risk string

const (
	Critical Risk = "CRITICAL"
	High     Risk = "HIGH"
	Medium   Risk = "MEDIUM"
	Low      Risk = "LOW"
)

// riskOf decides how bad the end of a key is.
func riskOf(inUse, succeeded, told bool) Risk {
	switch {
	case inUse && !succeeded && !told:
		return Critical
	case inUse && !succeeded:
		return High
	case inUse, !succeeded && !told:
		return Medium
	}
	return Low
}

// usedWithin is how long ago a key that is still in use was used last: what runs once a month uses its key.
const usedWithin = 30 * 24 * time.Hour

// ForecastSearch asks for the ends within a period from now, of one project if it is given.
type ForecastSearch struct {
	Within    lifecycle.Period
	ProjectID *string
	Page      page.Args
	With      []keys.Field
}

// ForecastEntry is the coming end of a key.
type ForecastEntry struct {
	APIKey                               *keys.View
	EndsAt                               time.Time
	EndsBecause                          lifecycle.EndReason
	StillInUse, HasSuccessor, WillNotify bool
	Risk                                 Risk
}

// Forecast is a page of coming ends.
type Forecast struct {
	page.Page[*ForecastEntry]
}

// The list is four, one behind the other: each risk has an order of its own.
var (
	byRisk        = []Risk{Critical, High, Medium, Low}
	forecastOrder = map[Risk]string{Critical: "fc", High: "fh", Medium: "fm", Low: "fl"}
)

// Cursor is the place of an entry of the page in the whole list.
func (*Forecast) Cursor(e *ForecastEntry) string {
	return page.Encode(forecastOrder[e.Risk], page.Cursor{At: e.EndsAt, ID: e.APIKey.ID})
}

// Forecast lists the coming ends of keys that the caller may see: riskiest first, then the earliest, then by
// id. User errors: InputError on the project or the page. What takes more than two seconds is given up:
// `query.too_expensive`.
func (a *Alerts) Forecast(ctx context.Context, s ForecastSearch) (*Forecast, error) {
	bounds, err := s.Page.Bounds(forecastOrder[Critical], forecastOrder[High], forecastOrder[Medium], forecastOrder[Low])
	if err != nil {
		return nil, err
	}
	if bounds.From != nil && bounds.From.At.IsZero() {
		return nil, s.Page.CursorInvalid() // every key of the list has an end
	}
	if s.ProjectID != nil {
		if err := typeid.Want(typeid.Project, "projectId", *s.ProjectID); err != nil {
			return nil, err
		}
	}
	var found *Forecast
	err = a.keys.InTurn(ctx, "too many keys end within this period; narrow it by within or projectId", []string{"within", "projectId"}, func(ctx context.Context) error {
		found, err = a.foresee(ctx, s, bounds)
		return err
	})
	return found, err
}

// entry judges the coming end of a key.
func (f *foresight) entry(ctx context.Context, key *db.APIKey) *ForecastEntry {
	view := f.keys.View(ctx, key, f.now)
	e := &ForecastEntry{
		APIKey:       view,
		EndsAt:       *view.EffectiveExpiresAt(),
		EndsBecause:  *view.EndsBecause(),
		StillInUse:   key.LastUsedAt != nil && !key.LastUsedAt.Before(f.usedSince()),
		HasSuccessor: key.Edges.ReplacedBy != nil && !keys.ViewIn(key.Edges.ReplacedBy, f.now, time.UTC).Status().Ended(),
	}
	e.WillNotify = notifies(key.Edges.Notification, e.EndsAt) || f.reminds(key, e)
	e.Risk = riskOf(e.StillInUse, e.HasSuccessor, e.WillNotify)
	return e
}

// notifies reports whether a notification, nil when there is none, will be sent before an end.
func notifies(n *db.Notification, end time.Time) bool {
	if n == nil || n.Edges.Job == nil || n.Edges.AlertSource == nil {
		return false
	}
	return n.NotifyAt.Before(end) && n.Edges.Job.Status == job.Scheduled && n.Edges.AlertSource.Enabled
}

// reminds reports whether a reminder of an end is still to come.
func (f *foresight) reminds(key *db.APIKey, e *ForecastEntry) bool {
	if !isReminded(key) {
		return false
	}
	_, next := reminders(f.leads.of(key.ProjectID), setAt(key, e.EndsBecause), f.now, e.EndsAt)
	return next != nil
}

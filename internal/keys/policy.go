package keys

import (
	"context"
	"fmt"
	"slices"
	"time"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/organization"
	"github.com/keytag/keytag/ent/db/project"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
)

// Policy bounds the life of the keys of a project. The organization's values and the project's both
// apply: of the instants they lead to, the earlier counts.
type Policy struct {
	maxExpiration []lifecycle.Period
	notAccessed   []lifecycle.Period
	maxGrace      []lifecycle.Period
	defaultGrace  lifecycle.Period
	leadTimes     []lifecycle.Period
}

// The values of an organization that has set none.
var (
	BuiltInMaxExpiration = lifecycle.MustPeriod("P6M")
	BuiltInNotAccessed   = lifecycle.MustPeriod("P3M")
	BuiltInDefaultGrace  = lifecycle.MustPeriod("PT1H")
	BuiltInMaxGrace      = lifecycle.MustPeriod("P7D")
	BuiltInLeadTimes     = []lifecycle.Period{lifecycle.MustPeriod("P30D"), lifecycle.MustPeriod("P7D"), lifecycle.MustPeriod("P1D")}
)

// NewPolicy combines the two levels; project may be nil.
func NewPolicy(o *db.Organization, p *db.Project) Policy {
	policy := Policy{
		maxExpiration: []lifecycle.Period{or(o.MaxExpirationPeriod, BuiltInMaxExpiration)},
		maxGrace:      []lifecycle.Period{or(o.MaxGracePeriod, BuiltInMaxGrace)},
		defaultGrace:  or(o.DefaultGracePeriod, BuiltInDefaultGrace),
		leadTimes:     BuiltInLeadTimes,
	}
	if o.ReminderLeadTimes != nil {
		policy.leadTimes = o.ReminderLeadTimes
	}
	if !o.NotAccessedOff {
		policy.notAccessed = []lifecycle.Period{or(o.NotAccessedExpirationPeriod, BuiltInNotAccessed)}
	}
	if p == nil {
		return policy
	}
	policy.maxExpiration = also(policy.maxExpiration, p.MaxExpirationPeriod)
	policy.notAccessed = also(policy.notAccessed, p.NotAccessedExpirationPeriod)
	policy.maxGrace = also(policy.maxGrace, p.MaxGracePeriod)
	policy.defaultGrace = or(p.DefaultGracePeriod, policy.defaultGrace)
	if p.ReminderLeadTimes != nil {
		policy.leadTimes = p.ReminderLeadTimes
	}
	return policy
}

func or(value *lifecycle.Period, fallback lifecycle.Period) lifecycle.Period {
	if value == nil {
		return fallback
	}
	return *value
}

func also(periods []lifecycle.Period, value *lifecycle.Period) []lifecycle.Period {
	if value == nil {
		return periods
	}
	return append(periods, *value)
}

// strictest is the period of those given that leads to the earliest instant from t.
func strictest(periods []lifecycle.Period, t time.Time) (lifecycle.Period, time.Time) {
	period, end := periods[0], periods[0].From(t)
	for _, other := range periods[1:] {
		if earlier := other.From(t); earlier.Before(end) {
			period, end = other, earlier
		}
	}
	return period, end
}

// MaxExpiration is the longest life of a key made at t.
func (p Policy) MaxExpiration(t time.Time) lifecycle.Period {
	period, _ := strictest(p.maxExpiration, t)
	return period
}

// NotAccessed is how long a key unused since t lives, nil when disuse ends no key.
func (p Policy) NotAccessed(t time.Time) *lifecycle.Period {
	if len(p.notAccessed) == 0 {
		return nil
	}
	period, _ := strictest(p.notAccessed, t)
	return &period
}

// MaxGrace is the longest grace of a rotation at t.
func (p Policy) MaxGrace(t time.Time) lifecycle.Period {
	period, _ := strictest(p.maxGrace, t)
	return period
}

// DefaultGrace is the grace of a rotation at t that asks for none.
func (p Policy) DefaultGrace(t time.Time) lifecycle.Period {
	period, _ := strictest(append(p.maxGrace[:len(p.maxGrace):len(p.maxGrace)], p.defaultGrace), t)
	return period
}

// ReminderLeadTimes are how long before the end of a key its owner is told; those of the project
// override those of the organization.
func (p Policy) ReminderLeadTimes() []lifecycle.Period { return p.leadTimes }

// latestEnd is the last instant at which the lifetime of a key made at t may end.
func (p Policy) latestEnd(t time.Time) time.Time {
	_, end := strictest(p.maxExpiration, t)
	return end
}

// inactivityEnd is when a key last used at t ends if it is not used again; nil when never.
func (p Policy) inactivityEnd(t time.Time) *time.Time {
	if len(p.notAccessed) == 0 {
		return nil
	}
	_, end := strictest(p.notAccessed, t)
	return &end
}

// grace answers when a key replaced at now ends, given the period asked for. It never lengthens
// the grace that the key already has.
func (p Policy) grace(now time.Time, asked *lifecycle.Period, running *time.Time) (time.Time, fault.UserError) {
	longest, latest := strictest(p.maxGrace, now)
	end := or(asked, p.DefaultGrace(now)).From(now)
	if end.After(latest) {
		return end, graceOutOfRange(longest)
	}
	if running != nil && running.Before(end) {
		end = *running
	}
	return end, nil
}

// policyOf reads the policy that binds the keys of a project, and keeps it from changing until the
// transaction ends: a policy that changes afterwards finds what was written under this one.
func policyOf(ctx context.Context, tx *store.Tx, organizationID, projectID string) (Policy, error) {
	policies, err := policiesOf(ctx, tx, []string{organizationID}, []string{projectID})
	return policies[projectID], err
}

// policiesOf is policyOf for several projects of some organizations.
func policiesOf(ctx context.Context, tx *store.Tx, organizationIDs, projectIDs []string) (map[string]Policy, error) {
	ctx = principal.System(ctx)
	organizations := tx.Organization.Query().Where(organization.IDIn(organizationIDs...)).Order(db.Asc(organization.FieldID))
	projects := tx.Project.Query().Where(project.IDIn(projectIDs...)).Order(db.Asc(project.FieldID))
	if tx.Dialect() == dialect.Postgres { // SQLite has one writer
		organizations.ForShare()
		projects.ForShare()
	}
	os, err := organizations.All(ctx)
	if err != nil {
		return nil, err
	}
	ps, err := projects.All(ctx)
	if err != nil {
		return nil, err
	}
	policies := make(map[string]Policy, len(ps))
	for _, p := range ps {
		i := slices.IndexFunc(os, func(o *db.Organization) bool { return o.ID == p.OrganizationID })
		if i < 0 {
			return nil, fmt.Errorf("no organization of project %s", p.ID)
		}
		policies[p.ID] = NewPolicy(os[i], p)
	}
	for _, id := range projectIDs {
		if _, ok := policies[id]; !ok {
			return nil, fmt.Errorf("no project %s", id)
		}
	}
	return policies, nil
}

// readPolicy is policyOf for an answer that nothing is written under.
func readPolicy(ctx context.Context, client *db.Client, organizationID, projectID string) (Policy, error) {
	ctx = principal.System(ctx)
	o, err := client.Organization.Get(ctx, organizationID)
	if err != nil {
		return Policy{}, err
	}
	p, err := client.Project.Get(ctx, projectID)
	if err != nil {
		return Policy{}, err
	}
	return NewPolicy(o, p), nil
}

// minLifetime is how far away, at least, the end of a key must lie when it is set.
const minLifetime = time.Minute

// expiry is what an input says about the end of a key: an instant, a length, or nothing.
type expiry struct {
	at *time.Time
	in *lifecycle.Period
}

// resolve answers the end to store: what the input says if it lies within [now + 1 minute,
// latest], both included, else an ExpiryOutOfRangeError; fallback when it says nothing.
func (e expiry) resolve(now, latest, fallback time.Time) (time.Time, fault.UserError) {
	var end time.Time
	field := "expiresAt"
	switch {
	case e.at != nil && e.in != nil:
		return end, fault.Invalid("give expiresAt or expiresIn, not both", "expiresAt", "expiresIn")
	case e.at != nil:
		end = lifecycle.Instant(*e.at)
	case e.in != nil:
		end, field = e.in.From(now), "expiresIn"
	default:
		return fallback, nil
	}
	if earliest := now.Add(minLifetime); end.Before(earliest) || end.After(latest) {
		return end, expiryOutOfRange(earliest, latest, field)
	}
	return end, nil
}

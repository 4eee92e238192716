package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// UpdatePolicyInput says what to change of a policy: the project's, or without one the
// organization's. An absent member leaves its value; a null one returns it to what the level above
// says, NotAccessedExpirationPeriod of the organization to off.
type UpdatePolicyInput struct {
	ProjectID                   *string
	MaxExpirationPeriod         graphql.Omittable[*lifecycle.Period]
	NotAccessedExpirationPeriod graphql.Omittable[*lifecycle.Period]
	DefaultGracePeriod          graphql.Omittable[*lifecycle.Period]
	MaxGracePeriod              graphql.Omittable[*lifecycle.Period]
	ReminderLeadTimes           graphql.Omittable[[]lifecycle.Period]
}

// Policy is the policy in force at a level, with the level that set each value.
type Policy struct {
	MaxExpirationPeriod         lifecycle.Period
	NotAccessedExpirationPeriod *lifecycle.Period
	DefaultGracePeriod          lifecycle.Period
	MaxGracePeriod              lifecycle.Period
	ReminderLeadTimes           []lifecycle.Period
	Sources                     []PolicySource
}

// PolicySource names the level that set a value: Project, or if that is nil Organization.
type PolicySource struct {
	Field        string
	Organization *db.Organization
	Project      *db.Project
}

// PolicyOf is the policy in force in an organization, or in one of its projects.
func (d *Directory) PolicyOf(organization *db.Organization, project *db.Project) *Policy {
	return policyInForce(organization, project, d.now())
}

func policyInForce(o *db.Organization, p *db.Project, now time.Time) *Policy {
	combined := keys.NewPolicy(o, p)
	policy := &Policy{
		MaxExpirationPeriod:         combined.MaxExpiration(now),
		NotAccessedExpirationPeriod: combined.NotAccessed(now),
		DefaultGracePeriod:          combined.DefaultGrace(now),
		MaxGracePeriod:              combined.MaxGrace(now),
		ReminderLeadTimes:           combined.ReminderLeadTimes(),
		Sources:                     []PolicySource{},
	}
	source := func(field string, inForce *lifecycle.Period, organization *lifecycle.Period, organizationSet bool, project *lifecycle.Period) {
		switch {
		case project != nil && inForce != nil && *project == *inForce:
			policy.Sources = append(policy.Sources, PolicySource{Field: field, Project: p})
		case organizationSet:
			policy.Sources = append(policy.Sources, PolicySource{Field: field, Organization: o})
		}
	}
	var own db.Project
	if p != nil {
		own = *p
	}
	source("maxExpirationPeriod", &policy.MaxExpirationPeriod, o.MaxExpirationPeriod, o.MaxExpirationPeriod != nil, own.MaxExpirationPeriod)
	source("notAccessedExpirationPeriod", policy.NotAccessedExpirationPeriod, o.NotAccessedExpirationPeriod, o.NotAccessedExpirationPeriod != nil || o.NotAccessedOff, own.NotAccessedExpirationPeriod)
	source("defaultGracePeriod", &policy.DefaultGracePeriod, o.DefaultGracePeriod, o.DefaultGracePeriod != nil, own.DefaultGracePeriod)
	source("maxGracePeriod", &policy.MaxGracePeriod, o.MaxGracePeriod, o.MaxGracePeriod != nil, own.MaxGracePeriod)
	switch {
	case p != nil && p.ReminderLeadTimes != nil:
		policy.Sources = append(policy.Sources, PolicySource{Field: "reminderLeadTimes", Project: p})
	case o.ReminderLeadTimes != nil:
		policy.Sources = append(policy.Sources, PolicySource{Field: "reminderLeadTimes", Organization: o})
	}
	return policy
}

// UpdatePolicy changes a policy and then every key that it ends earlier, and answers when all are
// done. User errors: InputError.
func (d *Directory) UpdatePolicy(ctx context.Context, in UpdatePolicyInput) (*Policy, error) {
	now, p := d.now(), principal.From(ctx)
	if in.ProjectID != nil {
		if err := typeid.Want(typeid.Project, "projectId", *in.ProjectID); err != nil {
			return nil, err
		}
	}
	var organization *db.Organization
	var project *db.Project
	var sweep string
	err := d.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		// Whoever reads the policy to write a key under it holds this row until that is written.
		if err := tx.Organization.UpdateOneID(p.OrganizationID).Modify(touch).Exec(ctx); err != nil {
			return err
		}
		before, err := tx.Organization.Get(ctx, p.OrganizationID)
		if err != nil {
			return err
		}
		var fields []change.Field
		subject := before.ID
		if in.ProjectID == nil {
			if organization, err = in.applyToOrganization(ctx, tx, before); err != nil {
				return err
			}
			fields = change.Between(before, organization, organizationFields)
		} else {
			organization, subject = before, *in.ProjectID
			old, err := tx.Project.Get(ctx, *in.ProjectID)
			if db.IsNotFound(err) {
				return fault.NotFound("project", "projectId")
			}
			if err != nil {
				return err
			}
			if project, err = in.applyToProject(ctx, tx, now, old); err != nil {
				return err
			}
			fields = change.Between(old, project, projectFields)
		}
		if err := in.check(organization, project, now); err != nil {
			return err
		}
		if in.MaxExpirationPeriod.IsSet() || in.NotAccessedExpirationPeriod.IsSet() || in.ReminderLeadTimes.IsSet() {
			sweep, err = keys.BeginSweep(ctx, tx, now, p.OrganizationID, in.ProjectID, in.ReminderLeadTimes.IsSet())
			if err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Event{At: now, Action: "policy.changed", SubjectID: subject, Changes: fields})
	})
	if err != nil {
		return nil, err
	}
	if sweep != "" {
		if err := d.keys.Sweep(ctx, sweep); err != nil {
			return nil, err
		}
	}
	return policyInForce(organization, project, now), nil
}

const maxLeadTimes = 10

// checkLeadTimes refuses lead times that would tell nobody anything, or twice the same.
func (in UpdatePolicyInput) checkLeadTimes(now time.Time) fault.List {
	leads := in.ReminderLeadTimes.Value()
	if len(leads) > maxLeadTimes {
		return fault.List{fault.Invalid(fmt.Sprintf("reminderLeadTimes must have at most %d entries", maxLeadTimes), "reminderLeadTimes")}
	}
	seen := map[time.Time]bool{}
	for _, lead := range leads {
		at := lead.From(now)
		if lead.IsZero() || seen[at] {
			return fault.List{fault.Invalid("reminderLeadTimes must be positive and differ from each other", "reminderLeadTimes")}
		}
		seen[at] = true
	}
	return nil
}

// periods are the members of the input by name.
func (in UpdatePolicyInput) periods() map[string]graphql.Omittable[*lifecycle.Period] {
	return map[string]graphql.Omittable[*lifecycle.Period]{
		"maxExpirationPeriod":         in.MaxExpirationPeriod,
		"notAccessedExpirationPeriod": in.NotAccessedExpirationPeriod,
		"defaultGracePeriod":          in.DefaultGracePeriod,
		"maxGracePeriod":              in.MaxGracePeriod,
	}
}

// check refuses what cannot be meant, given the levels as they would be.
func (in UpdatePolicyInput) check(o *db.Organization, p *db.Project, now time.Time) error {
	faults := in.checkLeadTimes(now)
	if p := in.NotAccessedExpirationPeriod.Value(); p != nil && p.From(now).Before(now.Add(keys.MinNotAccessed)) {
		faults = append(faults, fault.Invalid("notAccessedExpirationPeriod must be at least PT5M: the last use is known to the minute", "notAccessedExpirationPeriod"))
	}
	if at := in.MaxExpirationPeriod.Value(); at != nil && at.From(now).Before(now.Add(time.Minute)) {
		faults = append(faults, fault.Invalid("maxExpirationPeriod must be at least PT1M", "maxExpirationPeriod"))
	}
	if p != nil {
		above := policyInForce(o, nil, now)
		for _, member := range []struct {
			field string
			own   *lifecycle.Period
			above *lifecycle.Period
		}{
			{"maxExpirationPeriod", p.MaxExpirationPeriod, &above.MaxExpirationPeriod},
			{"notAccessedExpirationPeriod", p.NotAccessedExpirationPeriod, above.NotAccessedExpirationPeriod},
			{"maxGracePeriod", p.MaxGracePeriod, &above.MaxGracePeriod},
		} {
			if in.periods()[member.field].Value() != nil && member.above != nil && member.own.From(now).After(member.above.From(now)) {
				faults = append(faults, fault.Invalid(member.field+" of a project must not exceed the organization's, "+member.above.String(), member.field))
			}
		}
	}
	if grace := in.DefaultGracePeriod.Value(); grace != nil {
		if most := keys.NewPolicy(o, p).MaxGrace(now); grace.From(now).After(most.From(now)) {
			faults = append(faults, fault.Invalid("defaultGracePeriod must not exceed maxGracePeriod, "+most.String(), "defaultGracePeriod"))
		}
	}
	return faults.OrNil()
}

func (in UpdatePolicyInput) applyToOrganization(ctx context.Context, tx *store.Tx, before *db.Organization) (*db.Organization, error) {
	update := tx.Organization.UpdateOneID(before.ID)
	set(in.MaxExpirationPeriod, func(v lifecycle.Period) { update.SetMaxExpirationPeriod(v) }, func() { update.ClearMaxExpirationPeriod() })
	set(in.NotAccessedExpirationPeriod,
		func(v lifecycle.Period) { update.SetNotAccessedExpirationPeriod(v).SetNotAccessedOff(false) },
		func() { update.ClearNotAccessedExpirationPeriod().SetNotAccessedOff(true) })
	set(in.DefaultGracePeriod, func(v lifecycle.Period) { update.SetDefaultGracePeriod(v) }, func() { update.ClearDefaultGracePeriod() })
	set(in.MaxGracePeriod, func(v lifecycle.Period) { update.SetMaxGracePeriod(v) }, func() { update.ClearMaxGracePeriod() })
	setLeadTimes(in.ReminderLeadTimes, func(v []lifecycle.Period) { update.SetReminderLeadTimes(v) }, func() { update.ClearReminderLeadTimes() })
	return update.Modify(touch).Save(ctx)
}

func (in UpdatePolicyInput) applyToProject(ctx context.Context, tx *store.Tx, now time.Time, before *db.Project) (*db.Project, error) {
	update := tx.Project.UpdateOneID(before.ID).SetUpdatedAt(now)
	set(in.MaxExpirationPeriod, func(v lifecycle.Period) { update.SetMaxExpirationPeriod(v) }, func() { update.ClearMaxExpirationPeriod() })
	set(in.NotAccessedExpirationPeriod, func(v lifecycle.Period) { update.SetNotAccessedExpirationPeriod(v) }, func() { update.ClearNotAccessedExpirationPeriod() })
	set(in.DefaultGracePeriod, func(v lifecycle.Period) { update.SetDefaultGracePeriod(v) }, func() { update.ClearDefaultGracePeriod() })
	set(in.MaxGracePeriod, func(v lifecycle.Period) { update.SetMaxGracePeriod(v) }, func() { update.ClearMaxGracePeriod() })
	setLeadTimes(in.ReminderLeadTimes, func(v []lifecycle.Period) { update.SetReminderLeadTimes(v) }, func() { update.ClearReminderLeadTimes() })
	return update.Save(ctx)
}

// setLeadTimes is set for the one member that is a list; an empty one tells nobody.
func setLeadTimes(member graphql.Omittable[[]lifecycle.Period], value func([]lifecycle.Period), null func()) {
	switch v := member.Value(); {
	case !member.IsSet():
	case v == nil:
		null()
	default:
		value(v)
	}
}

// set carries an input member over: a value, a null, or nothing.
func set(member graphql.Omittable[*lifecycle.Period], value func(lifecycle.Period), null func()) {
	switch v := member.Value(); {
	case !member.IsSet():
	case v == nil:
		null()
	default:
		value(*v)
	}
}

var organizationFields = []change.Recorded[db.Organization]{
	{Name: "maxExpirationPeriod", Value: func(o *db.Organization) *string { return change.Optional(o.MaxExpirationPeriod) }},
	{Name: "notAccessedExpirationPeriod", Value: func(o *db.Organization) *string {
		if o.NotAccessedOff {
			return change.Text("off")
		}
		return change.Optional(o.NotAccessedExpirationPeriod)
	}},
	{Name: "defaultGracePeriod", Value: func(o *db.Organization) *string { return change.Optional(o.DefaultGracePeriod) }},
	{Name: "maxGracePeriod", Value: func(o *db.Organization) *string { return change.Optional(o.MaxGracePeriod) }},
	{Name: "reminderLeadTimes", Value: func(o *db.Organization) *string { return leadTimes(o.ReminderLeadTimes) }},
}

func leadTimes(leads []lifecycle.Period) *string {
	if leads == nil {
		return nil
	}
	texts := make([]string, len(leads))
	for i, lead := range leads {
		texts[i] = lead.String()
	}
	return change.List(texts)
}

package benchdata

import (
	"errors"
	"time"

	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/typeid"
)

const (
	// scheduledEvery family has a rotation schedule.
	scheduledEvery = 10
	// pendingEvery active key that has no successor gets one that is pending: of all keys one in 2000.
	pendingEvery = 1_400
	// notifiedEvery live key that has no successor has a notification.
	notifiedEvery = 50

	// Automatic rotations come within soonest days, or are overdue by less than overdue.
	soonest = 90
	overdue = 30 * time.Minute

	webhookHost = "hooks.example.com"
)

// schedule is that of a family, as its newest key has it.
type schedule struct {
	intervalDays int // 0: the family is rotated by hand alone
	delivery     lifecycle.RotationDelivery
}

// rotation is what brings a pending key to its holder.
type rotation struct{ id, jobID string }

// notification is the one of a key; it was given when the key was made.
type notification struct{ id, jobID, sourceID string }

// ahead gives a key without a successor what is to come for it.
func (d *Data) ahead(k *Key, org *organization, as claim) {
	status := k.State.Status()
	live := status == lifecycle.Active || status == lifecycle.Suspended
	switch {
	case status == lifecycle.Active && d.deliver(k, as):
	case random(d.Seed, ofSchedule, as.family).IntN(scheduledEvery) == 0:
		k.schedule = &schedule{delivery: lifecycle.Claim}
		if live {
			d.scheduleNext(k)
		}
	}
	if r := random(d.Seed, ofNotification, k.Index); live && r.IntN(notifiedEvery) == 0 {
		end := k.Expires
		if !k.InactivityExpires.IsZero() {
			end = earliest(end, k.InactivityExpires)
		}
		k.NotifyAt = between(r, d.Now.Add(time.Second), end)
		k.notification = &notification{id(typeid.Notification, k.Created, r), id(typeid.AlertJob, k.Created, r), org.sourceID}
	}
}

// scheduleNext sets when a live key is rotated, before its lifetime is over; one that has not a day
// left keeps a schedule without an interval.
func (d *Data) scheduleNext(k *Key) {
	age := d.Now.Sub(k.Created)
	days, left := int(age/day), int(k.Expires.Sub(d.Now)/day)
	switch r := random(d.Seed, ofNextRotation, k.Index); {
	case days > 0 && age%day < overdue:
		k.schedule.intervalDays = days
	case left > 0:
		k.schedule.intervalDays = days + 1 + r.IntN(min(left, soonest))
	default:
		return
	}
	k.NextRotation = k.Created.AddDate(0, 0, k.schedule.intervalDays)
}

// deliver lets a key to be made in the last three days be the pending successor of k, if k is one to
// have such. The largest project of all has one as soon as that is possible.
func (d *Data) deliver(k *Key, as claim) bool {
	needed := !d.delivered && k.ProjectID == d.organizations[0].projects[0].id
	if !needed && random(d.Seed, ofPending, k.Index).IntN(pendingEvery) > 0 {
		return false
	}
	days := int(d.Now.Sub(k.Created)/day) - 2
	if days < 1 {
		return false
	}
	next, found := d.after(k.Created.AddDate(0, 0, days))
	if !found {
		return false
	}
	d.delivered = d.delivered || needed
	d.claims[next] = claim{as.family, as.generation + 1, k.Index, true}
	k.schedule = &schedule{days, lifecycle.Inline}
	return true
}

// await makes a key one that its holder has not received yet.
func (d *Data) await(k *Key) {
	r := random(d.Seed, ofRotation, k.Index)
	k.State, k.Pending, k.Updated = Pending, k.Created, k.Created
	k.rotation = &rotation{id(typeid.Rotation, k.Created, r), id(typeid.AlertJob, k.Created, r)}
}

// addAhead hands over the rows about a key beside its own, as the server writes them; secrets that it
// would keep sealed are left out.
func (k *Key) addAhead(s sink) error {
	about := func(id string, more ...any) []any {
		return append([]any{id, k.OrganizationID, k.OwnerID, k.FamilyID}, more...)
	}
	if sch := k.schedule; sch != nil {
		var interval any
		if sch.intervalDays > 0 {
			interval = sch.intervalDays
		}
		if err := s.add(rotationSchedules, about(k.FamilyID, interval, string(sch.delivery),
			"https://"+webhookHost+"/keytag/"+k.FamilyID, k.Created, k.Created)); err != nil {
			return err
		}
	}
	if r := k.rotation; r != nil {
		if err := errors.Join(
			s.add(jobs, about(r.jobID, k.ReplacesID, string(job.Webhook), string(job.Scheduled), webhookHost,
				nil, nil, r.id, "api_key.rotated", k.Created, k.Created, k.Created)),
			s.add(rotations, about(r.id, k.ReplacesID, k.ID, true, string(lifecycle.Delivering), r.jobID, k.Created)),
		); err != nil {
			return err
		}
	}
	if n := k.notification; n != nil {
		return errors.Join(
			s.add(jobs, about(n.jobID, k.ID, string(job.Alert), string(job.Scheduled), "",
				n.sourceID, n.id, nil, "", k.NotifyAt, k.NotifyAt, k.Created)),
			s.add(notifications, about(n.id, k.ID, k.NotifyAt, n.sourceID, n.jobID, k.Created, k.Created)),
		)
	}
	return nil
}

package benchdata

import (
	"math/rand/v2"
	"time"

	"github.com/keytag/keytag/internal/lifecycle"
)

const day = 24 * time.Hour

// State is what has become of a key by Options.Now.
type State string

const (
	UsedRecently    State = "used recently"       // within 7 days
	UsedThisQuarter State = "used this quarter"   // within 7 to 90 days
	Unused90Days    State = "unused for 90 days"  // and active still
	NeverUsed       State = "never used"          // and active still
	EndsSoon        State = "ends within 7 days"  // by its lifetime
	LifetimeOver    State = "lifetime over"       // expired
	Disused         State = "expired by disuse"   // expired
	InGrace         State = "rotated, in grace"   // rotating out
	GraceOver       State = "rotated, grace over" // expired
	Suspended       State = "suspended"
	Revoked         State = "revoked"
	Removed         State = "removed" // a tombstone that no list shows
	Pending         State = "pending" // made by a rotation, and not delivered yet
)

// Status is that of the keys in the state, empty for what no list shows.
func (s State) Status() lifecycle.Status {
	switch s {
	case LifetimeOver, Disused, GraceOver:
		return lifecycle.Expired
	case InGrace:
		return lifecycle.RotatingOut
	case Suspended:
		return lifecycle.Suspended
	case Revoked:
		return lifecycle.Revoked
	case Pending:
		return lifecycle.Pending
	case Removed:
		return ""
	}
	return lifecycle.Active
}

// shares are in per mille. A key too young or too old for its state is one used recently. Those that
// are pending come beside (deliver).
var shares = []struct {
	state State
	share int
}{
	{UsedRecently, 290},
	{UsedThisQuarter, 110},
	{Unused90Days, 120},
	{NeverUsed, 100},
	{EndsSoon, 25},
	{LifetimeOver, 80},
	{Disused, 90},
	{InGrace, 12},
	{GraceOver, 80},
	{Suspended, 30},
	{Revoked, 40},
	{Removed, 23},
}

// States are all there are.
func States() []State {
	list := make([]State, len(shares))
	for i, s := range shares {
		list[i] = s.state
	}
	return append(list, Pending)
}

func drawState(r *rand.Rand) State {
	chance := r.IntN(1000)
	for _, s := range shares {
		if chance -= s.share; chance < 0 {
			return s.state
		}
	}
	return UsedRecently
}

// live gives a key its life up to now, and claims the successor of one that was rotated.
func (d *Data) live(k *Key, org *organization, as claim, r *rand.Rand) {
	k.Expires = between(r, d.Now.Add(8*day), d.Now.Add(400*day))
	if latest := maxExpiration.From(k.Created); k.Expires.After(latest) {
		k.Expires = latest
	}
	if as.pending {
		d.await(k)
		return
	}
	k.State = drawState(r)
	if !d.reach(k, org, as, r) {
		k.State = UsedRecently
		d.reach(k, org, as, r)
	}
	k.Updated = latest(k.Created, k.Rotated, k.Suspended, k.Revoked, k.Removed)
	if !k.LastUsed.IsZero() {
		k.Authenticated = between(r, k.Created, k.LastUsed)
	}
	if org.disuse.period != nil {
		k.InactivityExpires = org.disuse.period.From(latest(k.Created, k.LastUsed))
	}
	if k.ReplacedByID == "" {
		d.ahead(k, org, as)
	}
}

// reach sets the instants that lead to the key's state; it changes nothing when none do.
func (d *Data) reach(k *Key, org *organization, as claim, r *rand.Rand) bool {
	now := d.Now
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	use := func(from, to time.Time) { k.LastUsed = between(r, latest(k.Created, from), to) }
	switch k.State {
	case UsedRecently:
		use(ago(7*day), now)
	case UsedThisQuarter:
		if !k.Created.Before(ago(7 * day)) {
			return false
		}
		use(latest(ago(90*day), ago(org.disuse.within)), ago(7*day))
	case Unused90Days:
		oldest := latest(k.Created, ago(org.disuse.within))
		if !oldest.Before(ago(90 * day)) {
			return false
		}
		use(oldest, ago(90*day))
	case NeverUsed:
		return k.Created.After(ago(org.disuse.within))
	case EndsSoon:
		k.Expires = between(r, now.Add(time.Minute), now.Add(7*day))
		use(ago(7*day), now)
	case LifetimeOver:
		if !k.Created.Before(ago(2 * time.Hour)) {
			return false
		}
		k.Expires = between(r, k.Created.Add(time.Hour), now)
		use(k.Expires.Add(-30*day), k.Expires)
	case Disused:
		if !k.Created.Before(ago(org.disuse.beyond)) {
			return false
		}
		use(k.Created, ago(org.disuse.beyond))
	case InGrace, GraceOver:
		return d.rotate(k, as, r)
	case Suspended:
		k.Suspended = between(r, latest(k.Created, ago(60*day)), now)
		k.suspendedByAdmin = r.IntN(2) == 0
		use(k.Suspended.Add(-30*day), k.Suspended)
	case Revoked:
		k.Revoked = between(r, k.Created, now)
		k.RevocationReason = reasons[r.IntN(len(reasons))]
		use(k.Revoked.Add(-30*day), k.Revoked)
		k.revokedByUserID, k.revokedByKeyID = org.adminKey.OwnerID, org.adminKey.ID
	case Removed:
		// A family of several would have to know about all before it is freed.
		if as.generation > 1 || len(d.givenScopes(as.family)) > 0 {
			return false
		}
		k.Revoked = between(r, k.Created, now)
		k.Removed = k.Revoked
		k.RevocationReason = lifecycle.Unspecified
		use(k.Revoked.Add(-30*day), k.Revoked)
		k.revokedByUserID, k.revokedByKeyID = org.adminKey.OwnerID, org.adminKey.ID
	}
	return true
}

var reasons = []lifecycle.RevocationReason{lifecycle.Unspecified, lifecycle.KeyCompromise, lifecycle.Superseded,
	lifecycle.AffiliationChanged, lifecycle.PrivilegeWithdrawn, lifecycle.CessationOfOperation}

// graces are those of rotations that are over.
var graces = []time.Duration{time.Hour, day, 7 * day}

// rotate lets a key that is to be made later be the successor of k.
func (d *Data) rotate(k *Key, as claim, r *rand.Rand) bool {
	at := between(r, latest(k.Created, d.Now.Add(-29*day)), d.Now)
	if k.State == GraceOver {
		at = k.Created.Add(day + time.Duration(r.Int64N(int64(179*day))))
	}
	next, found := d.after(at)
	if !found {
		return false
	}
	rotated := d.instant(next)
	ends := between(r, d.Now.Add(time.Minute), maxGrace.From(rotated))
	if k.State == GraceOver {
		ends = rotated.Add(graces[r.IntN(len(graces))])
	}
	if over := !ends.After(d.Now); over != (k.State == GraceOver) {
		return false
	}
	d.claims[next] = claim{as.family, as.generation + 1, k.Index, false}
	k.Rotated, k.GraceExpires, k.ReplacedByID = rotated, ends, d.keyID(next)
	k.LastUsed = between(r, latest(k.Created, rotated.Add(-30*day)), earliest(ends, d.Now))
	return true
}

func latest(first time.Time, others ...time.Time) time.Time {
	for _, t := range others {
		if t.After(first) {
			first = t
		}
	}
	return first
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

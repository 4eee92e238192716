package benchdata

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/typeid"
)

// Data is everything to be loaded. The keys are made while they are read.
type Data struct {
	Options
	organizations []organization
	sizes         skew
	userSizes     skew
	otherProjects skew

	// Keys are made evenly over the time from start to Now, one per step.
	start time.Time
	step  time.Duration
	// claims are the indexes, not reached yet, at which keys are rotated.
	claims map[int]claim
	// delivered: the largest project has a key that is pending, or will have.
	delivered bool
}

// claim is a key to be the successor of another.
type claim struct {
	family     int // index of its first key
	generation int
	replaces   int
	pending    bool // until it is delivered
}

// Key is one row of api_keys. Unset strings are empty, unset instants zero.
type Key struct {
	// Index is that of KeyText; -1 for an administrator's key.
	Index int
	State State

	ID, FamilyID                              string
	OrganizationID, ProjectID, EnvironmentID  string
	OwnerID                                   string
	Name                                      string
	Scopes, AllowedIPs                        []string
	Generation                                int
	ReplacesID, ReplacedByID                  string
	Secret                                    secret.Secret
	Created, Updated, Authenticated, LastUsed time.Time
	Expires, InactivityExpires, GraceExpires  time.Time
	Rotated, Suspended, Revoked, Removed      time.Time
	Pending, NextRotation, NotifyAt           time.Time
	RevocationReason                          lifecycle.RevocationReason
	suspendedByAdmin                          bool
	revokedByUserID, revokedByKeyID           string
	schedule                                  *schedule
	rotation                                  *rotation
	notification                              *notification
}

// New lays the data out.
func New(o Options) *Data {
	o.Now = lifecycle.Instant(o.Now)
	start := o.Now.AddDate(-2, 0, 0)
	d := &Data{
		Options:       o,
		start:         start,
		step:          (o.Now.Sub(start) / time.Duration(o.Keys)).Truncate(time.Microsecond),
		userSizes:     zipf(maxUsers, userSkew),
		otherProjects: zipf(maxProjects, 1),
	}
	d.organizations, d.sizes = organizationsOf(o, start)
	for i := range d.organizations {
		d.organizations[i].adminKey = d.adminKey(&d.organizations[i])
	}
	return d
}

// Keys yields every key, in the order of creation, the administrators' first. It is not for
// concurrent use.
func (d *Data) Keys() iter.Seq[*Key] {
	return func(yield func(*Key) bool) {
		d.claims, d.delivered = map[int]claim{}, false
		for i := len(d.organizations) - 1; i >= 0; i-- {
			if !yield(d.organizations[i].adminKey) {
				return
			}
		}
		for index := range d.Options.Keys {
			if !yield(d.key(index)) {
				return
			}
		}
	}
}

// instant is when the key of an index is made.
func (d *Data) instant(index int) time.Time {
	from := d.start.Add(time.Duration(index) * d.step)
	return between(random(d.Seed, ofInstant, index), from, from.Add(d.step))
}

// after is the index of the first key made after an instant that is no successor yet.
func (d *Data) after(at time.Time) (index int, found bool) {
	index = int(at.Sub(d.start)/d.step) + 1
	for ; index < d.Options.Keys; index++ {
		if _, taken := d.claims[index]; !taken {
			return index, true
		}
	}
	return 0, false
}

func (d *Data) keyID(index int) string {
	return id(typeid.APIKey, d.instant(index), random(d.Seed, ofKeyID, index))
}

// key makes the key of an index; those before must have been made.
func (d *Data) key(index int) *Key {
	as, successor := d.claims[index]
	if successor {
		delete(d.claims, index)
	} else {
		as = claim{family: index, generation: 1}
	}
	created := d.instant(index)
	k := &Key{
		Index:      index,
		ID:         d.keyID(index),
		Generation: as.generation,
		Created:    created,
		Secret:     parse(KeyText(d.Seed, index)),
	}
	if successor {
		k.ReplacesID = d.keyID(as.replaces)
	}
	org := d.origin(k, as.family)
	d.live(k, org, as, random(d.Seed, ofLife, index))
	return k
}

var purposes = []string{"nightly export", "deploy pipeline", "billing sync", "mobile backend", "partner feed", "dashboard", "load test",
	"webhook relay", "log shipping", "inventory import", "price update", "support tool"}

// origin gives a key what its whole family has in common.
func (d *Data) origin(k *Key, family int) *organization {
	r := random(d.Seed, ofOrigin, family)
	org := &d.organizations[d.sizes.draw(r)]
	given := d.givenScopes(family)
	if given != nil {
		org = &d.organizations[0]
	}
	number := d.drawProject(r, len(org.projects))
	if slices.Contains(given, SparseScope) {
		number = 0
	}
	project := &org.projects[number]
	switch chance := r.IntN(10); {
	case chance < 6:
		k.EnvironmentID = project.live
	case chance < 9:
		k.EnvironmentID = project.test
	}
	k.OrganizationID, k.ProjectID = org.id, project.id
	k.OwnerID = org.users[d.userSizes[:len(org.users)].draw(r)].id
	k.Name = fmt.Sprintf("%s %d", purposes[r.IntN(len(purposes))], family)
	k.Scopes = scopes(r, given, number)
	if r.IntN(10) == 0 {
		k.AllowedIPs = []string{"10.0.0.0/8"}
	}
	k.FamilyID = id(typeid.KeyFamily, d.instant(family), random(d.Seed, ofFamilyID, family))
	return org
}

// drawProject gives the first project of an organization half of the keys.
func (d *Data) drawProject(r *rand.Rand, projects int) int {
	if projects == 1 || r.IntN(2) == 0 {
		return 0
	}
	return 1 + d.otherProjects[:projects-1].draw(r)
}

// adminKey is a key that may do everything in an organization, for another year.
func (d *Data) adminKey(org *organization) *Key {
	r := random(d.Seed, ofAdminKey, org.number)
	end := d.Now.AddDate(1, 0, -1)
	k := &Key{
		Index:          -1,
		State:          NeverUsed,
		ID:             id(typeid.APIKey, org.created, r),
		FamilyID:       id(typeid.KeyFamily, org.created, r),
		Generation:     1,
		OrganizationID: org.id,
		ProjectID:      org.projects[0].id,
		OwnerID:        org.users[0].id,
		Name:           "First administrator key",
		Scopes:         []string{"*"},
		Secret:         parse(AdminKeyText(d.Seed, org.number)),
		Created:        org.created,
		Updated:        org.created,
		Expires:        end,
	}
	if org.disuse.period != nil {
		k.InactivityExpires = end
	}
	return k
}

func parse(text string) secret.Secret {
	parsed, err := secret.Parse(text)
	if err != nil {
		panic("benchdata: a text of a key is malformed")
	}
	return parsed
}

package benchdata

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/typeid"
)

// Options say what data to make; equal options make equal rows.
type Options struct {
	// Keys is the number of keys, beside one administrator's key per organization.
	Keys int
	// Organizations is their number, at most 1000; 0 makes one for every ten keys.
	Organizations int
	Seed          uint64
	// Now is the instant at which the states of the keys are those counted.
	Now time.Time
}

const (
	maxOrganizations = 1000
	keysPerOrg       = 10 // at least, on average
	maxProjects      = 20
	keysPerUser      = 25
	maxUsers         = 2000

	// With 1000 organizations the first holds a fifth of all keys.
	organizationSkew = 1.15
	userSkew         = 0.8
)

// The longest life and grace that the organizations allow. The first keys, two years old, are
// still within their lifetime.
var (
	maxExpiration = lifecycle.MustPeriod("P3Y")
	maxGrace      = lifecycle.MustPeriod("P30D")
)

// disuse is an organization's rule of expiry by disuse.
type disuse struct {
	period *lifecycle.Period // nil when it is switched off
	// A key unused for less than within lives, one unused for more than beyond does not.
	within, beyond time.Duration
}

var disuses = []disuse{
	{new(lifecycle.MustPeriod("P6M")), 180 * day, 185 * day},
	{new(lifecycle.MustPeriod("P1Y")), 364 * day, 367 * day},
	{nil, 10_000 * day, 10_000 * day},
}

type organization struct {
	number   int
	id       string
	created  time.Time
	disuse   disuse
	projects []project
	users    []user
	sourceID string // its alert source
	adminKey *Key
}

type project struct {
	id   string
	live string // id of the environment
	test string
}

type user struct {
	id, login, display string
	kind               principal.Kind
	role               principal.Role
	mayUseKeys         bool
	disabled           time.Time
}

var (
	firstNames   = []string{"anna", "bilal", "chen", "dana", "emeka", "fatima", "georg", "hana", "ivan", "julia", "kofi", "lena"}
	familyNames  = []string{"adler", "brandt", "costa", "diaz", "eriksen", "fischer", "gupta", "huber", "ito", "jansen", "kaya", "lopez"}
	robots       = []string{"ci", "deployer", "exporter", "backup", "monitor", "importer"}
	projectNames = []string{"payments", "storefront", "warehouse", "analytics", "identity", "search", "billing", "mobile", "ledger", "media",
		"catalogue", "support", "shipping", "pricing", "reports", "gateway", "partners", "archive", "loyalty", "research"}
)

// organizationsOf makes the organizations with all but their keys, the largest first.
func organizationsOf(o Options, start time.Time) ([]organization, skew) {
	number := o.Organizations
	if number == 0 {
		number = max(1, min(o.Keys/keysPerOrg, maxOrganizations))
	}
	sizes := zipf(number, organizationSkew)
	list := make([]organization, len(sizes))
	for n := range list {
		list[n] = organizationOf(o, n, sizes.share(n), start)
	}
	return list, sizes
}

func organizationOf(o Options, number int, share float64, start time.Time) organization {
	r := random(o.Seed, ofOrganization, number)
	// Before the first key, each at an instant of its own.
	created := start.Add(time.Duration(number-maxOrganizations) * time.Hour)
	org := organization{
		number:   number,
		id:       id(typeid.Organization, created, r),
		created:  created,
		disuse:   disuses[r.IntN(len(disuses))],
		projects: make([]project, 1+r.IntN(maxProjects)),
		users:    make([]user, max(3, min(int(share*float64(o.Keys))/keysPerUser, maxUsers))),
	}
	org.sourceID = id(typeid.AlertSource, created, random(o.Seed, ofAlertSource, number))
	for i := range org.projects {
		at := created.Add(time.Duration(i+1) * time.Second)
		r := random(o.Seed, ofProject, number*maxProjects+i)
		org.projects[i] = project{
			id:   id(typeid.Project, at, r),
			live: id(typeid.Environment, at, r),
			test: id(typeid.Environment, at, r),
		}
	}
	for i := range org.users {
		org.users[i] = userOf(o, i, random(o.Seed, ofUser, number*maxUsers+i), created)
	}
	return org
}

// userOf makes the user of a number in its organization; number 0 is its first administrator.
func userOf(o Options, number int, r *rand.Rand, created time.Time) user {
	u := user{
		id:         id(typeid.User, created.Add(time.Duration(number)*time.Millisecond), r),
		kind:       principal.Human,
		role:       principal.Member,
		mayUseKeys: true,
	}
	first, family := firstNames[r.IntN(len(firstNames))], familyNames[r.IntN(len(familyNames))]
	u.login = fmt.Sprintf("%s.%s.%d", first, family, number)
	u.display = capital(first) + " " + capital(family)
	switch {
	case number == 0:
		u.login, u.display, u.role = "admin", "Administrator", principal.Admin
		return u
	case number%40 == 39:
		u.role = principal.Admin
	case number%3 == 1:
		name := robots[r.IntN(len(robots))]
		u.login, u.display, u.kind = fmt.Sprintf("%s-%d", name, number), capital(name)+" robot", principal.Robot
	}
	switch r.IntN(100) {
	case 0:
		u.mayUseKeys = false
	case 1, 2:
		u.disabled = between(r, created.Add(time.Hour), o.Now)
	}
	return u
}

func capital(name string) string { return string(name[0]-'a'+'A') + name[1:] }

package keys_test

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// rule is one of the rules by which rights are kept; the model can be run without it.
type rule string

const (
	allRules           rule = ""
	givesWhatItHolds   rule = "nobody gives scopes they do not hold"
	verifyStays        rule = "members do not hand keytag:keys:verify on"
	roleBounds         rule = "the owner's role bounds the key"
	ownKeysOnly        rule = "members reach their own keys only"
	forOthers          rule = "only administrators make keys for others"
	rotateHolds        rule = "who rotates a key holds its scopes"
	rotationNarrows    rule = "a rotation narrows scopes"
	viewerIsExempt     rule = "a key rotates itself without holding its scopes"
	replayHolds        rule = "who is given a secret again holds the scopes of the key"
	adminsResume       rule = "only administrators lift an administrator's suspension"
	adminsWidenIPs     rule = "only administrators widen allowedIps"
	boundMakeBound     rule = "the keys that a bound key makes are bound no less"
	ownKeysReplayed    rule = "who is given a secret again administers the key"
	ownerStands        rule = "the keys of a disabled or unprivileged owner do not work"
	administratorStays rule = "the last administrator stays"
	goneIsGone         rule = "a replaced secret is dead"
)

// The model knows a key as a row of plain facts. It shares no code with the product.
type (
	account struct {
		id                             string
		admin, disabled, notPrivileged bool
	}
	record struct {
		id, text string
		replaced []string // texts that a fresh secret has taken the place of
		owner    *account
		scopes   []string
		given    []string // what somebody who could give it has put on the key, or on one it replaced
		ips      []string

		family, generation  int
		name                string
		replaces, successor *record

		created, expires, inactive, grace, rotated, used time.Time // zero: never
		revoked, removed, authenticated                  bool
		suspended, suspendedByAdmin                      bool
	}
	// attempt is a call that may carry an idempotency key, and so be made again.
	attempt struct {
		operation string // createApiKey, rotateApiKey, rotateViewerKey
		once      string
		name      string
		owner     *account
		target    *record
		scopes    []string // rotation: nil keeps them
		ips       []string
		expires   string
		grace     string
	}
	remembered struct {
		attempt
		by, key *record
		at      time.Time
	}
	model struct {
		off      rule
		now      time.Time
		users    []*account
		keys     []*record // removed ones too
		calls    []remembered
		families int

		maxLife, disuse, grace, maxGrace time.Duration // disuse 0: off
	}
	// verdict is what the model expects of a call.
	verdict struct {
		ok, secret bool
		key        *record // the one made, or found again
	}
)

func (m *model) on(r rule) bool { return m.off != r }

var wellFormed = regexp.MustCompile(`^(\*|[a-z0-9][a-z0-9._-]*(:[a-z0-9][a-z0-9._-]*)*(:\*)?)$`)

// covers compares segment by segment.
func covers(have, want string) bool {
	h, w := strings.Split(have, ":"), strings.Split(want, ":")
	if last := len(h) - 1; h[last] == "*" {
		return len(w) > last && slices.Equal(w[:last], h[:last])
	}
	return slices.Equal(h, w)
}

func anyCovers(have []string, want string) bool {
	return slices.ContainsFunc(have, func(h string) bool { return covers(h, want) })
}

// ours are scopes that mean something to the server itself.
func ours(s string) bool {
	segments := strings.Split(s, ":")
	return s == "*" || segments[0] == "keytag" && len(segments) > 1
}

var memberGives = []string{"keytag:keys:read", "keytag:keys:write", "keytag:directory:read", "keytag:audit:read"}

func (m *model) holds(k *record, s string) bool {
	inRole := k.owner.admin || s == "keytag:keys:verify" || slices.Contains(memberGives, s)
	return anyCovers(k.scopes, s) && (!ours(s) || inRole || !m.on(roleBounds))
}

func (m *model) holdsAll(k *record, scopes []string) bool {
	return !slices.ContainsFunc(scopes, func(s string) bool { return !m.holds(k, s) })
}

func (m *model) gives(k *record, s string) bool {
	if !k.owner.admin && s == "keytag:keys:verify" && m.on(verifyStays) {
		return false
	}
	return m.holds(k, s) || !m.on(givesWhatItHolds)
}

// mayGive answers whether a caller may put the scopes on a key.
func (m *model) mayGive(k *record, scopes []string) bool {
	return !slices.ContainsFunc(scopes, func(s string) bool { return !wellFormed.MatchString(s) || !m.gives(k, s) })
}

func (m *model) ended(k *record) bool {
	over := func(t time.Time) bool { return !t.IsZero() && !m.now.Before(t) }
	return k.revoked || over(k.expires) || over(k.inactive) || over(k.grace)
}

func (m *model) live(k *record) bool { return !m.ended(k) && !k.suspended }

func mayOwn(u *account) bool { return !u.disabled && !u.notPrivileged }

type admission string

const (
	refusedKey admission = "refused"
	replayOnly admission = "replay only"
	admitted   admission = "admitted"
)

// admits answers what a key is good for when its present text comes from an address.
func (m *model) admits(k *record, ip string) admission {
	switch {
	case k.removed, !mayOwn(k.owner) && m.on(ownerStands), !inBlocks(k.ips, ip):
		return refusedKey
	case m.live(k):
		return admitted
	case m.ended(k) && !k.rotated.IsZero() && k.rotated.Equal(k.grace):
		return replayOnly
	}
	return refusedKey
}

// use is a successful authentication.
func (m *model) use(k *record, probe bool) {
	k.authenticated = true
	if probe || !k.used.IsZero() && m.now.Before(k.used.Add(time.Minute)) {
		return
	}
	k.used, k.inactive = m.now, time.Time{}
	if m.disuse > 0 {
		k.inactive = m.now.Add(m.disuse)
	}
}

func (m *model) sees(by, k *record) bool {
	if k == nil || k.removed || !m.holds(by, "keytag:keys:read") {
		return k != nil && !k.removed && by.family == k.family
	}
	return by.owner.admin || by.owner == k.owner || !m.on(ownKeysOnly)
}

func (m *model) seesUser(by *record, u *account) bool {
	return m.holds(by, "keytag:directory:read") || by.owner == u ||
		slices.ContainsFunc(m.keys, func(k *record) bool { return k.owner == u && m.sees(by, k) })
}

// lasts answers the end of a life asked for, which lies a minute away at least and most at most.
func (m *model) lasts(asked string, most, fallback time.Duration) (time.Time, bool) {
	if asked == "" {
		return m.now.Add(fallback), true
	}
	d := durations[asked]
	return m.now.Add(d), d >= time.Minute && d <= most
}

func sorted(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

func (m *model) add(k *record) *record {
	k.scopes = sorted(k.scopes)
	k.created = m.now
	if m.disuse > 0 {
		k.inactive = m.now.Add(m.disuse)
	}
	m.keys = append(m.keys, k)
	return k
}

// attempt is a create or a rotation, repeated or not.
func (m *model) attempt(by *record, how admission, a attempt) verdict {
	if a.operation != "rotateViewerKey" && !m.holds(by, "keytag:keys:write") {
		return verdict{}
	}
	for _, earlier := range m.calls {
		if earlier.once == a.once && earlier.by.family == by.family && m.now.Before(earlier.at.Add(24*time.Hour)) {
			return m.again(by, how, a, earlier)
		}
	}
	var v verdict
	switch {
	case how == replayOnly:
	case a.operation == "createApiKey":
		v = m.create(by, a)
	default:
		v = m.rotate(by, a)
	}
	if v.ok && a.once != "" {
		m.calls = append(m.calls, remembered{a, by, v.key, m.now})
	}
	return v
}

func (m *model) again(by *record, how admission, a attempt, earlier remembered) verdict {
	k := earlier.key
	own := k.replaces == by
	switch {
	case !earlier.same(a), how == replayOnly && !own:
		return verdict{}
	case m.on(ownKeysReplayed) && !by.owner.admin && k.owner != by.owner:
		return verdict{}
	case k.authenticated || m.ended(k):
		return verdict{ok: true, key: k}
	case a.operation == "rotateViewerKey" && own: // acts on the caller itself
	case m.on(replayHolds) && !m.holdsAll(by, k.scopes):
		return verdict{}
	}
	return verdict{ok: true, key: k, secret: true}
}

func (a attempt) same(b attempt) bool {
	return a.operation == b.operation && a.name == b.name && a.owner == b.owner && a.target == b.target &&
		(a.scopes == nil) == (b.scopes == nil) && slices.Equal(a.scopes, b.scopes) && slices.Equal(a.ips, b.ips) &&
		a.expires == b.expires && a.grace == b.grace
}

func (m *model) create(by *record, a attempt) verdict {
	owner := a.owner
	if owner == nil {
		owner = by.owner
	}
	expires, inTime := m.lasts(a.expires, m.maxLife, m.maxLife)
	taken := slices.ContainsFunc(m.keys, func(k *record) bool { return k.owner == owner && k.name == a.name && !k.removed })
	if owner != by.owner && !by.owner.admin && m.on(forOthers) || !slices.Contains(m.users, owner) || !m.seesUser(by, owner) ||
		!mayOwn(owner) || m.on(boundMakeBound) && !by.owner.admin && wider(by.ips, a.ips) || !m.mayGive(by, a.scopes) || !inTime || taken {
		return verdict{}
	}
	m.families++
	k := m.add(&record{owner: owner, scopes: a.scopes, given: a.scopes, ips: a.ips, family: m.families, generation: 1, name: a.name, expires: expires})
	return verdict{ok: true, key: k, secret: true}
}

func (m *model) rotate(by *record, a attempt) verdict {
	old, self := a.target, a.operation == "rotateViewerKey"
	exempt := self && m.on(viewerIsExempt)
	if self {
		old = by
	}
	switch {
	case !m.sees(by, old) || m.on(rotateHolds) && !exempt && !m.holdsAll(by, old.scopes):
		return verdict{}
	case old.successor != nil && (!m.ended(old.successor) || !old.successor.used.IsZero()):
		return verdict{}
	case !m.live(old) || !mayOwn(old.owner):
		return verdict{}
	}
	scopes := old.scopes
	if a.scopes != nil {
		scopes = a.scopes
	}
	if slices.ContainsFunc(scopes, func(s string) bool {
		return !wellFormed.MatchString(s) || m.on(rotationNarrows) && !anyCovers(old.scopes, s)
	}) {
		return verdict{}
	}
	most, asLong := m.maxLife, min(m.maxLife, old.expires.Sub(old.created))
	if self {
		most = asLong
	}
	expires, inTime := m.lasts(a.expires, most, asLong)
	grace := min(m.grace, m.maxGrace)
	if a.grace != "" {
		grace = durations[a.grace]
	}
	if !inTime || grace > m.maxGrace {
		return verdict{}
	}
	generation := 1 + len(filter(m.keys, func(k *record) bool { return k.family == old.family }))
	k := m.add(&record{owner: old.owner, scopes: scopes, given: old.given, ips: old.ips, family: old.family,
		generation: generation, name: old.name, replaces: old, expires: expires})
	old.successor, old.rotated = k, m.now
	if end := m.now.Add(grace); old.grace.IsZero() || end.Before(old.grace) {
		old.grace = end
	}
	return verdict{ok: true, key: k, secret: true}
}

// update changes scopes and addresses; nil leaves them. Scopes that the key has stay without being held.
func (m *model) update(by, k *record, scopes, ips *[]string) bool {
	if !m.sees(by, k) || m.ended(k) && (scopes != nil || ips != nil) {
		return false
	}
	var more []string
	if scopes != nil {
		more = filter(*scopes, func(s string) bool { return !anyCovers(k.scopes, s) || !wellFormed.MatchString(s) })
	}
	if !m.mayGive(by, more) || ips != nil && wider(k.ips, *ips) && !by.owner.admin && m.on(adminsWidenIPs) {
		return false
	}
	if scopes != nil {
		k.scopes, k.given = sorted(*scopes), slices.Concat(k.given, more)
	}
	if ips != nil {
		k.ips = *ips
	}
	return true
}

func (m *model) mayResume(by, k *record) bool {
	return m.sees(by, k) && !m.ended(k) && (!k.suspendedByAdmin || by.owner.admin || !m.on(adminsResume))
}

// mayBecome answers whether a user may be changed like this.
func (m *model) mayBecome(by *record, u *account, to account) bool {
	acts := func(u account) bool { return u.admin && !u.disabled && !u.notPrivileged }
	others := slices.ContainsFunc(m.users, func(o *account) bool { return o != u && acts(*o) })
	return m.seesUser(by, u) && (!acts(*u) || acts(to) || others || !m.on(administratorStays))
}

// tighten sets the policy and brings every end forward that lies beyond it, but not before now.
func (m *model) tighten(life, disuse, grace, maxGrace time.Duration) {
	m.maxLife, m.disuse, m.grace, m.maxGrace = life, disuse, grace, maxGrace
	sooner := func(end *time.Time, stated time.Time) {
		if stated.Before(m.now) {
			stated = m.now
		}
		if end.IsZero() || stated.Before(*end) {
			*end = stated
		}
	}
	for _, k := range m.keys {
		if m.ended(k) {
			continue
		}
		sooner(&k.expires, k.created.Add(life))
		last := k.created
		if !k.used.IsZero() {
			last = k.used
		}
		if disuse > 0 {
			sooner(&k.inactive, last.Add(disuse))
		}
	}
}

// blocks are the networks of the test, as which of its addresses lie in them.
var blocks = map[string][]string{
	"192.0.2.0/24":    {"192.0.2.7", "192.0.2.8"},
	"192.0.2.7/32":    {"192.0.2.7"},
	"198.51.100.0/24": {"198.51.100.1"},
	"0.0.0.0/0":       {"192.0.2.7", "192.0.2.8", "198.51.100.1", "203.0.113.9"},
}

func inBlocks(allowed []string, ip string) bool {
	return len(allowed) == 0 || slices.ContainsFunc(allowed, func(b string) bool { return slices.Contains(blocks[b], ip) })
}

func wider(old, asked []string) bool {
	if len(old) == 0 {
		return false
	}
	return len(asked) == 0 || slices.ContainsFunc(asked, func(b string) bool {
		return !slices.ContainsFunc(old, func(o string) bool {
			return !slices.ContainsFunc(blocks[b], func(ip string) bool { return !slices.Contains(blocks[o], ip) })
		})
	})
}

var durations = map[string]time.Duration{
	"PT0S": 0, "PT30S": 30 * time.Second, "PT10M": 10 * time.Minute, "PT1H": time.Hour, "P1D": 24 * time.Hour, "P2D": 48 * time.Hour,
	"P7D": 7 * 24 * time.Hour, "P10D": 240 * time.Hour, "P30D": 720 * time.Hour, "P90D": 90 * 24 * time.Hour, "P180D": 180 * 24 * time.Hour, "P400D": 400 * 24 * time.Hour,
}

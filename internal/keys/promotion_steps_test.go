package keys_test

import (
	"fmt"
	"slices"

	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/typeid"
)

func role(admin bool) principal.Role {
	if admin {
		return principal.Admin
	}
	return principal.Member
}

func (x *machine) createUser() {
	u := &account{admin: x.chance(35), notPrivileged: x.chance(5)}
	made, err := x.w.directory.CreateUser(x.ctx, directory.CreateUserInput{
		Login: fmt.Sprintf("user%d", len(x.m.users)), Role: new(role(u.admin)), MayUseAPIKeys: new(!u.notPrivileged),
	})
	if x.expect(true, err, "%+v", *u) {
		u.id = made.ID
		x.m.users = append(x.m.users, u)
	}
}

func (x *machine) updateUser() {
	u := pick(x, x.m.users)
	to, in := *u, directory.UpdateUserInput{ID: u.id}
	switch x.random.IntN(4) {
	case 0, 1:
		to.admin = x.chance(40)
		in.Role = omit(new(role(to.admin)))
	case 2:
		to.disabled = x.chance(40)
		in.Disabled = omit(new(to.disabled))
	case 3:
		to.notPrivileged = x.chance(40)
		in.MayUseAPIKeys = omit(new(!to.notPrivileged))
	}
	_, err := x.w.directory.UpdateUser(x.ctx, in)
	if x.expect(x.m.mayBecome(x.by, u, to), err, "user %d from %+v to %+v", slices.Index(x.m.users, u), *u, to) {
		*u = to
	}
	for _, k := range x.m.keys {
		if k.owner == u && !k.removed {
			x.check(k)
		}
	}
}

func (x *machine) policy() {
	life, disuse := pick(x, []string{"P10D", "P90D", "P180D"}), pick(x, []string{"P7D", "P30D", "P90D", ""})
	grace, most := pick(x, []string{"PT0S", "PT10M", "PT1H", "P2D"}), pick(x, []string{"PT1H", "P7D"})
	in := directory.UpdatePolicyInput{
		MaxExpirationPeriod: omit(period(life)), DefaultGracePeriod: omit(period(grace)), MaxGracePeriod: omit(period(most)),
		NotAccessedExpirationPeriod: omit[*lifecycle.Period](nil),
	}
	if disuse != "" {
		in.NotAccessedExpirationPeriod = omit(period(disuse))
	}
	_, err := x.w.directory.UpdatePolicy(x.ctx, in)
	if x.expect(durations[grace] <= durations[most], err, "%s %s %s %s", life, disuse, grace, most) {
		x.m.tighten(durations[life], durations[disuse], durations[grace], durations[most])
	}
}

func (x *machine) create() {
	a := attempt{operation: "createApiKey", once: x.once(), name: unique(), scopes: x.scopes(), ips: x.networks()}
	if x.chance(55) {
		a.owner = pick(x, x.m.users)
	}
	if x.chance(2) {
		a.owner = &account{id: typeid.New(typeid.User, x.m.now)}
	}
	if x.chance(15) {
		a.expires = pick(x, []string{"PT30S", "PT10M", "P2D", "P30D", "P400D"})
	}
	x.try(a)
}

func (x *machine) rotate() {
	a := attempt{operation: "rotateApiKey", once: x.once(), target: x.target(), grace: x.grace()}
	if x.chance(30) {
		a.scopes = x.scopes()
		if a.target != nil && x.chance(70) {
			a.scopes = some(x, a.target.scopes, 3)
		}
	}
	if x.chance(10) {
		a.expires = pick(x, []string{"PT30S", "P2D", "P400D"})
	}
	x.try(a)
}

func (x *machine) rotateViewer() {
	a := attempt{operation: "rotateViewerKey", once: x.once(), grace: x.grace()}
	if x.chance(10) {
		a.expires = pick(x, []string{"PT30S", "P2D", "P400D"})
	}
	x.try(a)
}

func (x *machine) grace() string {
	return pick(x, []string{"", "", "PT0S", "PT10M", "PT1H", "P7D", "P30D"})
}

// replay makes an earlier call again: as the same key, as another of its family or as a stranger, at
// times with another input, and often just after the scopes of a key in it were changed.
func (x *machine) replay() {
	unused := filter(x.m.calls, func(c remembered) bool { return !c.key.authenticated && !x.m.ended(c.key) })
	if len(unused) == 0 || x.chance(30) {
		unused = x.m.calls
	}
	if len(unused) == 0 {
		return
	}
	earlier := pick(x, unused[max(0, len(unused)-6):])
	if x.how == admitted && x.m.holds(x.by, principal.KeysWrite) && x.chance(50) {
		x.amend(pick(x, []*record{earlier.by, earlier.key}))
	}
	if x.chance(85) {
		x.by = earlier.by
		if family := filter(x.m.keys, func(k *record) bool { return k.family == x.by.family && !k.removed }); len(family) > 0 && x.chance(40) {
			x.by = pick(x, family)
		}
	}
	x.note("  again by %s", x.name(x.by))
	x.ctx, x.how = x.present(x.by, home(x.by), x.chance(50))
	again := earlier.attempt
	if x.chance(12) {
		again.expires = pick(x, []string{"", "P2D", "P7D"})
	}
	if x.how == admitted || x.how == replayOnly && again.operation != "createApiKey" {
		x.try(again)
	}
}

// try makes the call in both, and compares what came of it and who was handed which secret.
func (x *machine) try(a attempt) {
	by := x.by
	mayWrite, self := principal.From(x.ctx).Holds(principal.KeysWrite), a.operation == "rotateViewerKey"
	want := x.m.attempt(by, x.how, a)
	if !mayWrite && !self {
		if want.ok {
			x.differ("%s by %s is stopped at the door", a.operation, x.name(by))
		}
		return
	}
	made, text, err := x.call(a)
	if !x.expect(want.ok, err, "%s %q for %v of %s: scopes %q ips %q expires %q grace %q", a.operation, a.once, a.owner, x.name(a.target), a.scopes, a.ips, a.expires, a.grace) {
		return
	}
	k := want.key
	if k.id == "" {
		k.id = made.ID
	}
	if made.ID != k.id || (text != nil) != want.secret || !slices.Equal(made.Scopes, k.scopes) {
		x.differ("%s answers %s %v with a secret %t, want %s with one %t", a.operation, made.ID, made.Scopes, text != nil, x.name(k), want.secret)
	}
	if text == nil {
		return
	}
	if !x.m.holdsAll(by, made.Scopes) && !(self && k.replaces == by) {
		x.differ("%s was handed the secret of %s", x.name(by), x.name(k))
	}
	if k.text != "" {
		k.replaced = append(k.replaced, k.text)
	}
	k.text = *text
	x.check(k)
	if k.replaces != nil {
		x.check(k.replaces)
	}
}

func (x *machine) call(a attempt) (*keys.View, *string, error) {
	var once *string
	if a.once != "" {
		once = &a.once
	}
	var expires, grace *lifecycle.Period
	if a.expires != "" {
		expires = period(a.expires)
	}
	if a.grace != "" {
		grace = period(a.grace)
	}
	switch a.operation {
	case "createApiKey":
		in := keys.CreateInput{IdempotencyKey: once, ProjectID: x.w.project, Name: &a.name, Scopes: a.scopes, AllowedIPs: a.ips, ExpiresIn: expires}
		if a.owner != nil {
			in.OwnerID = &a.owner.id
		}
		issued, err := x.w.Create(x.ctx, in)
		return issued.APIKey, issued.Secret(), err
	case "rotateApiKey":
		rotated, err := x.w.Rotate(x.ctx, keys.RotateInput{IdempotencyKey: once, ID: x.id(a.target), GracePeriod: grace, ExpiresIn: expires, Scopes: a.scopes})
		return rotated.NewKey, rotated.Secret(), err
	}
	rotated, err := x.w.RotateViewer(x.ctx, keys.RotateViewerInput{IdempotencyKey: once, GracePeriod: grace, ExpiresIn: expires})
	return rotated.NewKey, rotated.Secret(), err
}

func (x *machine) update() { x.amend(x.target()) }

func (x *machine) amend(k *record) {
	in := keys.UpdateInput{ID: x.id(k), Name: omit(new("renamed"))}
	var scopes, ips *[]string
	if x.chance(75) {
		scopes = new(x.scopes())
		if k != nil && x.chance(50) {
			*scopes = append(append(some(x, k.scopes, 3), some(x, *scopes, 1)...), principal.KeysWrite)
		}
		in.Scopes = omit(*scopes)
	}
	if x.chance(30) {
		ips = new(x.networks())
		in.AllowedIPs = omit(*ips)
	}
	v, err := x.w.Update(x.ctx, in)
	if !x.expect(x.m.update(x.by, k, scopes, ips), err, "%s: scopes %q ips %q", x.name(k), deref(scopes), deref(ips)) {
		return
	}
	if !slices.Equal(v.Scopes, k.scopes) || !slices.Equal(v.AllowedIps, k.ips) {
		x.differ("%s after the update: %v %v", x.name(k), v.Scopes, v.AllowedIps)
	}
	x.check(k)
}

func deref(list *[]string) []string {
	if list == nil {
		return nil
	}
	return *list
}

func (x *machine) suspend() {
	k := x.target()
	_, err := x.w.Suspend(x.ctx, keys.SuspendInput{ID: x.id(k)})
	if x.expect(x.m.sees(x.by, k) && !x.m.ended(k), err, "%s", x.name(k)) {
		k.suspendedByAdmin = k.suspended && k.suspendedByAdmin || x.by.owner.admin
		k.suspended = true
		x.check(k)
	}
}

func (x *machine) resume() {
	k := x.target()
	if stopped := filter(x.m.keys, func(k *record) bool { return k.suspended && x.m.sees(x.by, k) }); len(stopped) > 0 && x.chance(80) {
		k = pick(x, stopped)
	}
	_, err := x.w.Resume(x.ctx, keys.ResumeInput{ID: x.id(k)})
	if x.expect(x.m.mayResume(x.by, k), err, "%s", x.name(k)) {
		k.suspended, k.suspendedByAdmin = false, false
		x.check(k)
	}
}

func (x *machine) revoke() {
	k, reason := x.target(), pick(x, []lifecycle.RevocationReason{lifecycle.Unspecified, lifecycle.KeyCompromise})
	var err error
	if x.kind == "revokeViewer" {
		k = x.by
		_, err = x.w.RevokeViewer(x.ctx, keys.RevokeViewerInput{Reason: &reason})
	} else {
		_, err = x.w.Revoke(x.ctx, keys.RevokeInput{ID: x.id(k), Reason: &reason})
	}
	if !x.expect(x.m.sees(x.by, k), err, "%s %s", x.name(k), reason) {
		return
	}
	for _, other := range x.m.keys {
		if other == k || reason == lifecycle.KeyCompromise && other.family == k.family && other.generation > k.generation {
			other.revoked = true
			x.check(other)
		}
	}
}

func (x *machine) remove() {
	k := x.target()
	err := x.w.Remove(x.ctx, keys.RemoveInput{ID: x.id(k)})
	if x.expect(x.m.sees(x.by, k), err, "%s", x.name(k)) {
		k.revoked, k.removed = true, true
		x.check(k)
	}
}

func (x *machine) complete() {
	k := x.target()
	if out := filter(x.m.keys, func(k *record) bool { return k.successor != nil && x.m.live(k) && x.m.sees(x.by, k) }); len(out) > 0 && x.chance(60) {
		k = pick(x, out)
	}
	_, err := x.w.Complete(x.ctx, keys.CompleteInput{ID: x.id(k)})
	ok := x.m.sees(x.by, k) && k.successor != nil
	over := ok && !k.grace.After(x.m.now)
	if x.expect(ok && (over || !x.m.ended(k)), err, "%s", x.name(k)) && !over {
		k.grace = x.m.now
		x.check(k)
	}
}

// verify asks about a key as a service does that was given one.
func (x *machine) verify() {
	k := pick(x, x.m.keys)
	text, ip, scopes, probe := k.text, x.address(k), some(x, vocabulary, 2), x.chance(50)
	if len(scopes) > 0 && len(k.scopes) > 0 && x.chance(60) {
		scopes = some(x, k.scopes, 2)
	}
	dead := len(k.replaced) > 0 && x.chance(50)
	if dead {
		text = pick(x, k.replaced)
	}
	got, err := x.w.Verify(x.ctx, keys.VerifyInput{Secret: text, RequiredScopes: scopes, ClientIP: &ip, RecordUse: new(!probe)})
	x.expect(true, err, "%s for %v from %s", x.name(k), scopes, ip)
	works := !dead && x.m.admits(k, ip) == admitted && x.m.holdsAll(k, scopes)
	if got.Valid() != works {
		x.differ("verify %s for %v from %s: %s, want valid %t", x.name(k), scopes, ip, got.Code, works)
	}
	if works {
		x.m.use(k, probe)
	}
}

func home(k *record) string { return blocks[slices.Concat(k.ips, []string{"0.0.0.0/0"})[0]][0] }

// address is mostly one that the key may be used from.
func (x *machine) address(k *record) string {
	if x.chance(8) {
		return pick(x, blocks["0.0.0.0/0"])
	}
	return home(k)
}

// caller is mostly a key that works and passes the door.
func (x *machine) caller(door string) *record {
	want := admitted
	if x.chance(6) {
		want = replayOnly
	}
	fit := filter(x.m.keys, func(k *record) bool { return x.m.admits(k, home(k)) == want && (door == "" || x.m.holds(k, door)) })
	if len(fit) == 0 || x.chance(12) {
		return pick(x, x.m.keys)
	}
	return pick(x, fit)
}

// target is mostly a key that the caller sees, often of its family or of a call that may be made
// again, at times none that exists.
func (x *machine) target() *record {
	near := filter(x.m.keys, func(k *record) bool { return k.family == x.by.family && !k.removed })
	seen := filter(x.m.keys, func(k *record) bool { return x.m.sees(x.by, k) })
	recent := x.m.calls[max(0, len(x.m.calls)-6):]
	switch n := x.random.IntN(100); {
	case n < 3:
		return nil
	case n < 20:
		return pick(x, near)
	case n < 45 && len(recent) > 0:
		call := pick(x, recent)
		return pick(x, []*record{call.by, call.key})
	case n < 85 && len(seen) > 0:
		return pick(x, seen[max(0, len(seen)-12):])
	}
	return pick(x, x.m.keys)
}

func (x *machine) id(k *record) string {
	if k == nil {
		return typeid.New(typeid.APIKey, x.m.now)
	}
	return k.id
}

// scopes asks mostly for what the caller may give, sometimes for more or for nonsense.
func (x *machine) scopes() []string {
	var asked []string
	switch n := x.random.IntN(100); {
	case n < 45:
		asked = some(x, filter(vocabulary, func(s string) bool { return x.m.gives(x.by, s) }), 4)
		asked = append(asked, filter(memberGives, func(s string) bool { return x.chance(70) && x.m.gives(x.by, s) })...)
	case n < 65:
		asked = slices.Clone(x.by.scopes)
	case n < 95:
		asked = some(x, vocabulary, 2)
	default:
		asked = append(some(x, vocabulary, 1), pick(x, malformed))
	}
	return asked
}

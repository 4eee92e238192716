package keys_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store/storetest"
)

// A step is a kind and the seed of its choices, so that others can be left out around it.
type step struct {
	kind string
	seed uint64
}

// machine plays steps in a world and in the model, and stops at the first difference.
type machine struct {
	w      *world
	m      *model
	random *rand.Rand
	kind   string
	trace  []string
	tally  tally

	// The call under way.
	ctx context.Context
	by  *record
	how admission
}

// tally counts by kind how many calls were refused and accepted.
type tally map[string][2]int

func (t tally) add(more tally) {
	for kind, n := range more {
		t[kind] = [2]int{t[kind][0] + n[0], t[kind][1] + n[1]}
	}
}

// difference is what a machine panics with when world and model part.
type difference string

func (x *machine) differ(format string, args ...any) { panic(difference(fmt.Sprintf(format, args...))) }

func (x *machine) chance(percent int) bool { return x.random.IntN(100) < percent }

func pick[T any](x *machine, from []T) T { return from[x.random.IntN(len(from))] }

func some[T any](x *machine, from []T, most int) []T {
	list := []T{}
	for range x.random.IntN(most + 1) {
		if len(from) > 0 {
			list = append(list, pick(x, from))
		}
	}
	return list
}

func filter[T any](list []T, keep func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return !keep(v) })
}

var vocabulary = []string{
	"*", "keytag:*", "keytag:keys:*", "keytag:keys:read", "keytag:keys:write", "keytag:keys:verify", "keytag:directory:read",
	"keytag:directory:write", "keytag:directory:*", "keytag:policy:write", "keytag:audit:read", "keytag", "keytagx:keys:write",
	"deploy", "deploy:*", "deploy:read", "deploy:prod:*", "deploy:prod:write", "deployer:read", "billing:read",
}

var malformed = []string{"", "Deploy:read", "deploy:*:read", "*:read", "keytag:**", "keytag:keys:write ", ":", "keytag::write"}

// kindOfStep says how often, the scope at the door, what happens behind it, and whether a key comes
// so far that may only ask for a lost reply.
type kindOfStep struct {
	name    string
	weight  int
	door    string
	do      func(*machine)
	replays bool
}

var kinds = []kindOfStep{
	{"createUser", 3, principal.DirectoryWrite, (*machine).createUser, false},
	{"updateUser", 7, principal.DirectoryWrite, (*machine).updateUser, false},
	{"policy", 2, "keytag:policy:write", (*machine).policy, false},
	{"create", 16, principal.KeysWrite, (*machine).create, false},
	{"update", 14, principal.KeysWrite, (*machine).update, false},
	{"rotate", 14, principal.KeysWrite, (*machine).rotate, true},
	{"rotateViewer", 9, "", (*machine).rotateViewer, true},
	{"replay", 14, "", (*machine).replay, true},
	{"suspend", 5, principal.KeysWrite, (*machine).suspend, false},
	{"resume", 5, principal.KeysWrite, (*machine).resume, false},
	{"revoke", 3, principal.KeysWrite, (*machine).revoke, false},
	{"revokeViewer", 1, "", (*machine).revoke, false},
	{"remove", 3, principal.KeysWrite, (*machine).remove, false},
	{"complete", 3, principal.KeysWrite, (*machine).complete, false},
	{"verify", 8, principal.KeysVerify, (*machine).verify, false},
}

func (x *machine) networks() []string {
	if x.chance(75) {
		return []string{}
	}
	return slices.Compact(slices.Sorted(slices.Values(some(x, []string{"0.0.0.0/0", "192.0.2.0/24", "192.0.2.7/32", "198.51.100.0/24"}, 2))))
}

func (x *machine) once() string {
	if x.chance(50) {
		return ""
	}
	return fmt.Sprintf("idempotency key %d", x.random.IntN(40))
}

// plan is a random sequence of steps that first peoples the world.
func plan(random *rand.Rand, n int) []step {
	var lots []string
	for _, k := range kinds {
		lots = append(lots, slices.Repeat([]string{k.name}, k.weight)...)
	}
	steps := make([]step, n)
	for i := range steps {
		kind := lots[random.IntN(len(lots))]
		switch {
		case i < 5:
			kind = "createUser"
		case i < 18:
			kind = "create"
		}
		steps[i] = step{kind, random.Uint64()}
	}
	return steps
}

// play plays the steps in a fresh world, up to the first difference; off is the rule that the model
// leaves out.
func play(t *testing.T, dialect string, steps []step, off rule) (o outcome, counts tally) {
	x := &machine{w: newWorld(t, storetest.Open(t, dialect)), random: rand.New(rand.NewPCG(0, 0)), tally: tally{}}
	x.m = &model{off: off, now: start}
	x.begin()
	defer func() {
		o.trace, counts = x.trace, x.tally
		switch r := recover().(type) {
		case nil:
		case difference:
			o.found = r
		default:
			panic(r)
		}
	}()
	for i, s := range steps {
		o.steps = steps[:i+1]
		x.random = rand.New(rand.NewPCG(s.seed, 0))
		x.step(kinds[slices.IndexFunc(kinds, func(k kindOfStep) bool { return k.name == s.kind })])
	}
	for _, k := range x.m.keys {
		x.check(k)
	}
	return o, x.tally
}

// begin brings the first administrator into the model, and a policy that is counted in days.
func (x *machine) begin() {
	ctx := x.w.as(x.w.admin)
	x.m.maxLife, x.m.disuse, x.m.grace, x.m.maxGrace = durations["P180D"], durations["P90D"], durations["PT1H"], durations["P7D"]
	_, err := x.w.directory.UpdatePolicy(ctx, directory.UpdatePolicyInput{
		MaxExpirationPeriod: omit(period("P180D")), NotAccessedExpirationPeriod: omit(period("P90D")),
	})
	must(x.w.t, err)
	root := &account{id: x.w.Viewer(ctx).ID, admin: true}
	x.m.users = append(x.m.users, root)
	x.m.add(&record{id: x.w.ViewerKey(ctx).ID, text: x.w.admin, owner: root, scopes: []string{"*"}, given: []string{"*"},
		generation: 1, expires: start.Add(x.m.maxLife)})
	x.m.use(x.m.keys[0], false)
}

func (x *machine) step(kind kindOfStep) {
	x.kind = kind.name
	passed := time.Duration(1+x.random.IntN(40)) * time.Second
	switch n := x.random.IntN(1000); {
	case n < 3:
		passed += 480 * time.Hour
	case n < 12:
		passed += 24 * time.Hour
	case n < 60:
		passed += 31 * time.Minute
	}
	x.m.now = x.m.now.Add(passed)
	x.w.at(x.m.now)
	x.by = x.caller(kind.door)
	x.note("%s by %s", kind.name, x.name(x.by))
	x.ctx, x.how = x.present(x.by, x.address(x.by), x.chance(5))
	if x.how == admitted && (kind.door == "" || principal.From(x.ctx).Holds(kind.door)) || x.how == replayOnly && kind.replays {
		kind.do(x)
	}
	x.check(pick(x, x.m.keys))
}

func (x *machine) note(format string, args ...any) {
	x.trace = append(x.trace, fmt.Sprintf(format, args...))
}

func (x *machine) name(k *record) string {
	if k == nil {
		return "nothing"
	}
	return fmt.Sprintf("key %d%v of user %d (admin %t)", slices.Index(x.m.keys, k), k.scopes, slices.Index(x.m.users, k.owner), k.owner.admin)
}

// present authenticates with the key, and compares whether that works and with which rights.
func (x *machine) present(k *record, ip string, probe bool) (context.Context, admission) {
	how := x.m.admits(k, ip)
	ctx, err := x.w.Authenticate(x.w.t.Context(), k.text, keys.Use{IP: netip.MustParseAddr(ip), Probe: probe})
	got := refusedKey
	if x.accepted(err) {
		if got = admitted; principal.From(ctx).ReplayOnly {
			got = replayOnly
		}
	}
	if got != how {
		x.differ("%s authenticates from %s: %s, want %s: %v", x.name(k), ip, got, how, err)
	}
	if how == refusedKey {
		return nil, how
	}
	if how == admitted {
		x.m.use(k, probe)
	}
	p := principal.From(ctx)
	for _, s := range vocabulary {
		if p.Holds(s) != x.m.holds(k, s) {
			x.differ("%s holds %s: %t", x.name(k), s, p.Holds(s))
		}
		if p.Holds(s) && !anyCovers(k.given, s) {
			x.differ("%s holds %s, which nobody gave", x.name(k), s)
		}
	}
	return ctx, how
}

// check looks at a key from outside: its rights, and that the texts it had before are dead. One
// whose secret is still to be used is mostly left so.
func (x *machine) check(k *record) {
	if k.authenticated || x.chance(15) {
		x.present(k, x.address(k), x.chance(70))
	}
	if len(k.replaced) > 0 {
		_, err := x.w.Authenticate(x.w.t.Context(), pick(x, k.replaced), keys.Use{})
		if x.accepted(err) == x.m.on(goneIsGone) {
			x.differ("a replaced text of %s: %v", x.name(k), err)
		}
	}
}

// accepted tells success from a refusal; whatever else goes wrong is a difference.
func (x *machine) accepted(err error) bool {
	if err == nil {
		return true
	}
	list, rest := fault.Split(err)
	if _, refused := rest.(*fault.Error); len(list) == 0 && !refused {
		x.differ("neither done nor refused: %T %v", err, err)
	}
	return false
}

// expect compares whether the call was accepted, and answers it.
func (x *machine) expect(want bool, err error, format string, args ...any) bool {
	x.note("  "+format+" → %v", append(args, err)...)
	got := x.accepted(err)
	if got != want {
		x.differ("%s: accepted %t, want %t: %v", x.kind, got, want, err)
	}
	if got {
		x.tally.add(tally{x.kind: {0, 1}})
	} else {
		x.tally.add(tally{x.kind: {1, 0}})
	}
	return got
}

const stepsPerWorld = 150

// outcome is a difference, and the steps of its world up to it.
type outcome struct {
	steps []step
	trace []string
	found difference
}

// campaign plays sequences in worlds of their own, side by side, until as many steps are done or a
// difference is found.
func campaign(t *testing.T, dialect string, seed uint64, most int, off rule) (played int, counts tally, first *outcome) {
	counts = tally{}
	var mu sync.Mutex
	t.Run("worlds", func(t *testing.T) {
		for n := range (most + stepsPerWorld - 1) / stepsPerWorld {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				mu.Lock()
				over := first != nil
				mu.Unlock()
				if over {
					return
				}
				steps := plan(rand.New(rand.NewPCG(seed, uint64(n))), min(stepsPerWorld, most-n*stepsPerWorld))
				o, more := play(t, dialect, steps, off)
				mu.Lock()
				defer mu.Unlock()
				played += len(o.steps)
				counts.add(more)
				if o.found != "" && first == nil {
					first = &o
				}
			})
		}
	})
	return played, counts, first
}

// shrink leaves steps out for as long as some difference remains.
func shrink(t *testing.T, dialect string, o outcome) outcome {
	for size := len(o.steps); size > 0; size /= 2 {
		for at := 0; at+size <= len(o.steps); {
			var fewer outcome
			t.Run("shrink", func(t *testing.T) {
				fewer, _ = play(t, dialect, slices.Concat(o.steps[:at], o.steps[at+size:]), allRules)
			})
			if fewer.found != "" {
				o = fewer
			} else {
				at += size
			}
		}
	}
	return o
}

// KEYTAG_TEST_STEPS is how many steps each database gets, KEYTAG_TEST_SEED repeats a run.
func TestNobodyGainsARight(t *testing.T) {
	steps, seed := 2000, rand.Uint64()
	if text := os.Getenv("KEYTAG_TEST_STEPS"); text != "" {
		n, err := strconv.Atoi(text)
		must(t, err)
		steps = n
	}
	if text := os.Getenv("KEYTAG_TEST_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		must(t, err)
		seed = n
	}
	t.Logf("KEYTAG_TEST_SEED=%d, %d steps on each database", seed, steps)
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		played, counts, parted := campaign(t, dialect, seed, steps, allRules)
		if parted != nil {
			found := parted.found
			*parted = shrink(t, dialect, *parted)
			t.Fatalf("KEYTAG_TEST_SEED=%d, after %d steps: %s\nshrunk to %d steps:\n%s\n%s", seed, played, found,
				len(parted.steps), strings.Join(parted.trace, "\n"), parted.found)
		}
		t.Logf("%d steps; refused and accepted: %v", played, counts)
		for _, k := range kinds {
			if counts[k.name][1] == 0 {
				t.Errorf("%s was never accepted", k.name)
			}
		}
	})
}

// Each rule that the model is run without is missed: the test above can fail.
func TestARuleLeftOutIsFound(t *testing.T) {
	const seed, most = 20260831, 12_000
	for _, off := range []rule{
		givesWhatItHolds, verifyStays, roleBounds, ownKeysOnly, forOthers, rotateHolds, rotationNarrows, viewerIsExempt,
		replayHolds, adminsResume, adminsWidenIPs, boundMakeBound, ownKeysReplayed, ownerStands, administratorStays, goneIsGone,
	} {
		t.Run(string(off), func(t *testing.T) {
			played, _, parted := campaign(t, dialect.SQLite, seed, most, off)
			if parted == nil {
				t.Fatalf("seed %d: nothing found in %d steps", seed, played)
			}
			t.Logf("found after %d steps: %s", played, parted.found)
		})
	}
}

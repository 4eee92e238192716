package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// shape is what happens beside a history.
type shape struct {
	name   string
	deaf   bool // replicas hear of no change, and have to look
	length time.Duration
	// answered is the least share of reads that have to be answered, or the history tells too little.
	answered float64
	beside   func(c *cluster, random *rand.Rand)
}

var shapes = []shape{
	{"quiet", false, time.Second, 1, func(*cluster, *rand.Rand) {}},
	{"no notifications", true, time.Second, 1, func(*cluster, *rand.Rand) {}},
	{"a replica is paused", false, 2 * time.Second, .99, func(c *cluster, random *rand.Rand) {
		time.Sleep(upTo(random, 500*time.Millisecond))
		c.pause(random.IntN(len(c.replicas)), 300*time.Millisecond+upTo(random, 1200*time.Millisecond))
	}},
	{"a replica loses the database", false, 3 * time.Second, .9, func(c *cluster, random *rand.Rand) {
		time.Sleep(upTo(random, 500*time.Millisecond))
		w := c.ways[random.IntN(len(c.ways))]
		w.swallow(c.t)
		time.Sleep(time.Second + upTo(random, time.Second))
		w.restore(c.t)
	}},
}

// record plays one history and checks it.
func (c *cluster) record(random *rand.Rand, s shape) (*history, error) {
	h := c.newHistory(random)
	var beside sync.WaitGroup
	beside.Go(func() { s.beside(c, random) })
	h.play(rand.New(rand.NewPCG(random.Uint64(), random.Uint64())), s.length)
	beside.Wait()
	return h, h.check()
}

// played sums histories of a shape up.
type played struct {
	histories         int
	asked, unanswered map[act]int
	revocations       []time.Duration
}

func (p *played) add(h *history) {
	p.histories++
	for a, n := range h.asked {
		p.asked[a] += n
		p.unanswered[a] += h.unanswered[a]
	}
	p.revocations = append(p.revocations, h.revoked...)
}

// answered is the share of reads that were.
func (p *played) answered() float64 {
	asked := p.asked[read] + p.asked[verify]
	return float64(asked-p.unanswered[read]-p.unanswered[verify]) / float64(asked)
}

func (p *played) String() string {
	var each []string
	for _, a := range slices.Sorted(maps.Keys(p.asked)) {
		each = append(each, fmt.Sprintf("%s %d (%d unanswered)", a, p.asked[a], p.unanswered[a]))
	}
	return fmt.Sprintf("%d histories: %s; revocations: %s", p.histories, strings.Join(each, ", "), quantiles(p.revocations))
}

func (p *played) median() time.Duration {
	slices.Sort(p.revocations)
	return p.revocations[len(p.revocations)/2]
}

// KEYTAG_TEST_HISTORIES says how many histories of three replicas are checked, KEYTAG_TEST_SEED repeats what
// clients choose.
func TestHistoriesAreLinearizable(t *testing.T) {
	histories := number(t, "KEYTAG_TEST_HISTORIES", 8)
	seed := uint64(number(t, "KEYTAG_TEST_SEED", rand.Int()))
	t.Logf("KEYTAG_TEST_HISTORIES=%d KEYTAG_TEST_SEED=%d", histories, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	of := map[bool]*cluster{false: newCluster(t, 3), true: newClusterOf(t, hooked(t), 3, "KEYTAG_HOOK_DEAF=1")}
	sums := map[string]*played{}
	for i := range histories {
		s := shapes[i%len(shapes)]
		h, err := of[s.deaf].record(random, s)
		if err != nil {
			t.Errorf("history %d, %s: %v", i, s.name, err)
		}
		if sums[s.name] == nil {
			sums[s.name] = &played{asked: map[act]int{}, unanswered: map[act]int{}}
		}
		sums[s.name].add(h)
	}
	for _, s := range shapes[:min(histories, len(shapes))] {
		sum := sums[s.name]
		t.Logf("%s: %v", s.name, sum)
		if answered := sum.answered(); answered < s.answered {
			t.Errorf("%s: only %.3f of the reads were answered", s.name, answered)
		}
		for _, d := range sum.revocations {
			if s.name == "a replica is paused" && d > 2*time.Second { // 1.5 on a machine with nothing else to do
				t.Errorf("a revocation took %v beside a replica that was paused", d)
			}
		}
		// Who is told of a change has noted it within milliseconds; two who look every 50 ms, seldom within 15.
		if s.deaf && len(sum.revocations) > 10 && sum.median() < 15*time.Millisecond {
			t.Errorf("%s: the median revocation took %v, as if replicas had heard of it", s.name, sum.median())
		}
	}
}

// What the histories are there to find is found: replicas that do not wait for each other, and that forget
// too late. A tenth as many histories as above are played of each, and on until one is found out.
func TestHistoriesThatAreNotLinearizable(t *testing.T) {
	const most = 20
	atLeast := min(most, number(t, "KEYTAG_TEST_HISTORIES", 8)/10)
	for _, flaw := range []struct {
		env   []string
		shape shape
	}{
		{[]string{"KEYTAG_HOOK_NO_BARRIER=1", "KEYTAG_HOOK_DEAF=1"}, shapes[1]},
		{[]string{"KEYTAG_HOOK_STALE=50ms"}, shapes[0]},
	} {
		t.Run(strings.Join(flaw.env, " "), func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(number(t, "KEYTAG_TEST_SEED", rand.Int())), 0))
			c := newClusterOf(t, hooked(t), 3, flaw.env...)
			found, histories := 0, 0
			for ; histories < most && (histories < atLeast || found == 0); histories++ {
				if _, err := c.record(random, flaw.shape); err != nil {
					if found++; found == 1 {
						first, _, _ := strings.Cut(err.Error(), "\n")
						t.Logf("history %d: %s", histories+1, first)
					}
				}
			}
			t.Logf("found out by %d histories of %d", found, histories)
			if found == 0 {
				t.Errorf("not found by %d histories", histories)
			}
		})
	}
}

func hooked(t testing.TB) string {
	t.Helper()
	path, err := withHooks()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

package graph_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/lifecycle"
)

// life is what a naive observer knows of one key in a project of its own.
type life struct {
	project, id, text string
	madeAt, usedAt    time.Time
	expires, disuse   time.Time
	notAccessed       string
	leads             []string
	silent            bool // replaced, or revoked
	// told is what should have been told: instants, and of which end.
	told []string
	// reminded has the instant of the last reminder of each end, by when it was told.
	reminded map[time.Time]time.Time
	over     bool
	history  []string
}

func (l *life) note(format string, args ...any) {
	l.history = append(l.history, fmt.Sprintf(format, args...))
}

// end is the end of the key, and whether it is one by disuse.
func (l *life) end() (time.Time, bool) {
	if l.disuse.Before(l.expires) {
		return l.disuse, true
	}
	return l.expires, false
}

// thresholds are the instants at which there is something to tell of the end as it is, oldest first.
func (l *life) thresholds() []time.Time {
	end, byDisuse := l.end()
	since := l.madeAt
	if byDisuse {
		since = l.usedAt
	}
	var at []time.Time
	for _, lead := range l.leads {
		if t := lifecycle.MustPeriod(lead).Back(end); t.After(since) {
			at = append(at, t)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	return at
}

// work is what a worker at now should tell.
func (l *life) work(now time.Time) {
	end, byDisuse := l.end()
	switch {
	case l.silent || l.over:
	case !now.Before(end):
		l.over = true
		if byDisuse {
			l.told = append(l.told, now.Format(time.RFC3339Nano)+" ended")
		}
	default:
		passed := slices.DeleteFunc(l.thresholds(), func(t time.Time) bool { return t.After(now) })
		if len(passed) == 0 || !l.reminded[end].Before(passed[len(passed)-1]) {
			return
		}
		l.reminded[end] = now
		l.told = append(l.told, now.Format(time.RFC3339Nano)+" ends "+end.Format(time.DateTime))
	}
}

var (
	someLeads   = []string{"P25D", "P20D", "P7D", "P1W", "P3D", "P1D", "PT24H", "PT1H", "P1M", "PT0.000001S"}
	someDisuses = []string{"P10D", "P21D", "P1M"}
)

// step lets something happen to the key, or nothing.
func (l *life) step(s *site, random *rand.Rand) {
	now := s.clock()
	end, _ := l.end()
	if !now.Before(end) || l.silent {
		return
	}
	switch random.IntN(14) {
	case 0, 1:
		l.note("%s used", now)
		if !now.Before(l.usedAt.Add(time.Minute)) || l.usedAt.Equal(l.madeAt) {
			l.usedAt, l.disuse = now, lifecycle.MustPeriod(l.notAccessed).From(now)
		}
		s.use(l.text)
	case 2:
		at := now.Add(time.Minute + time.Duration(random.Int64N(int64(40*oneDay)))).Truncate(time.Microsecond)
		if at.After(l.expires) {
			return
		}
		l.note("%s expires %s", now, at)
		l.expires = at
		s.mutate("updateApiKey", fmt.Sprintf(`id: %q, expiresAt: %q`, l.id, at.Format(time.RFC3339Nano)))
	case 3:
		l.note("%s suspended and resumed", now)
		s.mutate("suspendApiKey", fmt.Sprintf(`id: %q`, l.id))
		if random.IntN(2) == 0 {
			s.mutate("resumeApiKey", fmt.Sprintf(`id: %q`, l.id))
		} else {
			l.text = "" // it ends all the same; only its use is over
		}
	case 4:
		l.leads = nil
		for _, i := range random.Perm(len(someLeads))[:random.IntN(4)] {
			l.leads = append(l.leads, someLeads[i])
		}
		if slices.Contains(l.leads, "P1W") {
			l.leads = slices.DeleteFunc(l.leads, func(lead string) bool { return lead == "P7D" })
		}
		if slices.Contains(l.leads, "PT24H") {
			l.leads = slices.DeleteFunc(l.leads, func(lead string) bool { return lead == "P1D" })
		}
		l.note("%s leads %v", now, l.leads)
		s.policy(fmt.Sprintf(`projectId: %q, reminderLeadTimes: %s`, l.project, strings.ReplaceAll(fmt.Sprintf("%q", l.leads), " ", ", ")))
	case 5:
		l.notAccessed = someDisuses[random.IntN(len(someDisuses))]
		l.note("%s disuse %s", now, l.notAccessed)
		if end := lifecycle.MustPeriod(l.notAccessed).From(l.usedAt); end.Before(l.disuse) {
			l.disuse = end
			if end.Before(now) {
				l.disuse = now
			}
		}
		s.policy(fmt.Sprintf(`projectId: %q, notAccessedExpirationPeriod: %q`, l.project, l.notAccessed))
	case 6:
		if random.IntN(4) == 0 {
			l.note("%s replaced or revoked", now)
			l.silent = true
			if random.IntN(2) == 0 || l.text == "" {
				s.mutate("revokeApiKey", fmt.Sprintf(`id: %q`, l.id))
			} else {
				s.mutate("rotateApiKey", fmt.Sprintf(`id: %q`, l.id))
			}
		}
	}
}

// Hundreds of keys live through random histories side by side; a naive observer, who looks at every one
// whenever the server works, says what their owners should have been told, and when.
func TestRemindersOfRandomHistories(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("KEYTAG_TEST_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("KEYTAG_TEST_SEED=%d", seed)
	each(t, func(t *testing.T, s *site) {
		random := rand.New(rand.NewPCG(seed, 1))
		const n, steps = 300, 40
		lives := make([]*life, n)
		for i := range lives {
			l := &life{project: s.newProject(fmt.Sprintf("p%d", i)), madeAt: s.clock(), usedAt: s.clock(), notAccessed: "P21D", leads: []string{"P30D", "P7D", "P1D"}, reminded: map[time.Time]time.Time{}}
			s.policy(fmt.Sprintf(`projectId: %q, notAccessedExpirationPeriod: "P21D"`, l.project))
			days := 1 + random.IntN(60)
			l.id, l.text = s.create(s.admin, map[string]any{"name": fmt.Sprintf("k%d", i), "projectId": l.project, "expiresIn": fmt.Sprintf("P%dD", days)})
			l.expires, l.disuse = l.madeAt.AddDate(0, 0, days), l.madeAt.AddDate(0, 0, 21)
			lives[i] = l
			s.pass(time.Duration(random.Int64N(int64(time.Minute))).Truncate(time.Microsecond))
		}
		for range steps {
			for _, l := range lives {
				if l.text != "" && random.IntN(3) == 0 {
					l.step(s, random)
				}
			}
			if random.IntN(5) > 0 { // else no server works for a while
				s.work()
				for _, l := range lives {
					l.work(s.clock())
				}
			}
			s.goTo(nextInstant(lives, s.clock(), random))
			s.use(s.admin)
		}
		s.compare(lives)
	})
}

// nextInstant is where the clock jumps: to an instant at which there is something to tell of some key,
// or a microsecond before, or anywhere.
func nextInstant(lives []*life, now time.Time, random *rand.Rand) time.Time {
	if random.IntN(4) > 0 {
		var ahead []time.Time
		for _, l := range lives {
			end, _ := l.end()
			for _, t := range append(l.thresholds(), end) {
				if t.Add(-time.Microsecond).After(now) && t.Before(now.Add(6*oneDay)) {
					ahead = append(ahead, t)
				}
			}
		}
		if len(ahead) > 0 {
			return ahead[random.IntN(len(ahead))].Add(-time.Duration(random.IntN(2)) * time.Microsecond)
		}
	}
	return now.Add(time.Duration(random.Int64N(int64(2 * oneDay)))).Truncate(time.Microsecond)
}

// compare checks every key's messages against what its observer expects.
func (s *site) compare(lives []*life) {
	s.t.Helper()
	got := map[string][]string{}
	count := 0
	for id, list := range s.everythingTold() {
		for _, m := range list {
			text := m.at.Format(time.RFC3339Nano) + " ended"
			if at := strings.LastIndex(m.text, "xpires a"); at >= 0 { // "Expires at", "expires automatically at"
				_, end, _ := strings.Cut(m.text[at:], " at ")
				ends, err := time.Parse("2 January 2006, 15:04:05 MST", strings.TrimSuffix(strings.TrimSpace(end), "."))
				if err != nil {
					s.t.Fatal(err)
				}
				text = m.at.Format(time.RFC3339Nano) + " ends " + ends.Format(time.DateTime)
			}
			got[id] = append(got[id], text)
			count++
		}
	}
	for _, l := range lives {
		if !slices.Equal(got[l.id], l.told) {
			s.t.Fatalf("made %s:\n%s\ntold\n%s\nwant\n%s", l.madeAt, strings.Join(l.history, "\n"), strings.Join(got[l.id], "\n"), strings.Join(l.told, "\n"))
		}
	}
	s.t.Logf("%d histories, %d messages", len(lives), count)
	if count < len(lives) {
		s.t.Errorf("%d messages about %d keys: too few to say anything", count, len(lives))
	}
}

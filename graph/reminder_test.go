package graph_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The owner of every key is told of its end, once for each lead time, exactly then.
func TestRemindersComeAtTheirInstants(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		id, _ := s.create(s.admin, map[string]any{"name": "k", "expiresIn": "P60D"})
		end := s.end(id)
		var at []time.Time
		for _, lead := range []time.Duration{30 * oneDay, 7 * oneDay, oneDay} {
			s.goTo(end.Add(-lead - time.Microsecond))
			s.work()
			s.wantTold(id, at...)
			s.pass(time.Microsecond)
			at = append(at, s.clock())
			for range 3 {
				s.work()
			}
			s.wantTold(id, at...)
		}
		if text := s.told(id)[0].text; !strings.Contains(text, "API key k (ktg_") || !strings.Contains(text, "Expires at 30 October 2026, 10:00:00 UTC.") {
			t.Error(text)
		}
		s.goTo(end)
		s.work()
		s.pass(oneDay)
		s.work()
		s.wantTold(id, at...)
	})
}

// Nobody is told of a key that has a successor, was revoked or removed.
func TestRemindersSkipWhatNeedsNone(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		make := func(name string) string {
			id, _ := s.create(s.admin, map[string]any{"name": name, "expiresIn": "P60D"})
			return id
		}
		rotated, revoked, removed := make("rotated"), make("revoked"), make("removed")
		s.work()
		s.pass(29 * oneDay)
		s.mutate("rotateApiKey", fmt.Sprintf(`id: %q, gracePeriod: "P7D"`, rotated))
		successor := s.ask(s.admin, fmt.Sprintf(`{ apiKey(id: %q) { replacedBy { id } } }`, rotated), nil).str(t, "apiKey", "replacedBy", "id")
		s.mutate("revokeApiKey", fmt.Sprintf(`id: %q`, revoked))
		s.mutate("revokeApiKey", fmt.Sprintf(`id: %q`, removed))
		s.mutate("removeApiKey", fmt.Sprintf(`id: %q`, removed))
		s.pass(oneDay)
		s.work()
		s.pass(24 * oneDay)
		s.work()
		for _, id := range []string{rotated, revoked} {
			s.wantTold(id)
		}
		n := s.ask(s.admin, `{ operatorMessages { totalCount } }`, nil).at(t, "operatorMessages", "totalCount")
		if n != 0.0 {
			t.Errorf("%v messages", n)
		}
		// The successor lives as long as the old key did, and is reminded of for itself.
		s.goTo(s.end(successor).Add(-30 * oneDay))
		s.work()
		s.wantTold(successor, s.clock())
	})
}

// A use that moves the end of a key moves its reminders; forgotten again, it is reminded of again; and
// what ends by disuse is told, once.
func TestRemindersOfDisuse(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.policy(`projectId: "` + s.project() + `", notAccessedExpirationPeriod: "P20D", reminderLeadTimes: ["P7D", "P1D"]`)
		project := s.newProject("p")
		s.policy(fmt.Sprintf(`projectId: %q, notAccessedExpirationPeriod: "P20D", reminderLeadTimes: ["P7D", "P1D"]`, project))
		id, text := s.create(s.admin, map[string]any{"name": "k", "projectId": project})
		work := func(at time.Time) { s.goTo(at); s.use(s.admin); s.work() }
		work(start.Add(13*oneDay - time.Microsecond))
		s.wantTold(id)
		work(start.Add(13 * oneDay))
		s.wantTold(id, start.Add(13*oneDay))
		if text := s.told(id)[0].text; !strings.Contains(text, "If not used again, expires automatically at 20 September 2026, 10:00:00 UTC.") {
			t.Error(text)
		}
		s.pass(time.Hour)
		used := s.clock()
		s.use(text)
		work(start.Add(19 * oneDay)) // a day before the end as it was
		s.wantTold(id, start.Add(13*oneDay))
		work(used.Add(13*oneDay - time.Microsecond))
		s.wantTold(id, start.Add(13*oneDay))
		work(used.Add(13 * oneDay))
		work(used.Add(19 * oneDay))
		work(used.Add(20*oneDay - time.Microsecond))
		want := []time.Time{start.Add(13 * oneDay), used.Add(13 * oneDay), used.Add(19 * oneDay)}
		s.wantTold(id, want...)
		work(used.Add(20 * oneDay))
		work(used.Add(21 * oneDay))
		want = append(want, used.Add(20*oneDay))
		s.wantTold(id, want...)
		if text := s.told(id)[3].text; !strings.Contains(text, "because it was not used") {
			t.Error(text)
		}
		events := s.ask(s.admin, fmt.Sprintf(`{ auditEvents(filter: {subjectId: %q, actions: ["api_key.expired_by_inactivity"]}) { nodes { at actor { system } } } }`, id), nil)
		if !strings.Contains(events.text, `"nodes":[{"at":"2026-10-03T11:00:00Z","actor":{"system":true}}]`) {
			t.Error(events.text)
		}
	})
}

// A use may move the end from disuse to the lifetime, past lead times of that: they count as ones of an
// end brought forward.
func TestAUseThatLeavesTheLifetimeAsTheEnd(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		project := s.newProject("p")
		s.policy(fmt.Sprintf(`projectId: %q, notAccessedExpirationPeriod: "P50D", reminderLeadTimes: ["P30D"]`, project))
		id, text := s.create(s.admin, map[string]any{"name": "k", "projectId": project, "expiresIn": "P55D"})
		s.goTo(start.Add(20 * oneDay))
		s.work()
		s.wantTold(id, start.Add(20*oneDay))
		s.goTo(start.Add(45 * oneDay))
		s.work()
		s.use(text)
		s.work()
		s.wantTold(id, start.Add(20*oneDay), start.Add(45*oneDay))
		if text := s.told(id)[1].text; !strings.Contains(text, "Expires at 25 October 2026") {
			t.Error(text)
		}
	})
}

// An end brought forward is told once, by the shortest lead time that it passed.
func TestRemindersOfAnEndBroughtForward(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		updated, _ := s.create(s.admin, map[string]any{"name": "u", "expiresIn": "P90D"})
		swept, _ := s.create(s.admin, map[string]any{"name": "s", "expiresIn": "P90D", "projectId": s.newProject("p")})
		project := s.ask(s.admin, fmt.Sprintf(`{ apiKey(id: %q) { project { id } } }`, swept), nil).str(t, "apiKey", "project", "id")
		s.work()
		s.pass(40 * oneDay)
		s.work()
		at := s.clock()
		s.mutate("updateApiKey", fmt.Sprintf(`id: %q, expiresAt: %q`, updated, at.Add(5*oneDay).Format(time.RFC3339)))
		s.policy(fmt.Sprintf(`projectId: %q, maxExpirationPeriod: "P45D"`, project))
		s.work()
		s.work()
		s.wantTold(updated, at)
		s.wantTold(swept, at)
		s.pass(4 * oneDay)
		s.work()
		s.wantTold(updated, at, s.clock())
		s.wantTold(swept, at, s.clock())
	})
}

// Lead times that had begun when the key was made tell nobody; the others do.
func TestLeadTimesThatHadBegun(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		exactly, _ := s.create(s.admin, map[string]any{"name": "e", "expiresIn": "P7D"})
		long, _ := s.create(s.admin, map[string]any{"name": "l", "expiresIn": "P7DT0.000001S"})
		none, _ := s.create(s.admin, map[string]any{"name": "n", "expiresIn": "PT23H"})
		s.work()
		for _, id := range []string{exactly, long, none} {
			s.wantTold(id)
		}
		s.pass(time.Microsecond)
		s.work()
		s.wantTold(long, s.clock())
		s.goTo(start.Add(7*oneDay - time.Microsecond))
		s.work()
		s.wantTold(exactly, s.clock())
		s.wantTold(none)
	})
}

// A server that was down over several lead times tells by the shortest alone, and one that was down
// over the end nothing of that end.
func TestRemindersAfterDowntime(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		id, _ := s.create(s.admin, map[string]any{"name": "k", "expiresIn": "P60D"})
		over, _ := s.create(s.admin, map[string]any{"name": "o", "expiresIn": "P40D"})
		s.work()
		s.goTo(start.Add(60*oneDay - time.Hour))
		s.work()
		s.work()
		s.wantTold(id, s.clock())
		s.wantTold(over)
		s.pass(2 * time.Hour)
		s.work()
		s.wantTold(id, s.clock().Add(-2*time.Hour))
	})
}

// A reminder of a suspended key tells of its end, which comes all the same.
func TestRemindersOfSuspendedKeys(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		id, _ := s.create(s.admin, map[string]any{"name": "k", "expiresIn": "P60D"})
		s.mutate("suspendApiKey", fmt.Sprintf(`id: %q`, id))
		s.goTo(start.Add(30 * oneDay))
		s.work()
		s.wantTold(id, s.clock())
		if text := s.told(id)[0].text; !strings.Contains(text, "Expires at 30 October 2026, 10:00:00 UTC.") {
			t.Error(text)
		}
	})
}

package graph_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/typeid"
)

// Every answer to the three questions, and the risk that follows.
func TestForecastRisks(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.policy(`reminderLeadTimes: []`)
		risks := map[[3]bool]string{ // in use, has a successor, somebody will be told
			{true, false, false}: "CRITICAL", {true, false, true}: "HIGH", {true, true, false}: "MEDIUM", {true, true, true}: "MEDIUM",
			{false, false, false}: "MEDIUM", {false, false, true}: "LOW", {false, true, false}: "LOW", {false, true, true}: "LOW",
		}
		ids := map[[3]bool]string{}
		for answers := range risks {
			id, text := s.create(s.admin, map[string]any{"name": fmt.Sprint(answers), "expiresIn": "P20D"})
			if answers[0] {
				s.use(text)
			}
			if answers[1] {
				s.rotateTo(id, "P5D")
			}
			if answers[2] {
				s.notifyAt(id, s.clock().Add(oneDay))
			}
			ids[answers] = id
		}
		for answers, risk := range risks {
			s.wantRisk(ids[answers], risk, answers[0], answers[1], answers[2])
		}
		var order []string
		for _, e := range s.forecast(s.admin, `within: "P60D"`, 100, false) {
			if len(order) == 0 || order[len(order)-1] != e.Risk {
				order = append(order, e.Risk)
			}
		}
		if fmt.Sprint(order) != "[CRITICAL HIGH MEDIUM LOW]" {
			t.Errorf("the order is %v", order)
		}
	})
}

func TestForecastEndsByEveryClock(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.policy(`notAccessedExpirationPeriod: "P10D"`)
		byLife, _ := s.create(s.admin, map[string]any{"name": "life", "expiresIn": "P9D"})
		byDisuse, _ := s.create(s.admin, map[string]any{"name": "disuse", "expiresIn": "P30D"})
		byGrace, _ := s.create(s.admin, map[string]any{"name": "grace"})
		asleep, _ := s.create(s.admin, map[string]any{"name": "asleep", "expiresIn": "P8D"})
		revoked, _ := s.create(s.admin, map[string]any{"name": "revoked", "expiresIn": "P8D"})
		removed, _ := s.create(s.admin, map[string]any{"name": "removed", "expiresIn": "P8D"})
		s.rotateTo(byGrace, "P3D")
		s.mutate("suspendApiKey", fmt.Sprintf(`id: %q`, asleep))
		s.mutate("revokeApiKey", fmt.Sprintf(`id: %q`, revoked))
		s.mutate("removeApiKey", fmt.Sprintf(`id: %q`, removed))
		for key, want := range map[string]struct {
			because string
			in      time.Duration
		}{byLife: {"LIFETIME", 9 * oneDay}, byDisuse: {"NOT_ACCESSED", 10 * oneDay}, byGrace: {"ROTATION_GRACE", 3 * oneDay}, asleep: {"LIFETIME", 8 * oneDay}} {
			e := s.foreseen(key, "P60D")
			if e == nil || e.EndsBecause != want.because || !e.EndsAt.Equal(start.Add(want.in)) {
				t.Errorf("got %+v, want %+v", e, want)
			}
		}
		for _, key := range []string{revoked, removed} {
			if e := s.foreseen(key, "P60D"); e != nil {
				t.Errorf("%+v", e)
			}
		}
	})
}

// The window is open at now and closed at its end, to the microsecond.
func TestForecastWindow(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		end := start.Add(7 * oneDay)
		key, _ := s.create(s.admin, map[string]any{"name": "week", "expiresAt": end.Format(time.RFC3339Nano)})
		later, _ := s.create(s.admin, map[string]any{"name": "later", "expiresAt": end.Add(time.Microsecond).Format(time.RFC3339Nano)})
		has := func(key string, want bool) {
			t.Helper()
			if got := s.foreseen(key, "P7D") != nil; got != want {
				t.Errorf("at %s: listed %t, want %t", s.clock(), got, want)
			}
		}
		has(key, true)
		has(later, false)
		s.goTo(end.Add(-time.Microsecond))
		has(key, true)
		s.goTo(end)
		has(key, false)
		has(later, true)
	})
}

// A key is in use for 30 days from its last use.
func TestForecastUse(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.policy(`reminderLeadTimes: []`)
		key, text := s.create(s.admin, map[string]any{"name": "monthly", "expiresIn": "P60D"})
		s.use(text)
		s.goTo(start.Add(30 * oneDay))
		s.wantRisk(key, "CRITICAL", true, false, false)
		s.goTo(start.Add(30*oneDay + time.Microsecond))
		s.wantRisk(key, "MEDIUM", false, false, false)
	})
}

// A notification counts until its job starts, before the end and while its source is enabled.
func TestForecastNotification(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.policy(`reminderLeadTimes: []`)
		key, text := s.create(s.admin, map[string]any{"name": "told", "expiresIn": "P20D"})
		s.use(text)
		end := start.Add(20 * oneDay)
		source := s.notifyAt(key, end)
		s.wantRisk(key, "CRITICAL", true, false, false)
		s.moveNotice(key, source, end.Add(-time.Microsecond))
		s.wantRisk(key, "HIGH", true, false, true)
		for _, enabled := range []bool{false, true} {
			s.mutate("setAlertSourceEnabled", fmt.Sprintf(`id: %q, enabled: %t`, source, enabled))
			s.wantRisk(key, map[bool]string{true: "HIGH", false: "CRITICAL"}[enabled], true, false, enabled)
		}
		s.moveNotice(key, source, start.Add(oneDay))
		s.goTo(start.Add(oneDay))
		s.wantRisk(key, "HIGH", true, false, true) // due, and not begun
		s.work()
		s.wantRisk(key, "CRITICAL", true, false, false)
	})
}

// A reminder counts until its instant, which at the end of a month is that of several ends.
func TestForecastReminders(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.policy(`reminderLeadTimes: ["P1M"]`)
		end := time.Date(2026, 10, 31, 10, 0, 0, 0, time.UTC) // a month before is 30 September
		key, _ := s.create(s.admin, map[string]any{"name": "month", "expiresAt": end.Format(time.RFC3339Nano)})
		reminder := time.Date(2026, 9, 30, 10, 0, 0, 0, time.UTC)
		s.goTo(reminder.Add(-time.Microsecond))
		s.wantRisk(key, "LOW", false, false, true)
		s.goTo(reminder)
		s.wantRisk(key, "MEDIUM", false, false, false)

		// Lead times of a project take the place of those of the organization, and none at all do too.
		silent := s.newProject("silent")
		s.policy(fmt.Sprintf(`projectId: %q, reminderLeadTimes: []`, silent))
		loud, _ := s.create(s.admin, map[string]any{"name": "loud", "expiresIn": "P50D"})
		mute, text := s.create(s.admin, map[string]any{"name": "mute", "projectId": silent, "expiresIn": "P50D"})
		s.wantRisk(loud, "LOW", false, false, true)
		s.wantRisk(mute, "MEDIUM", false, false, false)
		s.use(text)
		s.wantRisk(mute, "CRITICAL", true, false, false)
	})
}

// A successor counts while it lives and is not removed; of a key that had one nobody is reminded.
func TestForecastSuccessor(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		for name, end := range map[string]string{"revoked": "revokeApiKey", "removed": "removeApiKey"} {
			key, text := s.create(s.admin, map[string]any{"name": name, "expiresIn": "P40D"})
			s.use(text)
			successor := s.rotateTo(key, "P5D")
			s.wantRisk(key, "MEDIUM", true, true, false)
			s.mutate(end, fmt.Sprintf(`id: %q`, successor))
			s.wantRisk(key, "CRITICAL", true, false, false)
		}
	})
}

// Members see what they own, other organizations nothing; a project narrows, also one that is not there.
func TestForecastIsTheCallers(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		d.create(d.admin, map[string]any{"name": "not mia's"})
		elsewhere := d.elsewhere()
		for _, c := range []struct{ as, arguments, want string }{
			{d.text, ``, "[deploy]"},
			{d.admin, ``, "[First administrator key deploy not mia's]"},
			{d.admin, fmt.Sprintf(`, projectId: %q`, d.project()), "[First administrator key deploy not mia's]"},
			{d.admin, fmt.Sprintf(`, projectId: %q`, d.newProject("empty")), "[]"},
			{d.admin, fmt.Sprintf(`, projectId: %q`, typeid.New(typeid.Project, start)), "[]"},
			{elsewhere, fmt.Sprintf(`, projectId: %q`, d.project()), "[]"},
		} {
			names := []string{}
			for _, e := range d.forecast(c.as, `within: "P7M"`+c.arguments, 100, false) {
				names = append(names, e.APIKey.Name)
			}
			if slices.Sort(names); fmt.Sprint(names) != c.want {
				t.Errorf("%s: got %v, want %s", c.arguments, names, c.want)
			}
		}
	})
}

func TestForecastRefuses(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		keys := s.ask(s.admin, `{ apiKeys { pageInfo { endCursor } } }`, nil).str(t, "apiKeys", "pageInfo", "endCursor")
		for _, c := range []struct{ arguments, code, field string }{
			{`within: "P1D", after: "nonsense"`, "cursor.invalid", "after"},
			{fmt.Sprintf(`within: "P1D", after: %q`, keys), "cursor.invalid", "after"},
			{`within: "P1D", last: 1, before: "ZmMga2V5XzE"`, "cursor.invalid", "before"}, // without an end
			{`within: "P1D", first: 0`, "page.invalid", "first"},
			{`within: "P11Y"`, "input.invalid", "within"},
			{fmt.Sprintf(`within: "P1D", projectId: %q`, typeid.New(typeid.User, start)), "input.invalid", "projectId"},
		} {
			a := s.ask(s.admin, `{ expiryForecast(`+c.arguments+`) { nodes { risk } } }`, nil)
			if len(a.Errors) != 1 || a.Errors[0].Extensions.Code != c.code || fmt.Sprint(a.Errors[0].Extensions.Fields) != "["+c.field+"]" {
				t.Errorf("%s: %s", c.arguments, a.text)
			}
		}
	})
}

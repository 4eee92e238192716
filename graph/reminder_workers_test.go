package graph_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/worker"
)

// However many workers look at once, each owner is told once.
func TestManyWorkersRemindOnce(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		project := s.newProject("p")
		s.policy(fmt.Sprintf(`projectId: %q, notAccessedExpirationPeriod: "P20D", reminderLeadTimes: ["P7D"]`, project))
		var ids []string
		for i := range 40 {
			id, _ := s.create(s.admin, map[string]any{"name": fmt.Sprintf("k%d", i), "projectId": project})
			ids = append(ids, id)
		}
		for _, at := range []time.Time{start.Add(13 * oneDay), start.Add(20 * oneDay)} {
			s.goTo(at)
			var all sync.WaitGroup
			for range 8 {
				w := &worker.Worker{Store: s.worker.Store, Keys: s.worker.Keys, Alerts: s.worker.Alerts, Clock: s.clock, Log: s.worker.Log}
				all.Go(func() {
					if err := w.Tick(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		told := s.everythingTold()
		for _, id := range ids {
			if got := told[id]; len(got) != 2 || !got[0].at.Equal(start.Add(13*oneDay)) || !got[1].at.Equal(start.Add(20*oneDay)) {
				t.Fatalf("told %v", got)
			}
		}
		events := s.ask(s.admin, `{ auditEvents(filter: {actions: ["api_key.expired_by_inactivity"]}) { totalCount } }`, nil)
		if events.at(t, "auditEvents", "totalCount") != 40.0 {
			t.Error(events.text)
		}
	})
}

// Time in which no server ran is no disuse: the end is put off by it, and what was told of the end is not
// told again.
func TestRemindersOfAnEndPutOff(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		project := s.newProject("p")
		s.policy(fmt.Sprintf(`projectId: %q, notAccessedExpirationPeriod: "P20D", reminderLeadTimes: ["P7D", "P1D"]`, project))
		id, _ := s.create(s.admin, map[string]any{"name": "k", "projectId": project})
		for n := range 14 {
			s.goTo(start.Add(time.Duration(n) * oneDay))
			if err := s.worker.Keys.Beat(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.work()
		}
		s.wantTold(id, start.Add(13*oneDay))
		gap := 2 * oneDay
		before := s.end(id)
		s.pass(gap)
		if err := s.worker.Keys.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.work()
		if got := s.end(id); !got.Equal(before.Add(gap)) {
			t.Fatalf("ends %s, want %s", got, before.Add(gap))
		}
		s.wantTold(id, start.Add(13*oneDay))
		s.goTo(before.Add(gap - oneDay))
		if err := s.worker.Keys.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.work()
		s.wantTold(id, start.Add(13*oneDay), s.clock())
	})
}

// An operator message is seen and replied to by the owner of the key and by administrators, once.
func TestRepliesToReminders(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		mia, leo := s.user(`login: "mia"`), s.user(`login: "leo"`)
		scopes := []string{"keytag:keys:read"}
		id, text := s.create(s.admin, map[string]any{"name": "m", "ownerId": mia, "scopes": scopes, "expiresIn": "P60D"})
		_, other := s.create(s.admin, map[string]any{"name": "l", "ownerId": leo, "scopes": scopes})
		_, bare := s.create(s.admin, map[string]any{"name": "b", "ownerId": mia})
		s.goTo(start.Add(30 * oneDay))
		s.work()
		message := s.told(id)[0].id
		list := `{ operatorMessages(status: %s) { totalCount nodes { id status replies reply repliedBy { login } repliedAt job { id } } } }`
		reply := func(as, reply string) answer {
			return s.ask(as, fmt.Sprintf(`mutation { replyOperatorMessage(input: {id: %q, reply: %q}) { operatorMessage { id status reply repliedBy { login } } userErrors { code fields } } }`, message, reply), nil)
		}
		if a := s.ask(text, fmt.Sprintf(list, "WAITING_FOR_REPLY"), nil); !strings.Contains(a.text, `"totalCount":1,"nodes":[{"id":"`+message+`","status":"WAITING_FOR_REPLY","replies":["Acknowledge"],"reply":null,"repliedBy":null,"repliedAt":null,"job":null}]`) {
			t.Error(a.text)
		}
		if a := s.ask(other, fmt.Sprintf(list, "WAITING_FOR_REPLY"), nil); !strings.Contains(a.text, `"totalCount":0`) {
			t.Error(a.text)
		}
		for _, c := range []struct{ as, reply, want string }{
			{other, "Acknowledge", `{"code":"not_found","fields":["id"]}`},
			{text, "acknowledge", `{"code":"input.invalid","fields":["reply"]}`},
			{text, "Acknowledge", `{"operatorMessage":{"id":"` + message + `","status":"REPLIED","reply":"Acknowledge","repliedBy":{"login":"mia"}},"userErrors":[]}`},
			{s.admin, "Acknowledge", `{"code":"operator_messages.replied","fields":["id"]}`},
		} {
			if a := reply(c.as, c.reply); !strings.Contains(a.text, c.want) {
				t.Errorf("%s: %s", c.want, a.text)
			}
		}
		if a := reply(bare, "Acknowledge"); strings.Contains(a.text, `"operatorMessage":{`) {
			t.Error(a.text)
		}
		if a := s.ask(s.admin, fmt.Sprintf(list, "REPLIED"), nil); !strings.Contains(a.text, `"totalCount":1`) || !strings.Contains(a.text, `"repliedAt":"2026-09-30T10:00:00Z"`) {
			t.Error(a.text)
		}
		events := s.ask(s.admin, fmt.Sprintf(`{ auditEvents(filter: {subjectId: %q}) { nodes { action actor { user { login } } } } }`, message), nil)
		if !strings.Contains(events.text, `{"action":"operator_message.replied","actor":{"user":{"login":"mia"}}}`) {
			t.Error(events.text)
		}
	})
}

// What is wrong with one key keeps nobody else from being told.
func TestOneBrokenKeyHoldsUpNobody(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		broken := s.newProject("broken")
		bad, _ := s.create(s.admin, map[string]any{"name": "b", "projectId": broken, "expiresIn": "P60D"})
		good, _ := s.create(s.admin, map[string]any{"name": "g", "expiresIn": "P60D"})
		s.work()
		s.change(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE projects SET reminder_lead_times = '["soon"]' WHERE id = $1`, broken)
			return err
		})
		s.goTo(start.Add(30 * oneDay))
		if err := s.worker.Tick(t.Context()); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("the worker says %v", err)
		}
		s.wantTold(good, s.clock())
		s.change(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE projects SET reminder_lead_times = NULL WHERE id = $1`, broken)
			return err
		})
		s.work()
		s.wantTold(bad, s.clock())
	})
}

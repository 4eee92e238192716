package graph_test

import (
	"strings"
	"testing"
	"time"
)

// A successor that waits for its delivery longer than keys may go unused works when it is delivered at
// last: disuse counts from when it works.
func TestTheDisuseOfASuccessorBeginsWithItsLife(t *testing.T) {
	eachLine(t, "intervalDays: 1, delivery: INLINE", answering(503), func(t *testing.T, l *line) {
		l.do("updateApiKeyPolicy", `notAccessedExpirationPeriod: "P2D"`, "apiKeyPolicy { notAccessedExpirationPeriod }")
		l.later(24 * time.Hour)
		for range 5 { // the line's key is used all the time
			l.pass(12 * time.Hour)
			l.ask(l.admin, "{ viewer { id } }", nil)
			l.ask(l.text, "{ viewer { id } }", nil)
			l.work()
		}
		l.stands("DELIVERING", "ACTIVE")
		l.hooks.reply(200)
		for range 4 {
			l.pass(6 * time.Hour)
			l.ask(l.admin, "{ viewer { id } }", nil)
			l.ask(l.text, "{ viewer { id } }", nil)
			l.work()
		}
		secret := l.hooks.last(t).text("secret")
		a := l.ask(secret, "{ viewerKey { status inactivityExpiresAt lastUsedAt } }", nil)
		if a.str(t, "viewerKey", "status") != "ACTIVE" {
			t.Fatalf("%d %s", a.status, a.text)
		}
	})
}

// A successor whose lifetime ends before it can be delivered takes nobody's place.
func TestASuccessorThatEndsBeforeItsDelivery(t *testing.T) {
	eachLine(t, "intervalDays: 1, delivery: INLINE", answering(503), func(t *testing.T, l *line) {
		l.later(24 * time.Hour)
		l.do("updateApiKeyPolicy", `maxExpirationPeriod: "P1DT1H"`, "apiKeyPolicy { maxExpirationPeriod }")
		l.stands("DELIVERING", "ACTIVE")
		l.hooks.reply(200)
		l.pass(0)
		a := l.ask(l.admin, "{ apiKeys(filter: {statuses: [PENDING]}) { nodes { expiresAt } } }", nil)
		end, err := time.Parse(time.RFC3339, a.str(t, "apiKeys", "nodes", 0, "expiresAt"))
		if err != nil {
			t.Fatal(err)
		}
		before := len(l.hooks.all())
		l.pass(end.Sub(l.clock()))
		l.work()
		if got := len(l.hooks.all()); got != before {
			t.Errorf("%d dead secrets were sent", got-before)
		}
	})
}

// The trail tells where the secrets of a line go, but for the path.
func TestTheTrailOfASchedule(t *testing.T) {
	eachLine(t, "intervalDays: 30", answering(200), func(t *testing.T, l *line) {
		l.do("setRotationSchedule", `id: "`+l.id+`", schedule: {intervalDays: 30, delivery: INLINE, webhookUrl: "`+l.hooks.url+`/elsewhere"}`, "apiKey { id }")
		a := l.ask(l.admin, `{ auditEvents(filter: {actions: ["api_key.created", "api_key.rotation_schedule_set"], subjectId: "`+l.id+`"}) { nodes { action changes { field before after } } } }`, nil)
		for _, want := range []string{
			`{"field":"rotation.delivery","before":"CLAIM","after":"INLINE"}`, `{"field":"rotation.webhookUrl"`,
			`{"field":"rotation.intervalDays","before":null,"after":"30"}`, `{"field":"rotation.webhookHost","before":null,"after":"127.0.0.1"}`,
		} {
			if !strings.Contains(a.text, want) {
				t.Errorf("no %s in %s", want, a.text)
			}
		}
		if strings.Contains(a.text, "elsewhere") {
			t.Errorf("the path is told: %s", a.text)
		}
	})
}

// A receiver of a rotation by hand that wants no more is left alone, and the owner knows.
func TestGoneAfterARotationByHand(t *testing.T) {
	eachLine(t, "gracePeriod: \"PT1H\"", answering(410), func(t *testing.T, l *line) {
		l.rotate()
		l.work()
		if url := l.schedule(l.id)["webhookUrl"]; url != nil {
			t.Errorf("the webhook is %v", url)
		}
		a := l.ask(l.admin, `{ auditEvents(filter: {actions: ["api_key.webhook_switched_off"]}) { totalCount } operatorMessages { nodes { text } } }`, nil)
		if a.at(t, "auditEvents", "totalCount") != 1.0 || !strings.Contains(a.text, "answered 410") {
			t.Error(a.text)
		}
	})
}

// While no server runs, nobody knows which keys end by disuse: a worker alone judges none.
func TestAWorkerAloneJudgesNoDisuse(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.ask(s.admin, `mutation { updateApiKeyPolicy(input: {notAccessedExpirationPeriod: "P20D"}) { userErrors { message } } }`, nil)
		id, text := s.create(s.admin, map[string]any{"name": "idle"})
		if err := s.worker.Keys.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 6 {
			s.pass(5 * 24 * time.Hour)
			s.work()
		}
		if err := s.worker.Keys.Start(t.Context()); err != nil { // the server is back
			t.Fatal(err)
		}
		s.work()
		if told := s.told(id); len(told) != 0 {
			t.Errorf("told %v", told)
		}
		if a := s.ask(text, "{ viewerKey { status } }", nil); a.str(t, "viewerKey", "status") != "ACTIVE" {
			t.Fatalf("%d %s", a.status, a.text)
		}
		// From here on disuse counts again, and is told of.
		for range 25 {
			if s.pass(24 * time.Hour); s.worker.Keys.Beat(t.Context()) != nil {
				t.Fatal("no beat")
			}
			s.ask(s.admin, "{ viewer { id } }", nil)
			s.work()
		}
		if told := s.told(id); len(told) == 0 || !strings.Contains(told[len(told)-1].text, "not used") {
			t.Errorf("told %v", told)
		}
	})
}

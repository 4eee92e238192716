package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// set asks for another schedule of the line's key, given as GraphQL, or none.
func (l *line) set(as, schedule string) answer {
	l.t.Helper()
	return l.ask(as, fmt.Sprintf(`mutation { setRotationSchedule(input: {id: %q, schedule: %s}) { webhookSecret
		apiKey { rotation { intervalDays nextRotationAt gracePeriod delivery webhookUrl } }
		userErrors { __typename code fields ... on ScopeError { scopes } ... on GraceOutOfRangeError { maximum } ... on KeyNotLiveError { status } } } }`, l.id, schedule), nil)
}

// A schedule that could never fire is refused: the key has to be due before its end, not at it.
func TestScheduleThatNeverFires(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		create := func(name, expires string, days int) answer {
			return s.ask(s.admin, fmt.Sprintf(`mutation { createApiKey(input: {projectId: %q, name: %q, expiresAt: %q, rotation: {intervalDays: %d}}) {
				apiKey { id rotation { nextRotationAt } } userErrors { code fields } } }`, s.project(), name, expires, days), nil)
		}
		end := start.Add(30 * day)
		for expires, days := range map[string]int{end.Format(time.RFC3339): 30, end.Add(time.Hour).Format(time.RFC3339): 31} {
			a := create("never", expires, days)
			refusedWith(t, a, "createApiKey", "input.invalid")
			if a.str(t, "createApiKey", "userErrors", 0, "fields", 0) != "rotation.intervalDays" {
				t.Errorf("%s", a.text)
			}
		}
		for i, expires := range []string{end.Add(time.Microsecond).Format(time.RFC3339Nano), end.Add(day).Format(time.RFC3339)} {
			a := create(fmt.Sprint(i), expires, 30)
			if next := instantOf(t, a.at(t, "createApiKey", "apiKey", "rotation", "nextRotationAt")); !next.Equal(end) {
				t.Errorf("%s", a.text)
			}
		}
		l := newLine(t, s, "line", every30, nil)
		l.do("updateApiKey", fmt.Sprintf("id: %q, expiresAt: %q", l.id, end.Add(day).Format(time.RFC3339)), "")
		refusedWith(t, l.set(s.admin, `{intervalDays: 31}`), "setRotationSchedule", "input.invalid")
		if a := l.set(s.admin, `{intervalDays: 29}`); !instantOf(t, a.at(t, "setRotationSchedule", "apiKey", "rotation", "nextRotationAt")).Equal(start.Add(29 * day)) {
			t.Errorf("%s", a.text)
		}
	})
}

func TestScheduleInput(t *testing.T) {
	eachLine(t, every30, answering(200), func(t *testing.T, l *line) {
		url := fmt.Sprintf("webhookUrl: %q", l.hooks.url)
		for schedule, want := range map[string]string{
			`{}`:                                       "input.invalid schedule.intervalDays schedule.webhookUrl",
			`{delivery: CLAIM}`:                        "input.invalid schedule.intervalDays schedule.webhookUrl",
			`{intervalDays: 0}`:                        "input.invalid schedule.intervalDays",
			`{intervalDays: -1}`:                       "input.invalid schedule.intervalDays",
			`{intervalDays: 3651}`:                     "input.invalid schedule.intervalDays",
			`{intervalDays: 1, delivery: INLINE}`:      "input.invalid schedule.delivery",
			`{delivery: INLINE, ` + url + `}`:          "input.invalid schedule.delivery",
			`{webhookUrl: "ftp://example.org"}`:        "input.invalid schedule.webhookUrl",
			`{webhookUrl: ""}`:                         "input.invalid schedule.webhookUrl",
			`{intervalDays: 1, gracePeriod: "P7DT1S"}`: "api_keys.grace_out_of_range schedule.gracePeriod",
		} {
			a := l.set(l.admin, schedule)
			e, _ := a.at(t, "setRotationSchedule", "userErrors", 0).(map[string]any)
			if got := strings.Trim(fmt.Sprint(e["code"], " ", e["fields"]), "]"); strings.ReplaceAll(got, "[", "") != want || a.at(t, "setRotationSchedule", "apiKey") != nil {
				t.Errorf("%s: %s", schedule, a.text)
			}
		}
		if s := l.schedule(l.id); s["intervalDays"] != 30.0 || s["gracePeriod"] != "PT1H" || s["delivery"] != "CLAIM" || s["webhookUrl"] != l.hooks.url || s["stalledSince"] != nil {
			t.Errorf("changed by what was refused: %v", s)
		}
		if a := l.set(l.admin, `null`); a.at(t, "setRotationSchedule", "apiKey", "rotation") != nil {
			t.Errorf("%s", a.text)
		}
		l.later(31 * day)
		if l.rotation() != nil || len(l.hooks.all()) != 0 {
			t.Error("rotated without a schedule")
		}
	})
}

// Whoever sets a schedule hands on the secrets to come, and has to hold the scopes.
func TestScheduleNeedsTheScopes(t *testing.T) {
	eachLine(t, every30, answering(200), func(t *testing.T, l *line) {
		_, weak := l.create(l.admin, map[string]any{"name": "weak", "scopes": []string{"keytag:keys:read", "keytag:keys:write"}})
		a := l.set(weak, `{intervalDays: 1}`)
		refusedWith(t, a, "setRotationSchedule", "api_keys.scope_not_held")
		if a.str(t, "setRotationSchedule", "userErrors", 0, "__typename") != "ScopeError" || a.str(t, "setRotationSchedule", "userErrors", 0, "scopes", 0) != "deploy:write" {
			t.Errorf("%s", a.text)
		}
		if l.schedule(l.id)["intervalDays"] != 30.0 {
			t.Error("the schedule was changed")
		}
		_, strong := l.create(l.admin, map[string]any{"name": "strong", "scopes": []string{"keytag:keys:read", "keytag:keys:write", "deploy:*"}})
		if a := l.set(strong, `{intervalDays: 1}`); a.at(t, "setRotationSchedule", "apiKey", "rotation", "intervalDays") != 1.0 {
			t.Errorf("%s", a.text)
		}
	})
}

// The signing secret is shown once: it stays with the URL, and another URL has another.
func TestWebhookSecret(t *testing.T) {
	eachLine(t, every30, answering(200), func(t *testing.T, l *line) {
		other := newHooks(t, answering(200))
		same := fmt.Sprintf(`{intervalDays: 40, webhookUrl: %q}`, l.hooks.url)
		if a := l.set(l.admin, same); a.at(t, "setRotationSchedule", "webhookSecret") != nil {
			t.Errorf("%s", a.text)
		}
		l.do("testRotationWebhook", fmt.Sprintf("id: %q", l.id), "delivered")
		if !l.hooks.last(t).signedBy(t, l.signer) {
			t.Error("the secret changed though the URL has not")
		}
		a := l.set(l.admin, fmt.Sprintf(`{intervalDays: 40, webhookUrl: %q}`, other.url))
		secret := a.str(t, "setRotationSchedule", "webhookSecret")
		l.do("testRotationWebhook", fmt.Sprintf("id: %q", l.id), "delivered")
		if h := other.last(t); secret == l.signer || !h.signedBy(t, secret) || h.signedBy(t, l.signer) {
			t.Errorf("%s", a.text)
		}
		if a := l.set(l.admin, same); a.str(t, "setRotationSchedule", "webhookSecret") == l.signer {
			t.Error("an old secret came back")
		}
	})
}

// A new signing secret: both sign for 24 hours, to the second.
func TestRotateWebhookSecret(t *testing.T) {
	eachLine(t, every30, answering(200), func(t *testing.T, l *line) {
		fresh := l.do("rotateWebhookSecret", fmt.Sprintf("id: %q", l.id), "webhookSecret").str(t, "rotateWebhookSecret", "webhookSecret")
		for after, both := range map[time.Duration]bool{0: true, day - time.Second: true} {
			l.pass(after)
			l.do("testRotationWebhook", fmt.Sprintf("id: %q", l.id), "delivered")
			if h := l.hooks.last(t); !h.signedBy(t, fresh) || h.signedBy(t, l.signer) != both || strings.Count(h.header.Get("webhook-signature"), "v1,") != 2 {
				t.Errorf("after %v: %v", after, h.header)
			}
		}
		l.pass(time.Second)
		l.do("testRotationWebhook", fmt.Sprintf("id: %q", l.id), "delivered")
		if h := l.hooks.last(t); !h.signedBy(t, fresh) || h.signedBy(t, l.signer) || strings.Count(h.header.Get("webhook-signature"), "v1,") != 1 {
			t.Errorf("after a day: %v", h.header)
		}
		bare := newLine(t, l.site, "bare", every30, nil)
		for _, mutation := range []string{"rotateWebhookSecret", "testRotationWebhook"} {
			refusedWith(t, l.ask(l.admin, fmt.Sprintf(`mutation { %s(input: {id: %q}) { userErrors { code } } }`, mutation, bare.id), nil), mutation, "api_keys.no_webhook")
		}
	})
}

func TestTestRotationWebhook(t *testing.T) {
	eachLine(t, every30, answering(200), func(t *testing.T, l *line) {
		for _, c := range []struct {
			status    int
			delivered bool
			code      any
		}{{200, true, 200.0}, {204, true, 204.0}, {500, false, 500.0}, {410, false, 410.0}, {302, false, 302.0}, {0, false, nil}} {
			l.hooks.reply(c.status)
			a := l.do("testRotationWebhook", fmt.Sprintf("id: %q", l.id), "delivered statusCode error")
			if a.at(t, "testRotationWebhook", "delivered") != c.delivered || a.at(t, "testRotationWebhook", "statusCode") != c.code || (a.at(t, "testRotationWebhook", "error") == nil) != c.delivered {
				t.Errorf("%d: %s", c.status, a.text)
			}
			if h := l.hooks.last(t); h.kind != "webhook.test" || !h.signedBy(t, l.signer) || h.text("keyId") != l.id || h.data["secret"] != nil || h.data["claimToken"] != nil {
				t.Errorf("%s", h.body)
			}
		}
		if l.schedule(l.id)["webhookUrl"] == nil || l.rotation() != nil {
			t.Error("a test changes nothing")
		}
		// Port 1 of loopback has no server.
		l.set(l.admin, `{webhookUrl: "http://127.0.0.1:1/"}`)
		a := l.do("testRotationWebhook", fmt.Sprintf("id: %q", l.id), "delivered statusCode error")
		if a.at(t, "testRotationWebhook", "delivered") != false || a.at(t, "testRotationWebhook", "statusCode") != nil || strings.Contains(a.text, "127.0.0.1") {
			t.Errorf("%s", a.text)
		}
	})
}

// A webhook without an interval tells of rotations by hand, with ids only.
func TestWebhookOfManualRotations(t *testing.T) {
	eachLine(t, `gracePeriod: "PT5M"`, answering(200), func(t *testing.T, l *line) {
		if s := l.schedule(l.id); s["nextRotationAt"] != nil || s["intervalDays"] != nil {
			t.Errorf("%v", s)
		}
		a := l.rotate()
		l.work()
		h, secret := l.hooks.last(t), a.str(t, "rotateApiKey", "secret")
		if h.kind != "api_key.rotated" || h.text("keyId") != l.id || h.text("newKeyId") != a.str(t, "rotateApiKey", "newKey", "id") || h.text("rotationId") != l.rotation()["id"] || !h.signedBy(t, l.signer) {
			t.Errorf("%s", h.body)
		}
		if h.data["secret"] != nil || h.data["claimToken"] != nil || strings.Contains(string(h.body), secret[len(secret)-38:]) {
			t.Errorf("%s", h.body)
		}
		if r := l.rotation(); r["automatic"] != false || r["attempts"] != 1.0 || r["status"] != "IN_GRACE" {
			t.Errorf("%v", r)
		}
		// The successor has taken the schedule over; rotated in its turn, the same receiver is told.
		second := &line{site: l.site, t: t, id: h.text("newKeyId"), signer: l.signer, hooks: l.hooks}
		a = second.rotate()
		l.work()
		if h := l.hooks.last(t); h.text("keyId") != second.id || h.text("newKeyId") != a.str(t, "rotateApiKey", "newKey", "id") {
			t.Errorf("%s", h.body)
		}
		if first := l.hooks.all()[0]; first.id == l.hooks.last(t).id {
			t.Error("two events of one id")
		}
	})
}

// A receiver that wants no more of manual rotations is told no more; rotating works on.
func TestGoneSwitchesTheWebhookOff(t *testing.T) {
	eachLine(t, every30, answering(http.StatusGone), func(t *testing.T, l *line) {
		successor := l.rotate().str(t, "rotateApiKey", "newKey", "id")
		l.work()
		l.stands("IN_GRACE", "ROTATING_OUT")
		if s := l.schedule(successor); s["webhookUrl"] != nil || s["intervalDays"] != 30.0 || len(l.hooks.all()) != 1 {
			t.Errorf("%v", s)
		}
		l.later(30 * day)
		next := &line{site: l.site, t: t, id: successor}
		next.stands("WAITING_FOR_CLAIM", "ACTIVE")
		if len(l.hooks.all()) != 1 {
			t.Error("told again")
		}
	})
}

// Only if the successor ended without ever having been used, the key gets another; the dead and the
// suspended get none.
func TestSuccessorThatEndedUnused(t *testing.T) {
	eachLine(t, every30+`, gracePeriod: "P7D"`, answering(200), func(t *testing.T, l *line) {
		a := l.claim(l.text, l.announced().text("claimToken"))
		l.do("revokeApiKey", fmt.Sprintf("id: %q", a.str(t, "claimRotation", "newKey", "id")), "")
		l.pass(time.Second)
		set := l.set(l.admin, `{intervalDays: 31}`)
		if !instantOf(t, set.at(t, "setRotationSchedule", "apiKey", "rotation", "nextRotationAt")).Equal(start.Add(31 * day)) {
			t.Errorf("%s", set.text)
		}
		l.later(day)
		l.stands("WAITING_FOR_CLAIM", "ROTATING_OUT")
		again := l.rotate()
		l.ask(again.str(t, "rotateApiKey", "secret"), `{ viewer { id } }`, nil)
		l.do("revokeApiKey", fmt.Sprintf("id: %q", again.str(t, "rotateApiKey", "newKey", "id")), "")
		refusedWith(t, l.rotate(), "rotateApiKey", "api_keys.already_rotated")
		refusedWith(t, l.set(l.admin, `{intervalDays: 40}`), "setRotationSchedule", "api_keys.already_rotated")

		dead := newLine(t, l.site, "dead", every30, nil)
		dead.do("suspendApiKey", fmt.Sprintf("id: %q", dead.id), "")
		refusedWith(t, dead.rotate(), "rotateApiKey", "api_keys.not_live")
		dead.do("revokeApiKey", fmt.Sprintf("id: %q", dead.id), "")
		refusedWith(t, dead.rotate(), "rotateApiKey", "api_keys.not_live")
		refusedWith(t, dead.set(l.admin, `{intervalDays: 40}`), "setRotationSchedule", "api_keys.not_live")
	})
}

package graph_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/secret"
)

const every30 = "intervalDays: 30"

// announced lets the line fall due and answers the webhook that says so.
func (l *line) announced() hook {
	l.t.Helper()
	l.later(30 * day)
	l.stands("WAITING_FOR_CLAIM", "ACTIVE")
	return l.hooks.last(l.t)
}

// A key is due at the very instant of its creation plus the interval, not a microsecond before.
func TestDueAtTheInstant(t *testing.T) {
	eachLine(t, every30, answering(200), func(t *testing.T, l *line) {
		due := start.Add(30 * day)
		if next := l.schedule(l.id)["nextRotationAt"]; !instantOf(t, next).Equal(due) {
			t.Errorf("next: %v", next)
		}
		l.later(30*day - time.Microsecond)
		if l.rotation() != nil || len(l.hooks.all()) != 0 {
			t.Fatal("too early")
		}
		l.later(time.Microsecond)
		l.stands("WAITING_FOR_CLAIM", "ACTIVE")
		if l.schedule(l.id)["nextRotationAt"] != nil || l.rotation()["automatic"] != true || l.rotation()["newKey"] != nil {
			t.Errorf("%v", l.key(l.id))
		}
	})
}

func TestClaim(t *testing.T) {
	eachLine(t, every30+`, gracePeriod: "PT3H"`, answering(204), func(t *testing.T, l *line) {
		h := l.announced()
		if len(l.hooks.all()) != 1 || h.kind != "api_key.rotation_due" || !h.signedBy(t, l.signer) || !h.sentAt.Equal(l.clock()) {
			t.Errorf("%+v", h)
		}
		if h.text("keyId") != l.id || h.text("rotationId") != l.rotation()["id"] || h.text("claimToken") == "" || h.data["secret"] != nil || secret.In(string(h.body)) {
			t.Errorf("%s", h.body)
		}
		if r := l.rotation(); r["attempts"] != 1.0 || r["nextAttemptAt"] != nil || r["lastError"] != nil {
			t.Errorf("%v", r)
		}
		token := h.text("claimToken")
		for name, wrong := range map[string]string{"changed": token[:len(token)-2] + "xx", "none": "", "the rotation": h.text("rotationId"), "the key": l.text} {
			a := l.claim(l.text, wrong)
			refusedWith(t, a, "claimRotation", "api_keys.claim_token_invalid")
			if a.at(t, "claimRotation", "secret") != nil {
				t.Errorf("%s: %s", name, a.text)
			}
		}
		refusedWith(t, l.claim(l.admin, token), "claimRotation", "api_keys.claim_token_invalid")
		l.stands("WAITING_FOR_CLAIM", "ACTIVE")

		a := l.claim(l.text, token)
		successor, secret := a.str(t, "claimRotation", "newKey", "id"), a.str(t, "claimRotation", "secret")
		if a.at(t, "claimRotation", "replayed") != false || a.str(t, "claimRotation", "newKey", "scopes", 0) != "deploy:write" {
			t.Errorf("%s", a.text)
		}
		l.stands("IN_GRACE", "ROTATING_OUT")
		if end := instantOf(t, l.key(l.id)["graceExpiresAt"]); !end.Equal(l.clock().Add(3 * time.Hour)) {
			t.Errorf("the schedule's grace: %v", end)
		}
		l.work()
		if h := l.hooks.last(t); h.kind != "api_key.rotated" || !h.signedBy(t, l.signer) || h.text("keyId") != l.id || h.text("newKeyId") != successor || h.data["secret"] != nil || h.data["claimToken"] != nil || strings.Contains(string(h.body), secret[:14]+"_") {
			t.Errorf("%s", h.body)
		}

		// Lost replies: a fresh secret until the successor has authenticated, then none.
		again := l.claim(l.text, token)
		fresh := again.str(t, "claimRotation", "secret")
		if again.str(t, "claimRotation", "newKey", "id") != successor || again.at(t, "claimRotation", "replayed") != true || fresh == secret {
			t.Errorf("%s", again.text)
		}
		l.wantCode(secret, "NOT_FOUND")
		l.wantCode(fresh, "VALID")
		if a := l.ask(fresh, `{ viewerKey { id rotation { delivery } } }`, nil); a.str(t, "viewerKey", "id") != successor || a.str(t, "viewerKey", "rotation", "delivery") != "CLAIM" {
			t.Errorf("%s", a.text)
		}
		if a := l.claim(l.text, token); a.at(t, "claimRotation", "secret") != nil || a.str(t, "claimRotation", "newKey", "id") != successor {
			t.Errorf("%s", a.text)
		}
		l.wantCode(fresh, "VALID")
		if next := l.schedule(successor)["nextRotationAt"]; !instantOf(t, next).Equal(l.clock().Add(30 * day)) {
			t.Errorf("the successor's turn: %v", next)
		}
		l.later(3 * time.Hour)
		l.stands("COMPLETED", "EXPIRED")
		if at := instantOf(t, l.rotation()["completedAt"]); !at.Equal(start.Add(30*day + 3*time.Hour)) {
			t.Errorf("completed at %v", at)
		}
		if live, pending := l.successors(); live != 1 || pending != 0 {
			t.Errorf("%d successors, %d pending", live, pending)
		}
	})
}

// Neither the token of another key's rotation nor that of an earlier one of the same line claims.
func TestForeignClaimTokens(t *testing.T) {
	eachLine(t, every30, answering(200), func(t *testing.T, l *line) {
		other := newLine(t, l.site, "other", every30, newHooks(t, answering(200)))
		first := l.announced().text("claimToken")
		refusedWith(t, other.claim(other.text, first), "claimRotation", "api_keys.claim_token_invalid")
		next := l.claim(l.text, first)
		second := &line{site: l.site, t: t, id: next.str(t, "claimRotation", "newKey", "id"), text: next.str(t, "claimRotation", "secret"), signer: l.signer, hooks: l.hooks}
		l.work()
		theirs := other.hooks.last(t).text("claimToken")
		token := second.announced().text("claimToken")
		if token == first || second.hooks.last(t).text("keyId") != second.id {
			t.Errorf("%s", second.hooks.last(t).body)
		}
		for _, wrong := range []string{first, theirs} {
			refusedWith(t, second.claim(second.text, wrong), "claimRotation", "api_keys.claim_token_invalid")
		}
		second.stands("WAITING_FOR_CLAIM", "ACTIVE")
		second.claim(second.text, token).str(t, "claimRotation", "secret")
	})
}

// Without grace the old key is over; it may still fetch a reply that was lost, and nothing else.
func TestClaimWithoutGrace(t *testing.T) {
	eachLine(t, every30+`, gracePeriod: "PT0S"`, answering(200), func(t *testing.T, l *line) {
		token := l.announced().text("claimToken")
		lost := l.claim(l.text, token)
		l.stands("COMPLETED", "EXPIRED")
		found := l.claim(l.text, token)
		secret := found.str(t, "claimRotation", "secret")
		if found.str(t, "claimRotation", "newKey", "id") != lost.str(t, "claimRotation", "newKey", "id") {
			t.Error(found.text)
		}
		if a := l.ask(l.text, `{ viewerKey { id } }`, nil); !strings.Contains(a.text, "api_keys.grace_ended") || strings.Contains(a.text, l.id) {
			t.Error(a.text)
		}
		if a := l.claim(l.text, token[:len(token)-1]+"_"); !strings.Contains(a.text, "grace_ended") {
			t.Error(a.text)
		}
		if a := l.ask(secret, `{ viewerKey { id } }`, nil); a.status != 200 {
			t.Error(a.text)
		}
		if a := l.claim(l.text, token); strings.Contains(a.text, "ktg_") {
			t.Error(a.text)
		}
	})
}

// Rotating by hand completes what was announced; the token is spent, and the successor not harmed by it.
func TestRotatingByHandCompletesTheClaim(t *testing.T) {
	for name, complete := range map[string]func(l *line) answer{
		"rotateApiKey": func(l *line) answer { return l.rotate() },
		"rotateViewerKey": func(l *line) answer {
			return l.ask(l.text, `mutation { rotateViewerKey(input: {}) { `+rotated+` } }`, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachLine(t, every30, answering(200), func(t *testing.T, l *line) {
				token, announced := l.announced().text("claimToken"), l.rotation()["id"]
				a := complete(l)
				secret := a.str(t, name, "secret")
				l.stands("IN_GRACE", "ROTATING_OUT")
				if r := l.rotation(); r["id"] != announced || r["newKey"].(map[string]any)["id"] != a.str(t, name, "newKey", "id") {
					t.Errorf("another rotation: %v", r)
				}
				l.work()
				if h := l.hooks.last(t); h.kind != "api_key.rotated" || h.text("rotationId") != announced {
					t.Errorf("%s", h.body)
				}
				if name == "rotateApiKey" { // its secret is in the administrator's hands
					refusedWith(t, l.claim(l.text, token), "claimRotation", "api_keys.already_rotated")
					l.wantCode(secret, "VALID")
				}
				refusedWith(t, l.rotate(), "rotateApiKey", "api_keys.already_rotated")
				l.later(8 * day)
				if live, _ := l.successors(); live != 1 || len(l.ownerTold()) != 0 {
					t.Errorf("%d successors, told %v", live, l.ownerTold())
				}
			})
		})
	}
}

// Nobody claims for seven days: the owner is told, the old key lives on, and a late claim still works.
func TestUnclaimed(t *testing.T) {
	for name, answer := range map[string]func(int) int{"told": answering(200), "not told": answering(500), "without a webhook": nil} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *site) {
				var h *hooks
				if answer != nil {
					h = newHooks(t, answer)
				}
				l := newLine(t, s, "line", every30, h)
				l.later(30 * day)
				for range 7 {
					l.stands("WAITING_FOR_CLAIM", "ACTIVE")
					l.later(day - time.Microsecond)
				}
				l.stands("WAITING_FOR_CLAIM", "ACTIVE")
				if l.schedule(l.id)["stalledSince"] != nil || len(l.ownerTold()) != 0 {
					t.Error("stalled too early")
				}
				l.later(7 * time.Microsecond)
				l.stands("STALLED", "ACTIVE")
				if at := instantOf(t, l.schedule(l.id)["stalledSince"]); !at.Equal(l.clock()) {
					t.Errorf("stalled since %v", at)
				}
				if told := l.ownerTold(); len(told) != 1 || !strings.Contains(told[0], "line") {
					t.Errorf("told %q", told)
				}
				l.later(day)
				l.wantCode(l.text, "VALID")
				if len(l.ownerTold()) != 1 || l.rotation()["lastError"] == nil {
					t.Errorf("%v %v", l.ownerTold(), l.rotation())
				}
				if h == nil {
					l.rotate().str(t, "rotateApiKey", "secret")
				} else {
					l.claim(l.text, h.all()[0].text("claimToken")).str(t, "claimRotation", "secret")
				}
				l.stands("IN_GRACE", "ROTATING_OUT")
				if l.schedule(l.id)["stalledSince"] != nil {
					t.Error("the next rotation clears stalledSince")
				}
			})
		})
	}
}

// The receiver fails: the announcement is tried again under one id, for days, and then given up; the
// claim is open all the same.
func TestAnnouncementIsRetried(t *testing.T) {
	eachLine(t, every30, answering(503), func(t *testing.T, l *line) {
		l.announced()
		for i, pause := range attempts {
			if r := l.rotation(); r["attempts"] != float64(i+1) || r["nextAttemptAt"] == nil || !strings.Contains(fmt.Sprint(r["lastError"]), "503") {
				t.Errorf("%v", r)
			}
			l.later(pause)
		}
		ids := map[string]bool{}
		for _, h := range l.hooks.all() {
			ids[h.id+h.text("claimToken")] = true
			if !h.signedBy(t, l.signer) {
				t.Errorf("%s", h.body)
			}
		}
		if len(ids) != 1 || len(l.hooks.all()) != 10 || l.rotation()["nextAttemptAt"] != nil {
			t.Errorf("%d ids, %d deliveries, %v", len(ids), len(l.hooks.all()), l.rotation())
		}
		l.stands("WAITING_FOR_CLAIM", "ACTIVE")
	})
}

// A receiver that wants no more cannot announce anything: the owner is told at once.
func TestAnnouncementThatIsGone(t *testing.T) {
	eachLine(t, every30, answering(410), func(t *testing.T, l *line) {
		l.later(30 * day)
		l.stands("STALLED", "ACTIVE")
		if s := l.schedule(l.id); s["webhookUrl"] != nil || s["stalledSince"] == nil || len(l.ownerTold()) != 1 {
			t.Errorf("%v %v", s, l.ownerTold())
		}
		l.later(8 * day)
		if len(l.hooks.all()) != 1 || len(l.ownerTold()) != 1 {
			t.Error("told again")
		}
		l.claim(l.text, l.hooks.last(t).text("claimToken")).str(t, "claimRotation", "secret")
		l.stands("IN_GRACE", "ROTATING_OUT")
	})
}

func instantOf(t testing.TB, v any) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(v))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

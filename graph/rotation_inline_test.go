package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const inline = "intervalDays: 30, delivery: INLINE"

// The successor works from the moment its secret is taken; until then it does not, and nobody sees it
// who does not ask for it.
func TestInline(t *testing.T) {
	eachLine(t, inline+`, gracePeriod: "PT2H"`, answering(500), func(t *testing.T, l *line) {
		l.later(30 * day)
		l.stands("DELIVERING", "ACTIVE")
		h := l.hooks.last(t)
		secret := h.text("secret")
		if h.kind != "api_key.rotated" || !h.signedBy(t, l.signer) || h.text("keyId") != l.id || !strings.HasPrefix(secret, "ktg_") || h.data["claimToken"] != nil {
			t.Fatalf("%s", h.body)
		}
		pending := h.text("newKeyId")
		if r := l.rotation(); r["attempts"] != 1.0 || !strings.Contains(fmt.Sprint(r["lastError"]), "500") || r["newKey"].(map[string]any)["status"] != "PENDING" || r["newKey"].(map[string]any)["id"] != pending {
			t.Errorf("%v", r)
		}
		l.wantCode(secret, "NOT_ACTIVE")
		l.wantCode(l.text, "VALID")
		probe := l.post(`{"query":"{ viewerKey { id } }"}`, with("Authorization", "Bearer "+secret, "Keytag-Probe", "1"))
		if probe.status != http.StatusUnauthorized || !strings.Contains(probe.text, "api_keys.not_active") {
			t.Errorf("a probe: %d %s", probe.status, probe.text)
		}
		l.stands("DELIVERING", "ACTIVE")
		if all := l.ask(l.admin, `{ apiKeys { totalCount nodes { id } } }`, nil); strings.Contains(all.text, pending) || all.at(t, "apiKeys", "totalCount") != 2.0 {
			t.Errorf("a pending key in a list: %s", all.text)
		}
		if asked := l.ask(l.admin, `{ apiKeys(filter: {statuses: [PENDING]}) { totalCount nodes { id status } } }`, nil); asked.str(t, "apiKeys", "nodes", 0, "id") != pending || asked.at(t, "apiKeys", "totalCount") != 1.0 {
			t.Errorf("%s", asked.text)
		}
		if l.sealed() != 1 || strings.Contains(l.dump(t), secret[15:]) {
			t.Error("the secret must be kept, and not readable")
		}

		l.hooks.reply(202)
		l.later(attempts[0])
		l.stands("IN_GRACE", "ROTATING_OUT")
		if again := l.hooks.last(t); again.id != h.id || again.text("secret") != secret || !again.signedBy(t, l.signer) || len(l.hooks.all()) != 2 {
			t.Errorf("%s", again.body)
		}
		if end := instantOf(t, l.key(l.id)["graceExpiresAt"]); !end.Equal(l.clock().Add(2 * time.Hour)) {
			t.Errorf("grace ends at %v", end)
		}
		l.wantCode(secret, "VALID")
		l.wantCode(l.text, "VALID")
		if l.sealed() != 0 || l.rotation()["lastError"] != nil || l.rotation()["nextAttemptAt"] != nil {
			t.Errorf("%v", l.rotation())
		}
		if next := instantOf(t, l.schedule(pending)["nextRotationAt"]); !next.Equal(start.Add(60 * day)) {
			t.Errorf("the successor's turn: %v", next)
		}
		l.later(2 * time.Hour)
		l.stands("COMPLETED", "EXPIRED")
		if len(l.hooks.all()) != 2 {
			t.Errorf("%d webhooks", len(l.hooks.all()))
		}
	})
}

// A receiver that fails five times and then answers: one successor, one id, one secret.
func TestInlineFailsFiveTimes(t *testing.T) {
	statuses := []int{500, 0, 302, 404, 503, 200}
	eachLine(t, inline, func(n int) int { return statuses[n-1] }, func(t *testing.T, l *line) {
		l.later(30 * day)
		for i, pause := range attempts[:5] {
			l.stands("DELIVERING", "ACTIVE")
			if live, pending := l.successors(); live != 0 || pending != 1 || len(l.hooks.all()) != i+1 {
				t.Fatalf("%d live, %d pending after %d deliveries", live, pending, len(l.hooks.all()))
			}
			l.later(pause)
		}
		l.stands("IN_GRACE", "ROTATING_OUT")
		seen := map[string]int{}
		for _, h := range l.hooks.all() {
			seen[h.id+" "+h.text("secret")+" "+h.text("newKeyId")]++
			if !h.signedBy(t, l.signer) {
				t.Errorf("not signed: %s", h.body)
			}
		}
		if live, pending := l.successors(); live != 1 || pending != 0 || len(seen) != 1 || len(l.hooks.all()) != 6 || len(l.family()) != 2 {
			t.Errorf("%d live, %d pending, %v", live, pending, seen)
		}
		l.wantCode(l.hooks.last(t).text("secret"), "VALID")
		l.later(day)
		if len(l.hooks.all()) != 6 {
			t.Error("told again")
		}
	})
}

// The 2xx was lost: whoever presents the secret has it, and so it works.
func TestPendingSecretPresented(t *testing.T) {
	for name, present := range map[string]func(l *line, secret string){
		"as the caller": func(l *line, secret string) {
			if a := l.ask(secret, `{ viewerKey { status } }`, nil); a.str(l.t, "viewerKey", "status") != "ACTIVE" {
				l.t.Errorf("%s", a.text)
			}
		},
		"to a service": func(l *line, secret string) {
			if a := l.ask(l.admin, `mutation($s: String!) { verifyApiKey(input: {secret: $s}) { code } }`, map[string]any{"s": secret}); a.str(l.t, "verifyApiKey", "code") != "VALID" {
				l.t.Errorf("%s", a.text)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachLine(t, inline, answering(0), func(t *testing.T, l *line) {
				l.later(30 * day)
				h := l.hooks.last(t)
				present(l, h.text("secret"))
				l.stands("IN_GRACE", "ROTATING_OUT")
				if end := instantOf(t, l.key(l.id)["graceExpiresAt"]); !end.Equal(l.clock().Add(time.Hour)) {
					t.Errorf("grace ends at %v", end)
				}
				if l.sealed() != 0 {
					t.Error("the stored secret must be erased")
				}
				l.hooks.reply(200)
				l.later(attempts[0])
				if again := l.hooks.last(t); again.data["secret"] != nil || again.id != h.id || again.kind != "api_key.rotated" {
					t.Errorf("%s", again.body)
				}
				l.stands("IN_GRACE", "ROTATING_OUT")
				if live, pending := l.successors(); live != 1 || pending != 0 {
					t.Errorf("%d live, %d pending", live, pending)
				}
			})
		})
	}
}

// Given up after the last retry, or at once when the receiver wants no more.
func TestInlineGivenUp(t *testing.T) {
	for name, c := range map[string]struct{ status, deliveries int }{"retries": {500, 10}, "gone": {410, 1}} {
		t.Run(name, func(t *testing.T) {
			eachLine(t, inline, answering(c.status), func(t *testing.T, l *line) {
				l.later(30 * day)
				for _, pause := range attempts[:c.deliveries-1] {
					l.stands("DELIVERING", "ACTIVE")
					l.later(pause)
				}
				l.stands("STALLED", "ACTIVE")
				secret := l.hooks.last(t).text("secret")
				if live, pending := l.successors(); live+pending != 0 || l.sealed() != 0 || len(l.hooks.all()) != c.deliveries {
					t.Errorf("%d live, %d pending, %d sealed, %d deliveries", live, pending, l.sealed(), len(l.hooks.all()))
				}
				l.wantCode(secret, "NOT_FOUND")
				if a := l.ask(secret, `{ viewerKey { id } }`, nil); a.status != 401 {
					t.Errorf("%s", a.text)
				}
				key, schedule := l.key(l.id), l.schedule(l.id)
				if !instantOf(t, schedule["stalledSince"]).Equal(l.clock()) || key["graceExpiresAt"] != nil || key["replacedBy"] != nil || !strings.Contains(fmt.Sprint(l.rotation()["lastError"]), fmt.Sprint(c.status)) {
					t.Errorf("%v", key)
				}
				if gone := schedule["webhookUrl"] == nil; gone != (c.status == 410) {
					t.Errorf("%v", schedule)
				}
				if told := l.ownerTold(); len(told) != 1 {
					t.Errorf("told %q", told)
				}
				l.wantCode(l.text, "VALID")
				l.later(day)
				if len(l.hooks.all()) != c.deliveries {
					t.Error("told again")
				}
				// The schedule set anew takes its turn at once, since that is over.
				l.hooks.reply(200)
				a := l.do("setRotationSchedule", fmt.Sprintf("id: %q, schedule: {%s, webhookUrl: %q}", l.id, inline, l.hooks.url), "webhookSecret apiKey { rotation { stalledSince nextRotationAt } }")
				if a.at(t, "setRotationSchedule", "apiKey", "rotation", "stalledSince") != nil || (a.at(t, "setRotationSchedule", "webhookSecret") == nil) != (c.status == 500) {
					t.Errorf("%s", a.text)
				}
				l.work()
				l.stands("IN_GRACE", "ROTATING_OUT")
				l.wantCode(l.hooks.last(t).text("secret"), "VALID")
			})
		})
	}
}

// Before the first attempt a rotation by hand wins and takes the pending one back; after it the secret
// may be on its way.
func TestManualRotationOfAnInlineOne(t *testing.T) {
	eachLine(t, inline, answering(500), func(t *testing.T, l *line) {
		l.pass(30 * day)
		if n, err := l.worker.Keys.RotateDue(t.Context()); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		l.stands("DELIVERING", "ACTIVE")
		taken := l.rotation()["id"].(string)
		l.pass(time.Millisecond)
		a := l.rotate()
		successor := a.str(t, "rotateApiKey", "newKey", "id")
		if r := l.rotation(); r["id"] == taken || r["status"] != "IN_GRACE" || r["automatic"] != false {
			t.Errorf("%v", r)
		}
		if old := l.ask(l.admin, fmt.Sprintf(`{ node(id: %q) { ... on Rotation { status newKey { id } } } }`, taken), nil); old.str(t, "node", "status") != "CANCELED" {
			t.Errorf("%s", old.text)
		}
		l.work()
		if live, pending := l.successors(); live != 1 || pending != 0 || l.sealed() != 0 {
			t.Errorf("%d live, %d pending, %d sealed", live, pending, l.sealed())
		}
		if h := l.hooks.last(t); len(l.hooks.all()) != 1 || h.data["secret"] != nil || h.text("newKeyId") != successor {
			t.Errorf("%s", h.body)
		}
	})
	t.Run("after the first attempt", func(t *testing.T) {
		eachLine(t, inline, answering(500), func(t *testing.T, l *line) {
			l.later(30 * day)
			pending := l.hooks.last(t).text("newKeyId")
			a := l.rotate()
			refusedWith(t, a, "rotateApiKey", "api_keys.already_rotated")
			if a.str(t, "rotateApiKey", "userErrors", 0, "replacedBy", "id") != pending {
				t.Errorf("%s", a.text)
			}
			refusedWith(t, l.ask(l.text, `mutation { rotateViewerKey(input: {}) { `+rotated+` } }`, nil), "rotateViewerKey", "api_keys.already_rotated")
			refusedWith(t, l.claim(l.text, "kclaim_x"), "claimRotation", "api_keys.already_rotated")
			set := l.ask(l.admin, fmt.Sprintf(`mutation { setRotationSchedule(input: {id: %q}) { userErrors { code } } }`, l.id), nil)
			refusedWith(t, set, "setRotationSchedule", "api_keys.already_rotated")
			l.stands("DELIVERING", "ACTIVE")
			l.hooks.reply(200)
			l.later(attempts[0])
			l.stands("IN_GRACE", "ROTATING_OUT")
		})
	})
}

// A pending key is nothing to be rotated or scheduled.
func TestPendingKeysAreNotLive(t *testing.T) {
	eachLine(t, inline, answering(500), func(t *testing.T, l *line) {
		l.later(30 * day)
		pending := l.hooks.last(t).text("newKeyId")
		for mutation, input := range map[string]string{"rotateApiKey": "", "setRotationSchedule": ", schedule: {intervalDays: 1}"} {
			a := l.ask(l.admin, fmt.Sprintf(`mutation { %s(input: {id: %q%s}) { userErrors { __typename code ... on KeyNotLiveError { status since } } } }`, mutation, pending, input), nil)
			refusedWith(t, a, mutation, "api_keys.not_live")
			if a.str(t, mutation, "userErrors", 0, "status") != "PENDING" || !instantOf(t, a.at(t, mutation, "userErrors", 0, "since")).Equal(start.Add(30*day)) {
				t.Errorf("%s", a.text)
			}
		}
		l.stands("DELIVERING", "ACTIVE")
	})
}

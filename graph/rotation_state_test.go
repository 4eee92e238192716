package graph_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A key that somebody ends while its rotation is under way: nothing of the rotation is left, in
// whatever state it was, and no secret that went out ever works.
func TestEndedWhileRotating(t *testing.T) {
	states := map[string]struct {
		schedule string
		status   int
		after    time.Duration
		attempt  bool
	}{
		"waiting for its claim":  {every30, 200, 0, true},
		"stalled":                {every30, 200, 7 * day, true},
		"before the delivery":    {inline, 500, 0, false},
		"between two deliveries": {inline, 500, 0, true},
	}
	ends := []struct{ mutation, more string }{{"revokeApiKey", ""}, {"removeApiKey", ""}, {"revokeApiKey", ", reason: KEY_COMPROMISE"}}
	for state, c := range states {
		t.Run(state, func(t *testing.T) {
			each(t, func(t *testing.T, s *site) {
				for i, end := range ends {
					l := newLine(t, s, fmt.Sprintf("key %d", i), c.schedule, newHooks(t, answering(c.status)))
					l.pass(30 * day)
					l.ask(l.admin, `{ viewer { id } }`, nil)
					if c.attempt {
						l.work()
						l.later(c.after)
					} else if _, err := l.worker.Keys.RotateDue(t.Context()); err != nil {
						t.Fatal(err)
					}
					l.do(end.mutation, fmt.Sprintf("id: %q%s", l.id, end.more), "")
					l.hooks.reply(200)
					before := len(l.hooks.all())
					l.later(8 * day)
					if len(l.hooks.all()) != before {
						t.Errorf("%v: told of it: %s", end, l.hooks.last(t).body)
					}
					for _, h := range l.hooks.all() {
						if secret := h.text("secret"); secret != "" {
							l.wantCode(secret, "NOT_FOUND")
							if a := l.ask(secret, `{ viewer { id } }`, nil); a.status != 401 {
								t.Error(a.text)
							}
						}
					}
					if live, pending := l.successors(); live+pending != 0 || l.sealed() != 0 {
						t.Errorf("%v: %d live, %d pending, %d sealed", end, live, pending, l.sealed())
					}
					if end.mutation == "revokeApiKey" {
						l.stands("CANCELED", "REVOKED")
					}
				}
			})
		})
	}
}

// Revoking the pending successor takes the rotation back and leaves the old key alone; the line can be
// rotated by hand or scheduled anew.
func TestPendingSuccessorEnded(t *testing.T) {
	for end, code := range map[string]string{"revokeApiKey": "REVOKED", "removeApiKey": "NOT_FOUND"} {
		t.Run(end, func(t *testing.T) {
			eachLine(t, inline, answering(500), func(t *testing.T, l *line) {
				l.later(30 * day)
				h := l.hooks.last(t)
				l.do(end, fmt.Sprintf("id: %q", h.text("newKeyId")), "")
				l.stands("CANCELED", "ACTIVE")
				l.hooks.reply(200)
				l.later(day)
				if live, pending := l.successors(); live+pending != 0 || l.sealed() != 0 || len(l.hooks.all()) != 1 {
					t.Errorf("%d live, %d pending, %d sealed, %d webhooks", live, pending, l.sealed(), len(l.hooks.all()))
				}
				l.wantCode(h.text("secret"), code)
				l.wantCode(l.text, "VALID")
				l.rotate().str(t, "rotateApiKey", "secret")
				l.stands("IN_GRACE", "ROTATING_OUT")
			})
		})
	}
}

// A suspended key is not rotated, nor its successor let loose; resumed, the rotation goes on.
func TestSuspendedWhileRotating(t *testing.T) {
	suspend := func(l *line) { l.do("suspendApiKey", fmt.Sprintf("id: %q", l.id), "") }
	resume := func(l *line) { l.do("resumeApiKey", fmt.Sprintf("id: %q", l.id), "") }
	t.Run("before it is due", func(t *testing.T) {
		eachLine(t, inline, answering(200), func(t *testing.T, l *line) {
			suspend(l)
			l.later(31 * day)
			if l.rotation() != nil || len(l.family()) != 1 {
				t.Fatal("a suspended key was rotated")
			}
			resume(l)
			l.work()
			l.stands("IN_GRACE", "ROTATING_OUT")
		})
	})
	t.Run("waiting for its claim", func(t *testing.T) {
		eachLine(t, every30, answering(200), func(t *testing.T, l *line) {
			token := l.announced().text("claimToken")
			suspend(l)
			if a := l.claim(l.text, token); a.status != 401 {
				t.Errorf("%s", a.text)
			}
			refusedWith(t, l.rotate(), "rotateApiKey", "api_keys.not_live")
			resume(l)
			l.claim(l.text, token).str(t, "claimRotation", "secret")
		})
	})
	t.Run("between two deliveries", func(t *testing.T) {
		eachLine(t, inline, answering(500), func(t *testing.T, l *line) {
			l.later(30 * day)
			secret := l.hooks.last(t).text("secret")
			suspend(l)
			l.hooks.reply(200)
			if a := l.ask(secret, `{ viewer { id } }`, nil); a.status != 401 || !strings.Contains(a.text, "api_keys.not_active") {
				t.Errorf("%s", a.text)
			}
			l.later(attempts[0])
			l.stands("DELIVERING", "SUSPENDED")
			if len(l.hooks.all()) != 1 {
				t.Error("its secret was sent")
			}
			resume(l)
			l.later(attempts[1])
			l.stands("IN_GRACE", "ROTATING_OUT")
			l.wantCode(secret, "VALID")
		})
	})
}

// While the receiver has the request, the key is suspended or revoked: the 2xx that follows hands
// nothing over.
func TestEndedDuringDelivery(t *testing.T) {
	for mutation, want := range map[string][2]string{"suspendApiKey": {"DELIVERING", "SUSPENDED"}, "revokeApiKey": {"CANCELED", "REVOKED"}} {
		t.Run(mutation, func(t *testing.T) {
			each(t, func(t *testing.T, s *site) {
				var l *line
				l = newLine(t, s, "line", inline, newHooks(t, func(n int) int {
					if n == 1 {
						l.do(mutation, fmt.Sprintf("id: %q", l.id), "")
					}
					return 200
				}))
				l.later(30 * day)
				l.stands(want[0], want[1])
				if live, _ := l.successors(); live != 0 {
					t.Error("the successor works")
				}
				secret := l.hooks.last(t).text("secret")
				if mutation == "revokeApiKey" {
					l.wantCode(secret, "NOT_FOUND")
					return
				}
				l.wantCode(secret, "NOT_ACTIVE")
				l.do("resumeApiKey", fmt.Sprintf("id: %q", l.id), "")
				l.later(attempts[0])
				l.stands("IN_GRACE", "ROTATING_OUT")
				if h := l.hooks.all(); len(h) != 2 || h[0].id != h[1].id || h[1].text("secret") != secret {
					t.Errorf("%v", h)
				}
			})
		})
	}
}

// The key of a disabled owner waits; when the owner is enabled again it is rotated within the hour.
func TestOwnerDisabled(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		owner := s.ask(s.admin, `mutation { createUser(input: {login: "mia"}) { user { id } } }`, nil).str(t, "createUser", "user", "id")
		h := newHooks(t, answering(200))
		l := &line{site: s, t: t, hooks: h}
		a := l.do("createApiKey", fmt.Sprintf(`projectId: %q, name: "mia's", ownerId: %q, rotation: {%s, webhookUrl: %q}`, s.project(), owner, inline, h.url), "apiKey { id } secret")
		l.id, l.text = a.str(t, "createApiKey", "apiKey", "id"), a.str(t, "createApiKey", "secret")
		l.do("updateUser", fmt.Sprintf("id: %q, disabled: true", owner), "")
		l.later(30 * day)
		l.later(time.Hour)
		if len(l.family()) != 1 || len(h.all()) != 0 {
			t.Fatal("a key was made for a disabled owner")
		}
		l.do("updateUser", fmt.Sprintf("id: %q, disabled: false", owner), "")
		l.later(time.Hour)
		l.stands("IN_GRACE", "ROTATING_OUT")
		l.wantCode(h.last(t).text("secret"), "VALID")
	})
}

// A policy that has become stricter since the schedule was set bounds the grace and stops no rotation.
func TestStricterPolicyMeanwhile(t *testing.T) {
	for name, schedule := range map[string]string{"claim": every30, "inline": inline} {
		t.Run(name, func(t *testing.T) {
			eachLine(t, schedule+`, gracePeriod: "P5D"`, answering(200), func(t *testing.T, l *line) {
				l.do("updateApiKeyPolicy", `maxGracePeriod: "PT10M"`, "")
				l.later(30 * day)
				if name == "claim" {
					l.claim(l.text, l.hooks.last(t).text("claimToken")).str(t, "claimRotation", "secret")
				}
				l.stands("IN_GRACE", "ROTATING_OUT")
				if end := instantOf(t, l.key(l.id)["graceExpiresAt"]); !end.Equal(l.clock().Add(10 * time.Minute)) {
					t.Errorf("grace ends at %v", end)
				}
			})
		})
	}
	t.Run("a shorter life than the interval", func(t *testing.T) {
		eachLine(t, inline, answering(200), func(t *testing.T, l *line) {
			l.later(29 * day)
			l.do("updateApiKeyPolicy", `maxExpirationPeriod: "P30D"`, "")
			l.ask(l.text, `{ viewer { id } }`, nil)
			l.later(day - time.Second)
			if len(l.hooks.all()) != 0 {
				t.Error("rotated early")
			}
			l.later(time.Second)
			if live, pending := l.successors(); live+pending != 0 {
				t.Error("a dead key was rotated")
			}
		})
	})
}

// An old key that ends by itself between two deliveries: the successor still takes over when it is
// delivered, and the old one lives no longer for it.
func TestOldKeyExpiresBetweenDeliveries(t *testing.T) {
	eachLine(t, inline, answering(500), func(t *testing.T, l *line) {
		l.do("updateApiKey", fmt.Sprintf("id: %q, expiresAt: %q", l.id, start.Add(30*day+time.Second).Format(time.RFC3339)), "")
		l.later(30 * day)
		l.hooks.reply(200)
		l.later(attempts[0])
		if r := l.rotation(); r["status"] != "COMPLETED" || l.key(l.id)["status"] != "EXPIRED" {
			t.Errorf("%v", l.key(l.id))
		}
		if end := instantOf(t, l.key(l.id)["effectiveExpiresAt"]); !end.Equal(start.Add(30*day + time.Second)) {
			t.Errorf("ended at %v", end)
		}
		l.wantCode(l.hooks.last(t).text("secret"), "VALID")
	})
}

// A compromised key takes all its successors with it, also the one that is pending.
func TestCompromiseReachesThePendingSuccessor(t *testing.T) {
	eachLine(t, `intervalDays: 2, delivery: INLINE, gracePeriod: "P7D"`, answering(200), func(t *testing.T, l *line) {
		l.later(2 * day)
		first := l.hooks.last(t).text("secret")
		l.hooks.reply(500)
		l.later(2 * day)
		second := l.hooks.last(t).text("secret")
		if first == second || l.code(second) != "NOT_ACTIVE" {
			t.Fatal("the line has not gone on")
		}
		l.do("revokeApiKey", fmt.Sprintf("id: %q, reason: KEY_COMPROMISE", l.id), "")
		l.hooks.reply(200)
		l.later(day)
		for _, secret := range []string{l.text, first, second} {
			if a := l.ask(secret, `{ viewer { id } }`, nil); a.status != 401 {
				t.Error(a.text)
			}
		}
		if live, pending := l.successors(); live+pending != 0 || l.sealed() != 0 {
			t.Errorf("%d live, %d pending, %d sealed", live, pending, l.sealed())
		}
	})
}

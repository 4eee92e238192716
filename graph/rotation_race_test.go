package graph_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/queue"
)

// side runs what is given at once, and returns when all is done.
func side(run ...func()) {
	start := make(chan struct{})
	var wg sync.WaitGroup
	for _, fn := range run {
		wg.Go(func() {
			<-start
			fn()
		})
	}
	close(start)
	wg.Wait()
}

// Eight workers find twenty keys due at once: each is rotated once, and told of once.
func TestEightWorkersAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		h := newHooks(t, answering(200))
		var lines []*line
		for i := range 20 {
			lines = append(lines, newLine(t, s, fmt.Sprint("line ", i), []string{every30, inline}[i%2], h))
		}
		s.pass(30 * day)
		workers := make([]func(), 8)
		for i := range workers {
			workers[i] = func() {
				if _, err := s.worker.Keys.RotateDue(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
		side(workers...)
		rotations, err := s.store.Client.Rotation.Query().Count(principal.System(t.Context()))
		if err != nil || rotations != len(lines) {
			t.Errorf("%d rotations of %d keys, %v", rotations, len(lines), err)
		}
		s.work()
		if n := len(h.all()); n != len(lines) {
			t.Errorf("%d webhooks", n)
		}
		for i, l := range lines {
			l.stands([]string{"WAITING_FOR_CLAIM", "IN_GRACE"}[i%2], []string{"ACTIVE", "ROTATING_OUT"}[i%2])
			if live, pending := l.successors(); live != i%2 || pending != 0 {
				t.Errorf("%d live, %d pending", live, pending)
			}
		}
	})
}

// A claim, and rotations by the key and by an administrator at once: one makes the successor, and its
// secret works.
func TestClaimAndRotationsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		h := newHooks(t, answering(200))
		for round := range 10 {
			l := newLine(t, s, fmt.Sprint("line ", round), "intervalDays: 1", h)
			l.later(day)
			token := ""
			for _, got := range h.all() {
				if got.kind == "api_key.rotation_due" && got.text("keyId") == l.id {
					token = got.text("claimToken")
				}
			}
			answers := make([]answer, 6)
			var runs []func()
			for i := range answers {
				runs = append(runs, func() {
					switch i % 3 {
					case 0:
						answers[i] = l.claim(l.text, token)
					case 1:
						answers[i] = l.rotate()
					case 2:
						answers[i] = l.ask(l.text, `mutation { rotateViewerKey(input: {}) { `+rotated+` } }`, nil)
					}
				})
			}
			side(runs...)
			works := 0
			for i, a := range answers {
				mutation := []string{"claimRotation", "rotateApiKey", "rotateViewerKey"}[i%3]
				if secret, ok := a.at(t, mutation, "secret").(string); ok {
					if l.code(secret) == "VALID" {
						works++
					}
				} else {
					refusedWith(t, a, mutation, "api_keys.already_rotated")
				}
			}
			if live, pending := l.successors(); live != 1 || pending != 0 || works != 1 {
				t.Errorf("round %d: %d live, %d pending, %d secrets work", round, live, pending, works)
			}
			l.stands("IN_GRACE", "ROTATING_OUT")
			l.do("setRotationSchedule", fmt.Sprintf("id: %q", l.family()[1].ID), "")
		}
	})
}

// The delivery is answered, the secret is presented, and the successor or the old key is revoked, all
// at once: either it was handed over first or it never works, and both rows agree.
func TestActivationAndRevocationAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		for round := range 12 {
			h := newHooks(t, answering(http.StatusInternalServerError))
			l := newLine(t, s, fmt.Sprint("line ", round), "intervalDays: 1, delivery: INLINE", h)
			l.later(day)
			l.stands("DELIVERING", "ACTIVE")
			got := h.last(t)
			h.reply(http.StatusOK)
			s.pass(6 * time.Second)
			revoked := []string{got.text("newKeyId"), l.id}[round%2]
			side(func() {
				taken, err := queue.Take(t.Context(), s.store, s.clock(), 10, 10, nil)
				if err != nil {
					t.Error(err)
				}
				for _, job := range taken {
					if err := s.worker.Keys.DeliverWebhook(context.WithoutCancel(t.Context()), job); err != nil {
						t.Error(err)
					}
				}
			}, func() {
				if a := s.ask(got.text("secret"), `{ viewer { id } }`, nil); a.status != 200 && a.status != 401 {
					t.Error(a.text)
				}
			}, func() { l.do("revokeApiKey", fmt.Sprintf("id: %q", revoked), "") })

			s.work()
			status, code := l.rotation()["status"], l.code(got.text("secret"))
			live, pending := l.successors()
			old := l.key(l.id)
			switch {
			case pending != 0 || l.sealed() != 0:
				t.Errorf("round %d: %d pending, %d sealed", round, pending, l.sealed())
			case status == "CANCELED": // revoked first
				if live != 0 || code == "VALID" || old["replacedBy"] != nil {
					t.Errorf("round %d: %d live, %s, %v", round, live, code, old)
				}
			case round%2 == 0: // handed over, then revoked
				if live != 0 || code != "REVOKED" || old["status"] != "ROTATING_OUT" {
					t.Errorf("round %d: %d live, %s, %v", round, live, code, old)
				}
			default:
				if live != 1 || code != "VALID" || old["status"] != "REVOKED" {
					t.Errorf("round %d: %d live, %s, %v", round, live, code, old)
				}
			}
			for _, key := range l.family() {
				if key.RevokedAt == nil {
					l.do("revokeApiKey", fmt.Sprintf("id: %q", key.ID), "")
				}
			}
		}
	})
}

package graph_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/ent/db/migrate"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/worker"
)

// write runs statements of the database's own.
func (l *line) write(statements ...string) {
	l.t.Helper()
	err := l.store.Write(principal.System(l.t.Context()), func(ctx context.Context, tx *store.Tx) error {
		for _, statement := range statements {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// breaking lets every write of a kind to a table fail until mend is called.
func (l *line) breaking(table, operation string) (mend func()) {
	l.t.Helper()
	if l.store.Dialect() == dialect.SQLite {
		l.write(fmt.Sprintf(`CREATE TRIGGER interrupt BEFORE %s ON %q BEGIN SELECT RAISE(ABORT, 'interrupted'); END`, operation, table))
		return func() { l.write(`DROP TRIGGER interrupt`) }
	}
	l.write(`CREATE FUNCTION interrupt() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'interrupted'; END $$`,
		fmt.Sprintf(`CREATE TRIGGER interrupt BEFORE %s ON %q FOR EACH ROW EXECUTE FUNCTION interrupt()`, operation, table))
	return func() { l.write(fmt.Sprintf(`DROP TRIGGER interrupt ON %q`, table), `DROP FUNCTION interrupt()`) }
}

// afresh replaces the worker, as a restart does.
func (l *line) afresh() {
	l.worker = &worker.Worker{Store: l.store, Keys: l.worker.Keys, Alerts: l.worker.Alerts, Clock: l.clock, Log: l.worker.Log}
}

// recovers fails the test unless a fresh worker brings an INLINE rotation to its end: one successor,
// one delivery id, and the secret that was taken works.
func (l *line) recovers(what string) {
	l.t.Helper()
	l.afresh()
	for _, pause := range append([]time.Duration{job.Lease + time.Second}, attempts[1:4]...) {
		l.later(pause)
		if l.rotation()["status"] == "IN_GRACE" {
			break
		}
	}
	l.stands("IN_GRACE", "ROTATING_OUT")
	told := map[string]bool{}
	for _, h := range l.hooks.all() {
		if secret := h.text("secret"); secret != "" {
			told[h.id+" "+secret] = true
		}
		if !h.signedBy(l.t, l.signer) {
			l.t.Errorf("%s: %s", what, h.body)
		}
	}
	if live, pending := l.successors(); live != 1 || pending != 0 || len(told) != 1 || l.sealed() != 0 {
		l.t.Errorf("%s: %d live, %d pending, %d sealed, told %v", what, live, pending, l.sealed(), told)
	}
	l.wantCode(l.hooks.all()[0].text("secret"), "VALID")
	l.wantCode(l.text, "VALID")
}

// Every kind of write fails for a while, in turn, from before the rotation begins or from before its
// delivery; then another worker takes over.
func TestInlineSurvivesEveryFailedWrite(t *testing.T) {
	for phase, begun := range map[string]bool{"beginning": false, "delivering": true} {
		t.Run(phase, func(t *testing.T) {
			each(t, func(t *testing.T, s *site) {
				broken := 0
				for _, table := range migrate.Tables {
					for _, operation := range []string{"INSERT", "UPDATE", "DELETE"} {
						if s.survives(t, table.Name, operation, begun) {
							broken++
						}
					}
				}
				if broken < 3 {
					t.Errorf("only %d kinds of writes were in the way", broken)
				}
			})
		})
	}
}

// survives reports whether writes of the kind were in the way of a rotation.
func (s *site) survives(t *testing.T, table, operation string, begun bool) bool {
	what := operation + " " + table
	l := newLine(t, s, what, "intervalDays: 1, delivery: INLINE", newHooks(t, answering(200)))
	l.pass(day)
	if begun {
		if _, err := l.worker.Keys.RotateDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.stands("DELIVERING", "ACTIVE")
	}
	before := s.log.Len()
	mend := l.breaking(table, operation)
	failed := false
	for range 2 {
		failed = l.worker.Tick(t.Context()) != nil || failed
		l.pass(job.Lease + time.Second)
		if live, pending := l.successors(); live+pending > 1 {
			t.Fatalf("%s: %d live, %d pending", what, live, pending)
		}
	}
	failed = failed || strings.Contains(s.log.String()[before:], "interrupted")
	mend()
	l.recovers(what)
	l.do("setRotationSchedule", fmt.Sprintf("id: %q", l.family()[1].ID), "") // its line is over
	return failed
}

// The replica dies while the receiver has the request, which takes it: nothing of that was recorded.
func TestInlineTwoHundredNotRecorded(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		ctx, die := context.WithCancel(principal.System(t.Context()))
		l := newLine(t, s, "line", inline, newHooks(t, func(n int) int {
			if n == 1 {
				die()
			}
			return 200
		}))
		l.pass(30 * day)
		if _, err := l.worker.Keys.RotateDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		taken, err := queue.Take(t.Context(), s.store, s.clock(), 1, 1, nil)
		if err != nil || len(taken) != 1 {
			t.Fatal(taken, err)
		}
		if err := l.worker.Keys.DeliverWebhook(ctx, taken[0]); err == nil {
			t.Fatal("nothing was interrupted")
		}
		l.stands("DELIVERING", "ACTIVE")
		l.wantCode(l.hooks.last(t).text("secret"), "NOT_ACTIVE")
		l.recovers("2xx not recorded")
		if n := len(l.hooks.all()); n != 2 {
			t.Errorf("%d deliveries", n)
		}
		// The one that was thought dead comes back late.
		if err := l.worker.Keys.DeliverWebhook(principal.System(t.Context()), taken[0]); err != nil {
			t.Fatal(err)
		}
		l.recovers("a late replica")
	})
}

// A replica takes the job and dies before it has sent anything.
func TestInlineTakenAndNotSent(t *testing.T) {
	eachLine(t, inline, answering(200), func(t *testing.T, l *line) {
		l.pass(30 * day)
		if _, err := l.worker.Keys.RotateDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if taken, err := queue.Take(t.Context(), l.store, l.clock(), 1, 1, nil); err != nil || len(taken) != 1 {
			t.Fatal(taken, err)
		}
		refusedWith(t, l.rotate(), "rotateApiKey", "api_keys.already_rotated")
		l.work()
		if len(l.hooks.all()) != 0 {
			t.Error("two replicas at one job")
		}
		l.recovers("taken and not sent")
	})
}

// candidates are the substrings of a dump that could be a key, a claim token, or the middle of one.
var candidates = regexp.MustCompile(`[A-Za-z0-9_\-+/=.]{32,}`)

// A dump of the database between announcement and claim holds nothing that claims the rotation, and
// nothing that is a key.
func TestNothingInADumpVerifies(t *testing.T) {
	for name, c := range map[string]struct {
		schedule string
		status   int
	}{"claim": {every30, 200}, "inline": {inline, 500}} {
		t.Run(name, func(t *testing.T) {
			eachLine(t, c.schedule, answering(c.status), func(t *testing.T, l *line) {
				l.later(30 * day)
				h := l.hooks.last(t)
				dump := l.dump(t)
				tried := map[string]bool{}
				for _, found := range candidates.FindAllString(dump, -1) {
					for _, text := range append(strings.FieldsFunc(found, func(r rune) bool { return r == '.' || r == '/' || r == '+' }), found) {
						if text = strings.TrimRight(text, "="); len(text) >= 32 && len(text) < 300 {
							tried[text] = true
						}
					}
				}
				if len(tried) == 0 || !strings.Contains(dump, l.id) {
					t.Fatal("an empty dump")
				}
				sealer := l.sealer(t)
				for text := range tried {
					for _, token := range []string{text, "kclaim_" + text, "kclaim_" + text[:min(len(text), 43)], "kclaim_" + text[max(0, len(text)-43):]} {
						if sealer.IsClaimToken(token, h.text("rotationId")) {
							t.Errorf("%s claims", token)
						}
					}
				}
				for text := range tried {
					if code := l.code(text); code != "NOT_FOUND" {
						t.Errorf("%s is a key: %s", text, code)
					}
					a := l.claim(l.text, text)
					if strings.Contains(a.text, `"secret":"`) {
						t.Errorf("%s claims", text)
					}
				}
				for _, secret := range []string{h.text("claimToken"), h.text("secret"), l.text, l.signer} {
					if secret != "" && strings.Contains(dump, secret[len(secret)-24:]) {
						t.Error("a secret is in the dump")
					}
				}
				t.Logf("%d texts tried", len(tried))
				if name == "claim" { // what claims does
					l.claim(l.text, h.text("claimToken")).str(t, "claimRotation", "secret")
				} else if a := l.ask(h.text("secret"), `{ viewer { id } }`, nil); a.status != http.StatusOK {
					t.Error(a.text)
				}
			})
		})
	}
}

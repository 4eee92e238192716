package graph_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/seal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/webhook"
)

var otherKey = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("n"), 32))

func (l *line) sealer(t testing.TB) *seal.Sealer { return sealerOf(t, encryptionKey) }

func sealerOf(t testing.TB, text string) *seal.Sealer {
	t.Helper()
	sealer, err := seal.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

// restart gives the server other encryption keys; the empty text none.
func (l *line) restart(encryptionKey string) {
	l.t.Helper()
	l.worker.Keys.Use(keys.Hooks{}, keys.Outbound{Sealer: sealerOf(l.t, encryptionKey), Webhooks: webhook.New(true, l.clock)})
}

// Without an encryption key webhooks and INLINE are refused, and what needs neither works.
func TestWithoutAnEncryptionKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		s := newSiteWith(t, st, func(o *alert.Options) { o.Outbound.Sealer = nil })
		l := newLine(t, s, "line", every30, nil)
		const webhook = `webhookUrl: "https://example.org/hook"`
		for schedule, fields := range map[string]string{
			webhook: "webhookUrl", every30 + ", " + webhook: "webhookUrl", inline + ", " + webhook: "webhookUrl delivery",
		} {
			for _, document := range []string{
				fmt.Sprintf(`mutation { m: createApiKey(input: {projectId: %q, name: "n", rotation: {%s}}) { userErrors { code fields } } }`, s.project(), schedule),
				fmt.Sprintf(`mutation { m: setRotationSchedule(input: {id: %q, schedule: {%s}}) { userErrors { code fields } } }`, l.id, schedule),
			} {
				a := s.ask(s.admin, document, nil)
				for i, field := range strings.Fields(fields) {
					if a.str(t, "m", "userErrors", i, "code") != "config.encryption_key_required" || !strings.HasSuffix(a.str(t, "m", "userErrors", i, "fields", 0), "."+field) {
						t.Errorf("%s: %s", document, a.text)
					}
				}
			}
		}
		l.later(30 * day)
		l.stands("WAITING_FOR_CLAIM", "ACTIVE")
		refusedWith(t, l.claim(l.text, "kclaim_x"), "claimRotation", "config.encryption_key_required")
		l.rotate().str(t, "rotateApiKey", "secret")
		l.stands("IN_GRACE", "ROTATING_OUT")
	})
}

// The server's key is changed, the new one first and the old one second: signing secrets, secrets that
// wait and claim tokens that are out work on.
func TestEncryptionKeyChanged(t *testing.T) {
	t.Run("claim", func(t *testing.T) {
		eachLine(t, every30, answering(200), func(t *testing.T, l *line) {
			token := l.announced().text("claimToken")
			l.restart(otherKey + "," + encryptionKey)
			a := l.claim(l.text, token)
			a.str(t, "claimRotation", "secret")
			l.claim(l.text, token).str(t, "claimRotation", "secret")
			l.work()
			if h := l.hooks.last(t); h.kind != "api_key.rotated" || !h.signedBy(t, l.signer) {
				t.Errorf("%s", h.body)
			}
			l.stands("IN_GRACE", "ROTATING_OUT")
		})
	})
	t.Run("inline", func(t *testing.T) {
		eachLine(t, inline, answering(500), func(t *testing.T, l *line) {
			l.later(30 * day)
			secret := l.hooks.last(t).text("secret")
			l.restart(otherKey + "," + encryptionKey)
			l.hooks.reply(200)
			l.later(attempts[0])
			if h := l.hooks.last(t); h.text("secret") != secret || !h.signedBy(t, l.signer) {
				t.Errorf("%s", h.body)
			}
			l.stands("IN_GRACE", "ROTATING_OUT")
		})
	})
}

// The old key is taken away, or all are, while a secret waits: the delivery fails and can be repaired;
// if nobody does, the rotation is given up and the old key lives on.
func TestEncryptionKeyLost(t *testing.T) {
	for name, now := range map[string]string{"another": otherKey, "none": ""} {
		t.Run(name, func(t *testing.T) {
			eachLine(t, inline, answering(500), func(t *testing.T, l *line) {
				l.later(30 * day)
				l.restart(now)
				l.hooks.reply(200)
				l.later(attempts[0])
				l.stands("DELIVERING", "ACTIVE")
				if len(l.hooks.all()) != 1 || l.rotation()["lastError"] == nil {
					t.Errorf("%v", l.rotation())
				}
				if name == "none" {
					l.restart(encryptionKey)
					l.later(attempts[1])
					l.stands("IN_GRACE", "ROTATING_OUT")
					return
				}
				for _, pause := range attempts[1:] {
					l.later(pause)
				}
				l.stands("STALLED", "ACTIVE")
				if live, pending := l.successors(); live+pending != 0 {
					t.Errorf("%d live, %d pending", live, pending)
				}
				l.rotate().str(t, "rotateApiKey", "secret")
			})
		})
	}
}

// A server without the key puts automatic rotations with a webhook off, and begins them when it has it.
func TestDueWithoutTheEncryptionKey(t *testing.T) {
	eachLine(t, inline, answering(200), func(t *testing.T, l *line) {
		l.restart("")
		l.later(30 * day)
		if l.rotation() != nil {
			t.Fatalf("%v", l.rotation())
		}
		l.restart(encryptionKey)
		l.pass(59 * 60 * 1e9)
		l.later(60 * 1e9)
		l.stands("IN_GRACE", "ROTATING_OUT")
	})
}

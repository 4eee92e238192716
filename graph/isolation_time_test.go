package graph_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	entjob "github.com/keytag/keytag/ent/db/job"
	"github.com/keytag/keytag/ent/db/rotation"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/seal"
)

// newReceiver takes every webhook: the pause before a second attempt is random, and would differ.
func newReceiver(t *testing.T) string {
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(receiver.Close)
	return receiver.URL
}

// elapse lets time pass on all sites at once. It stops wherever something falls due, and has every site
// do it there: one thing at a time, so that they draw alike. Whatever is on one is on the last.
func elapse(draws *draws, seed uint64, d time.Duration, sites ...*site) {
	for left := d; left > 0; {
		due := sites[len(sites)-1].untilDue()
		step := min(left, due)
		left -= step
		for _, s := range sites {
			if s.pass(step); step == due {
				draws.restart(seed ^ uint64(s.clock().UnixNano()))
				s.work()
			}
		}
	}
}

// untilDue is how long it is until something falls due that is not yet.
func (s *site) untilDue() time.Duration {
	s.t.Helper()
	ctx, now := principal.System(s.t.Context()), s.clock()
	next := now.AddDate(100, 0, 0)
	consider := func(at *time.Time, err error) {
		switch {
		case db.IsNotFound(err):
		case err != nil:
			s.t.Fatal(err)
		case at.Before(next):
			next = *at
		}
	}
	job, err := s.store.Client.Job.Query().Where(entjob.RunAtGT(now), entjob.FinishedAtIsNil()).Order(db.Asc(entjob.FieldRunAt)).First(ctx)
	consider(field(job, func(j *db.Job) *time.Time { return &j.RunAt }), err)
	key, err := s.store.Client.APIKey.Query().Where(apikey.NextRotationAtGT(now)).Order(db.Asc(apikey.FieldNextRotationAt)).First(ctx)
	consider(field(key, func(k *db.APIKey) *time.Time { return k.NextRotationAt }), err)
	key, err = s.store.Client.APIKey.Query().Where(apikey.LookAtGT(now)).Order(db.Asc(apikey.FieldLookAt)).First(ctx)
	consider(field(key, func(k *db.APIKey) *time.Time { return k.LookAt }), err)
	open, err := s.store.Client.Rotation.Query().Where(rotation.ClaimUntilGT(now)).Order(db.Asc(rotation.FieldClaimUntil)).First(ctx)
	consider(field(open, func(r *db.Rotation) *time.Time { return r.ClaimUntil }), err)
	return next.Sub(now)
}

// field is a field of a row, nil without a row.
func field[T any](row *T, of func(*T) *time.Time) *time.Time {
	if row == nil {
		return nil
	}
	return of(row)
}

// work does what is due at once, such as the webhook of a rotation, on every site of the party.
func (p *party) work() {
	if !p.wrote {
		return
	}
	p.wrote = false
	p.asked++
	for _, s := range p.sites {
		p.draws.restart(p.seed + p.asked)
		s.work()
	}
}

// announced makes a key, waits until its rotation is announced, and answers its text and the token; it
// answers nothing when the policy or a disabled owner stands against that.
func (p *party) announced() (text, token string) {
	a := p.ask(p.root, fmt.Sprintf(`mutation { createApiKey(input: {projectId: %q, name: "line %d", rotation: {intervalDays: 1, webhookUrl: %q}}) { secret } }`,
		p.project, p.asked, p.receiver))
	made, _ := a.Data["createApiKey"].(map[string]any)
	if text, _ = made["secret"].(string); text == "" {
		return "", ""
	}
	p.elapse(24 * time.Hour)
	a = p.ask(text, `{ viewerKey { lastRotation { id } } }`)
	if viewer, _ := a.Data["viewerKey"].(map[string]any); viewer == nil || viewer["lastRotation"] == nil {
		return "", ""
	}
	sealer, err := seal.Parse(encryptionKey)
	if err != nil {
		p.t.Fatal(err)
	}
	return text, sealer.ClaimToken(a.str(p.t, "viewerKey", "lastRotation", "id"))
}

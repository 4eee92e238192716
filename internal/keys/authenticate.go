package keys

import (
	"context"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/secret"
)

// Authenticate finds the caller that the key text stands for, records the use, and returns ctx
// bound to that caller. Errors are *fault.Error: `api_keys.invalid` for whatever is not a key of
// this server, and for a key that is one why it does not work, with the instant.
func (a *Authority) Authenticate(ctx context.Context, text string, use Use) (context.Context, error) {
	presented, err := secret.Parse(text)
	if err != nil {
		return nil, invalidKey()
	}
	j, err := a.admit(ctx, presented, use, demand{ip: &use.IP}, func(*db.APIKey) bool { return true })
	if err != nil {
		return nil, err
	}
	if j.key == nil {
		return nil, invalidKey()
	}
	replayOnly := j.code == GraceOver && a.mayReplay(ctx, j.key, use)
	if j.code != Valid && !replayOnly {
		return nil, refusal(j.key, j.code, j.at)
	}
	p := j.rights
	if replayOnly || use.Probe {
		p = rightsOf(j.key)
		p.ReplayOnly, p.Probe = replayOnly, use.Probe
	}
	return newContext(principal.NewContext(ctx, p), &caller{key: j.key}), nil
}

// judged is what there is for a presented key, and what it was good for when.
type judged struct {
	*remembered
	code VerificationCode // of a key
	at   time.Time
}

// admit judges a presented key, lets it work if it is pending, and records its use if it is good. The verdict
// is about the key as it is answered, at an instant after it was read. A key that is not concerned is answered
// as none.
func (a *Authority) admit(ctx context.Context, presented secret.Secret, use Use, d demand, concerned func(*db.APIKey) bool) (judged, error) {
	r, err := a.present(ctx, presented)
	if err != nil {
		return judged{}, err
	}
	if r.key != nil && !concerned(r.key) {
		return judged{remembered: &remembered{}}, nil
	}
	if r, err = a.handOver(ctx, r, presented, use); err != nil {
		return judged{}, err
	}
	j, err := a.judge(ctx, r, d)
	if err != nil || j.key == nil || j.code != Valid {
		return j, err
	}
	used, err := a.recordUse(ctx, r, presented, use, j.at)
	if err != nil || used == r {
		return j, err
	}
	return a.judge(ctx, used, d)
}

func (a *Authority) judge(ctx context.Context, r *remembered, d demand) (j judged, err error) {
	if r.key == nil {
		return judged{remembered: r, at: a.now()}, nil
	}
	j = judged{remembered: r, at: a.instant(r.key)}
	j.code, err = judge(ctx, r.key, j.at, d)
	return j, err
}

// handOver lets a pending key whose text was presented work, and answers the key as it is then. A mere look
// leaves it pending.
func (a *Authority) handOver(ctx context.Context, r *remembered, presented secret.Secret, use Use) (*remembered, error) {
	if r.key == nil || r.key.PendingSince == nil || use.Probe || stateOf(r.key, a.now()).Status.Ended() {
		return r, nil
	}
	if err := a.activatePresented(ctx, r.key); err != nil {
		return nil, err
	}
	return a.present(ctx, presented)
}

// mayReplay recognises a key whose life a rotation without grace ended, and that would work but for
// that: it may still ask for the reply of that rotation, should it have been lost.
func (a *Authority) mayReplay(ctx context.Context, key *db.APIKey, use Use) bool {
	if key.RotatedAt == nil || !key.RotatedAt.Equal(*key.GraceExpiresAt) {
		return false
	}
	code, err := judge(ctx, key, key.RotatedAt.Add(-time.Microsecond), demand{ip: &use.IP})
	return err == nil && code == Valid
}

// caller is the key that authenticated a request, with its owner loaded.
type caller struct{ key *db.APIKey }

type callerKey struct{}

func newContext(ctx context.Context, c *caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

func callerFrom(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}

// ViewerKey is the key that authenticated the request, nil when none did. It reads no storage.
func (a *Authority) ViewerKey(ctx context.Context) *View {
	c := callerFrom(ctx)
	if c == nil {
		return nil
	}
	return view(ctx, c.key, a.instant(c.key))
}

// Viewer is the user on whose behalf the request runs, nil when unauthenticated.
func (a *Authority) Viewer(ctx context.Context) *db.User {
	c := callerFrom(ctx)
	if c == nil {
		return nil
	}
	return c.key.Edges.Owner
}

// ViewerKeyEnd is the id and the effective end of the key that authenticated the request, after
// whatever the request did to it; ok is false when none did.
func ViewerKeyEnd(ctx context.Context) (id string, end *time.Time, ok bool) {
	c := callerFrom(ctx)
	if c == nil {
		return "", nil, false
	}
	return c.key.ID, lifecycle.Evaluate(instants(c.key), c.key.CreatedAt).EffectiveExpiresAt, true
}

// observe lets the request see what it did to its own key.
func observe(ctx context.Context, row *db.APIKey) {
	if c := callerFrom(ctx); c != nil && c.key.ID == row.ID {
		row.Edges.Owner = c.key.Edges.Owner
		c.key = row
	}
}

// ReplayOnlyRefusal is what a key that its own rotation ended is told about everything but the
// reply of that rotation: `api_keys.grace_ended`.
func ReplayOnlyRefusal(ctx context.Context) error {
	key := callerFrom(ctx).key
	return refusal(key, GraceOver, *key.GraceExpiresAt)
}

func zoneOf(ctx context.Context) *time.Location {
	if c := callerFrom(ctx); c != nil {
		if zone, ok := lifecycle.Zone(c.key.Edges.Owner.TimeZone); ok {
			return zone
		}
	}
	return time.UTC
}

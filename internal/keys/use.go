package keys

import (
	"context"
	"net/netip"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
)

// Use says from where a key is used and whether that counts.
type Use struct {
	// IP is the zero Addr when unknown; a key bound to addresses is then refused.
	IP netip.Addr
	// Probe marks a look that does not count as use.
	Probe bool
}

// MinNotAccessed is the shortest period of disuse that a policy may end keys after: much less than
// useInterval could end a key that is used all the time.
const MinNotAccessed = 5 * useInterval

// useWrite is how long a request waits for its use to be written.
const useWrite = 2 * time.Second

// useInterval is how much a stored last use must be behind for a use to move it.
const useInterval = time.Minute

// moves reports whether a use at now is to be written.
func (u Use) moves(key *db.APIKey, now time.Time) bool {
	if key.AuthenticatedAt == nil {
		return true
	}
	return !u.Probe && (key.LastUsedAt == nil || !now.Before(key.LastUsedAt.Add(useInterval)))
}

// recordUse sees to it that it is written that a key authenticated, and unless u is a probe that its last
// use and its inactivity end move, if no other request has done so: before it returns the first time, and
// where the key is about to end by disuse, else soon. It answers the key as it is then, without one when its
// secret has been replaced meanwhile: a secret takes effect, by its first use, only while it is the stored
// one.
func (a *Authority) recordUse(ctx context.Context, r *remembered, presented secret.Secret, u Use, now time.Time) (*remembered, error) {
	if !u.moves(r.key, now) {
		return r, nil
	}
	one := r.usedAt(now, u)
	if !first(r.key, u) && !endsSoon(r.key, now) {
		waiting := r.used.Load()
		if now.UnixMicro()-waiting < useInterval.Microseconds() {
			return r, nil
		}
		if a.uses.add(one) {
			r.used.Store(now.UnixMicro())
			return r, nil
		}
	}
	err := a.writeNow(ctx, func(ctx context.Context, tx *store.Tx) error {
		if u.Probe {
			return tx.APIKey.Update().Where(apikey.ID(r.key.ID), apikey.Digest(r.digest[:]), apikey.AuthenticatedAtIsNil()).
				SetAuthenticatedAt(now).Exec(store.Beside(ctx))
		}
		return writeUses(ctx, tx, []lastUse{one})
	})
	if err != nil {
		// A use that cannot be written now is written later, if it can be then; it never fails a request.
		a.log.WarnContext(ctx, "record use", "key", r.key.ID, "error", err)
		if !u.Probe {
			a.uses.add(one)
		}
		return r, nil
	}
	return a.presentAfresh(ctx, presented)
}

// writeNow writes a use, and waits for that no longer than useWrite: from a database of which nothing is heard any
// more, no answer comes even when it is not waited for.
func (a *Authority) writeNow(ctx context.Context, use func(context.Context, *store.Tx) error) error {
	ctx, cancel := context.WithTimeout(principal.System(ctx), useWrite)
	written := make(chan error, 1)
	go func() {
		defer cancel()
		written <- a.store.Write(ctx, use)
	}()
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-written: // it may just have ended
		return err
	case <-time.After(useWrite / 10): // as it does when it hears of the end
		return context.Cause(ctx)
	}
}

// first reports that a use is the first of a kind.
func first(key *db.APIKey, u Use) bool {
	return key.AuthenticatedAt == nil || !u.Probe && key.LastUsedAt == nil
}

// endsSoon reports that a use might be written too late to put the key's end by disuse off.
func endsSoon(key *db.APIKey, now time.Time) bool {
	return key.InactivityExpiresAt != nil && !now.Add(2*flushEvery).Before(*key.InactivityExpiresAt)
}

// lookAfter is when there will first be something to tell of a key whose end by disuse a use moves;
// nil when that changes nothing: the key ends by its lifetime, as before.
func (p Policy) lookAfter(one lastUse, inactivityEnd *time.Time) *time.Time {
	earlier := func(end *time.Time) bool {
		return end != nil && (one.expiresAt == nil || end.Before(*one.expiresAt))
	}
	if !earlier(inactivityEnd) {
		if earlier(one.inactivityEnd) {
			return &one.at // lead times of the end by lifetime may have begun
		}
		return nil
	}
	look := *inactivityEnd
	for _, lead := range p.leadTimes {
		if at := lead.Back(*inactivityEnd); at.After(one.at) && at.Before(look) {
			look = at
		}
	}
	return &look
}

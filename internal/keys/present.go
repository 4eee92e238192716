package keys

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/secret"
)

// lookUpFor is how long a presented key is looked up at most.
const lookUpFor = 1500 * time.Millisecond

// present answers what there is for a presented key: from memory if that is trusted now, else from the
// database. Its key is nil when there is none.
func (a *Authority) present(ctx context.Context, presented secret.Secret) (*remembered, error) {
	d := presented.Digest()
	generation, trusted := a.store.Epoch.Now()
	if !trusted {
		return a.lookUp(ctx, d, generation)
	}
	if r := a.known.find(d, generation); r != nil && !a.mayLiveOn(r) {
		return r, nil
	}
	if r := a.unknown.find(d, generation); r != nil && time.Since(r.read) < unknownFor {
		return r, nil
	}
	return a.flights.join(ctx, flightOf{d, generation}, func(ctx context.Context) (*remembered, error) {
		r, err := a.lookUp(ctx, d, generation)
		switch {
		case err != nil:
		case r.key != nil:
			a.known.put(r)
		default:
			a.known.drop(d)
			a.unknown.put(r)
		}
		return r, err
	})
}

// mayLiveOn reports that a key has ended by disuse, and was remembered before: another replica may have seen
// it used, and may still be writing that.
func (a *Authority) mayLiveOn(r *remembered) bool {
	end := r.key.InactivityExpiresAt
	return end != nil && !a.now().Before(*end) && (r.at.Before(*end) || time.Since(r.read) >= unknownFor)
}

// presentAfresh is present after the key was changed in a way that others need not notice.
func (a *Authority) presentAfresh(ctx context.Context, presented secret.Secret) (*remembered, error) {
	a.known.drop(presented.Digest())
	return a.present(ctx, presented)
}

// lookUp asks the database for the key with a digest.
func (a *Authority) lookUp(ctx context.Context, d digest, generation uint64) (*remembered, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpFor)
	defer cancel()
	r := &remembered{digest: d, generation: generation, read: time.Now(), at: a.now()}
	row, err := a.store.Lookups.APIKey.LookUp(ctx, d[:])
	switch {
	case db.IsNotFound(err):
		return r, nil
	case err != nil:
		return nil, fmt.Errorf("look up a presented key: %w", err)
	}
	r.key, r.rights = row, rightsOf(row)
	return r, nil
}

// flightOf is what is looked up, and under which generation.
type flightOf struct {
	digest     digest
	generation uint64
}

// flights are look-ups under way. Whoever wants the same under the same generation waits for one of them: a
// change that it may have missed has not been acknowledged.
type flights struct {
	mu sync.Mutex
	of map[flightOf]*flight
}

type flight struct {
	landed chan struct{}
	result *remembered
	err    error
}

// join answers what look does for the first who asks, whether that one still waits or not.
func (f *flights) join(ctx context.Context, of flightOf, look func(context.Context) (*remembered, error)) (*remembered, error) {
	f.mu.Lock()
	under := f.of[of]
	if under == nil {
		under = &flight{landed: make(chan struct{})}
		f.of[of] = under
		go func() {
			defer func() {
				if cause := recover(); cause != nil {
					under.err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
				}
				f.mu.Lock()
				delete(f.of, of)
				f.mu.Unlock()
				close(under.landed)
			}()
			under.result, under.err = look(context.WithoutCancel(ctx))
		}()
	}
	f.mu.Unlock()
	select {
	case <-under.landed:
		return under.result, under.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

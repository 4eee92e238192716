package keys

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
)

const (
	// flushEvery is how long a use waits to be written with others.
	flushEvery = 5 * time.Second
	// flushAtEnd is how long the last ones may take.
	flushAtEnd = 5 * time.Second
	// maxWaiting is how many uses wait at most; those beyond are written at once.
	maxWaiting = 100_000
	// usesPerWrite is how many are written in one transaction.
	usesPerWrite = 256
)

// lastUse is one that is waiting to be written, with what its policy asks of the key: the key itself, with all
// that stands beside it, would take much more memory.
type lastUse struct {
	id, organizationID, projectID string
	expiresAt, inactivityEnd      *time.Time // as they were before
	digest                        digest
	ip                            netip.Addr // the zero Addr when unknown
	at                            time.Time
}

func (r *remembered) usedAt(at time.Time, by Use) lastUse {
	return lastUse{
		id: r.key.ID, organizationID: r.key.OrganizationID, projectID: r.key.ProjectID,
		expiresAt: r.key.ExpiresAt, inactivityEnd: r.key.InactivityExpiresAt,
		digest: r.digest, ip: by.IP, at: at,
	}
}

// uses are those waiting, the last of each key, while there is somebody to write them.
type uses struct {
	open    atomic.Bool
	mu      sync.Mutex
	waiting map[string]lastUse
}

// add has a use written soon; false when it has to be written at once.
func (u *uses) add(one lastUse) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.open.Load() || len(u.waiting) >= maxWaiting {
		return false
	}
	u.waiting[one.id] = one
	return true
}

// putBack has uses wait again, unless the key has been used since or too many wait.
func (u *uses) putBack(batch []lastUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, one := range batch {
		if _, newer := u.waiting[one.id]; !newer && len(u.waiting) < maxWaiting {
			u.waiting[one.id] = one
		}
	}
}

// take empties the waiting room, in an order that all replicas have in common.
func (u *uses) take() []lastUse {
	u.mu.Lock()
	taken := u.waiting
	u.waiting = map[string]lastUse{}
	u.mu.Unlock()
	return slices.SortedFunc(maps.Values(taken), func(a, b lastUse) int { return strings.Compare(a.id, b.id) })
}

// KeepUses writes uses in batches, off the path of requests, until ctx ends and the last are written. While
// it does not run, each is written at once. It is called once.
func (a *Authority) KeepUses(ctx context.Context) {
	a.uses.open.Store(true)
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(flushEvery):
			a.flushOnTime(ctx)
		}
	}
	a.uses.mu.Lock()
	a.uses.open.Store(false)
	a.uses.mu.Unlock()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushAtEnd)
	defer cancel()
	a.flushUses(last)
}

// flushOnTime writes what is waiting; the end of ctx gives it some seconds more.
func (a *Authority) flushOnTime(ctx context.Context) {
	flushing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(flushAtEnd, cancel) })()
	a.flushUses(flushing)
}

// flushUses writes what is waiting. What cannot be written waits on.
func (a *Authority) flushUses(ctx context.Context) {
	for batch := range slices.Chunk(a.uses.take(), usesPerWrite) {
		err := a.store.Write(principal.System(ctx), func(ctx context.Context, tx *store.Tx) error { return writeUses(ctx, tx, batch) })
		if err != nil {
			a.log.WarnContext(ctx, "record uses", "keys", len(batch), "error", err)
			a.uses.putBack(batch)
		}
		for _, one := range batch {
			a.known.drop(one.digest) // it has the use before
		}
	}
}

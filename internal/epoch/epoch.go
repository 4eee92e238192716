// Package epoch keeps true what replicas remember of the database: every answer, of whichever replica, is
// one that the database gave at some moment of the request.
//
// A change of what is remembered raises the epoch before it is committed. A replica looks at it many times
// a second, forgets what it remembers when it was raised, notes in its lease that it did, and remembers
// nothing while a change is about to be committed; it trusts its memory for less than a second after a look.
// A change is committed when every lease has noted its epoch, or when that second is over and nobody trusts
// an older look any more. Docs: decision 16.
package epoch

import (
	"database/sql"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lookEvery is the time between looks that nothing wakes.
	lookEvery = 50 * time.Millisecond
	// lookFor is how long a look may take.
	lookFor = 500 * time.Millisecond
	// trust is how long memory is trusted after a look, counted from before it.
	trust = 900 * time.Millisecond
	// goodbyeFor is how long giving the lease back may take.
	goodbyeFor = time.Second
)

// Channel is that of PostgreSQL's NOTIFY on which replicas are told that the epoch was raised, and that what
// raised it is over.
const Channel = "keytag_epoch"

// The advisory lock of PostgreSQL that transactions hold while they are about to be committed.
const lockClass, lockObject = 0x6b7467, 1

// Epoch is one process's part. It is safe for concurrent use.
type Epoch struct {
	postgres bool
	// reader and writer are pools of the same database; what writer acknowledges may be lost in a crash, unless
	// another change survives it.
	reader, writer *sql.DB

	lease      atomic.Pointer[string] // nil unless Follow runs
	generation atomic.Uint64
	looked     atomic.Pointer[look] // nil: memory is not trusted
	woken      chan struct{}

	mu        sync.Mutex
	forgotten int64  // the epoch whose coming made everything be forgotten
	changes   int    // of this process that are about to be committed
	announced uint64 // changes of this process up to now
}

// look is a look at the database that showed nothing new.
type look struct{ began time.Time }

// New is the part of a process that does not remember anything before Follow.
func New(postgres bool, reader, writer *sql.DB) *Epoch {
	return &Epoch{postgres: postgres, reader: reader, writer: writer, woken: make(chan struct{}, 1)}
}

// Now is the generation of what may be remembered now, and false when nothing may. What was read from
// the database is remembered under the generation that was told before it was read.
func (e *Epoch) Now() (generation uint64, ok bool) {
	generation = e.generation.Load()
	l := e.looked.Load()
	if l == nil {
		return generation, false
	}
	now := time.Now()
	// The monotonic clock may stand still while the machine sleeps, the other may be set back.
	return generation, now.Sub(l.began) < trust && now.Round(0).Sub(l.began.Round(0)) < trust
}

// forget makes what was remembered worthless when the epoch is another than before.
func (e *Epoch) forget(epoch int64) {
	if hooks.stale > 0 {
		time.AfterFunc(hooks.stale, func() { e.forgetNow(epoch) })
		return
	}
	e.forgetNow(epoch)
}

func (e *Epoch) forgetNow(epoch int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if epoch != e.forgotten { // less, after a crash of the database
		e.forgotten = epoch
		e.distrust()
	}
}

// lapse makes what was remembered worthless.
func (e *Epoch) lapse() {
	if hooks.stale > 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.distrust()
}

// distrust has all that is remembered, and all that was read until now, never be found again.
func (e *Epoch) distrust() {
	e.looked.Store(nil)
	e.generation.Add(1)
}

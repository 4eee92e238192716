package keys

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/fault"
)

const (
	// lookUpFor is how long a presented key waits to be looked up at most, and then how long that may take.
	lookUpFor = time.Second
	// patience is how long a key waits for a clerk who is busy before another is called: what comes meanwhile
	// is looked up together, which costs much less than one by one.
	patience = 2 * time.Millisecond
	// maxStrangers is how many look-ups of keys that were not remembered before wait at most.
	maxStrangers = 4096
)

// desk looks up the keys that are presented: those that came while its clerks were busy together. Whoever
// wants a key that is looked up already waits for that, if it began late enough.
type desk struct {
	read   func(context.Context, []*lookUp) error // sets the result of each
	now    func() moment
	clerks int // at most

	mu                  sync.Mutex
	busy                int
	watched             bool               // somebody will look who waits
	of                  map[digest]*lookUp // the latest of each
	familiar, strangers []*lookUp          // that wait, the first first
}

// lookUp is one digest being looked up.
type lookUp struct {
	ctx    context.Context // of who asked first; never done
	digest digest
	since  time.Time

	// began says what was the generation, and whether memory was trusted, before it was read; nil until then.
	began  *moment
	landed chan struct{}
	result *remembered
	err    error
}

// moment is what store.Epoch tells at one.
type moment struct {
	generation uint64
	trusted    bool
}

// covers reports that what is read from m on is as good at a later moment: nothing has changed between.
func (m moment) covers(later moment) bool { return m.trusted && m == later }

var errWaited = errors.New("waited too long to be looked up")

// ask answers what a look-up of a digest finds that begins after now, or has begun at a moment that covers it.
// Strangers are those that many may make up; beyond maxStrangers they are refused with `auth.unavailable`.
func (k *desk) ask(ctx context.Context, d digest, now moment, stranger bool) (*remembered, error) {
	l, err := k.join(ctx, d, now, stranger)
	if err != nil {
		return nil, err
	}
	select {
	case <-l.landed:
		return l.result, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (k *desk) join(ctx context.Context, d digest, now moment, stranger bool) (*lookUp, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.of[d]; l != nil && (l.began == nil || l.began.covers(now)) {
		return l, nil
	}
	queue := &k.familiar
	if stranger {
		if queue = &k.strangers; len(*queue) >= maxStrangers {
			return nil, &fault.Error{Code: fault.CodeUnavailable, Message: "too many keys are being looked up; try again"}
		}
	}
	l := &lookUp{ctx: context.WithoutCancel(ctx), digest: d, since: time.Now(), landed: make(chan struct{})}
	k.of[d] = l
	*queue = append(*queue, l)
	k.call()
	return l, nil
}

// call calls a clerk if those who are busy are not enough, now or when somebody has waited; mu is held.
func (k *desk) call() {
	waiting, since := len(k.familiar)+len(k.strangers), time.Now()
	for _, queue := range [][]*lookUp{k.familiar, k.strangers} {
		if len(queue) > 0 && queue[0].since.Before(since) {
			since = queue[0].since
		}
	}
	switch waited := time.Since(since); {
	case waiting == 0 || k.busy == k.clerks:
	case k.busy == 0 || waiting >= db.MaxLookUp || waited >= patience:
		k.busy++
		go k.work()
	case !k.watched:
		k.watched = true
		time.AfterFunc(patience-waited, func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.watched = false
			k.call()
		})
	}
}

// work looks up what waits until nothing does.
func (k *desk) work() {
	for {
		batch := k.next()
		if len(batch) == 0 {
			return
		}
		err := k.readNow(batch)
		k.mu.Lock()
		for _, l := range batch {
			k.land(l, err)
		}
		k.mu.Unlock()
	}
}

// next are those that are looked up together from now on, the familiar first; none when the clerk may go.
func (k *desk) next() (batch []*lookUp) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	for _, queue := range []*[]*lookUp{&k.familiar, &k.strangers} {
		for len(*queue) > 0 && len(batch) < db.MaxLookUp {
			l := (*queue)[0]
			*queue = (*queue)[1:]
			if time.Since(l.since) >= lookUpFor {
				k.land(l, errWaited)
				continue
			}
			l.began = &now
			batch = append(batch, l)
		}
	}
	if len(batch) == 0 {
		k.busy--
	}
	return batch
}

// land answers a look-up; mu is held.
func (k *desk) land(l *lookUp, err error) {
	l.err = err
	if k.of[l.digest] == l {
		delete(k.of, l.digest)
	}
	close(l.landed)
}

func (k *desk) readNow(batch []*lookUp) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(batch[0].ctx, lookUpFor)
	defer cancel()
	return k.read(ctx, batch)
}

package keys

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/fault"
)

// library is what a desk reads: how often, and what is in it now.
type library struct {
	*desk
	mu      sync.Mutex
	batches [][]*lookUp
	now     moment
	open    chan struct{} // one for each reading that may end; nil for all
}

func newLibrary(clerks int, open chan struct{}) *library {
	l := &library{now: moment{1, true}, open: open}
	l.desk = &desk{clerks: clerks, of: map[digest]*lookUp{}, now: l.moment, read: func(ctx context.Context, wanted []*lookUp) error {
		l.mu.Lock()
		l.batches = append(l.batches, wanted)
		number := len(l.batches)
		l.mu.Unlock()
		if l.open != nil {
			select {
			case <-l.open:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		for _, w := range wanted {
			w.result = &remembered{digest: w.digest, generation: uint64(number)}
		}
		return nil
	}}
	return l
}

func (l *library) moment() moment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// asked is one who asks: the number of the reading that answers it, or why none does.
type asked struct {
	reading uint64
	err     error
}

func (l *library) ask(d digest, stranger bool) *asked {
	a, now := new(asked), l.moment()
	go func() {
		r, err := l.desk.ask(context.Background(), d, now, stranger)
		if a.err = err; err == nil {
			a.reading = r.generation
		}
	}()
	synctest.Wait()
	return a
}

func number(n int) (d digest) {
	d[0], d[1] = byte(n), byte(n>>8)
	return d
}

func TestALookUpIsSharedByThoseItIsGoodFor(t *testing.T) {
	for _, c := range []struct {
		name          string
		first, second moment
		shared        bool
	}{
		{"trusted", moment{1, true}, moment{1, true}, true},
		{"a change between", moment{1, true}, moment{2, true}, false},
		{"a change may come between", moment{1, false}, moment{1, true}, false},
		{"a change may have come", moment{1, true}, moment{1, false}, false},
		{"not trusted", moment{1, false}, moment{1, false}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLibrary(3, make(chan struct{}))
				l.now = c.first
				first := l.ask(number(1), false)
				l.now = c.second
				second, third := l.ask(number(1), false), l.ask(number(1), false)
				want := uint64(2)
				if c.shared {
					want = 1
				}
				close(l.open)
				synctest.Wait()
				if first.reading != 1 || second.reading != want {
					t.Errorf("readings %d and %d, want 1 and %d", first.reading, second.reading, want)
				}
				if c.second.trusted && third.reading != want {
					t.Errorf("the third is answered by reading %d, want %d", third.reading, want)
				}
			})
		})
	}
}

// However many ask while nothing is trusted, each waits for one reading that is under way and one more.
func TestThoseWhoWaitAreLookedUpTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(1, make(chan struct{}))
		l.now = moment{1, false}
		all := []*asked{l.ask(number(0), false)}
		for n := range 200 {
			all = append(all, l.ask(number(n%100), n%100 < 50))
		}
		close(l.open)
		synctest.Wait()
		for n, a := range all {
			if a.err != nil || a.reading == 0 || n > 0 && a.reading == 1 {
				t.Errorf("%d is answered by reading %d: %v", n, a.reading, a.err)
			}
		}
		if n := len(l.batches); n != 3 {
			t.Fatalf("%d readings of one and then a hundred keys", n)
		}
		for i, w := range l.batches[1] {
			if familiar := int(w.digest[0]) >= 50; familiar != (i < 50) {
				t.Errorf("place %d of the first that waited: key %d", i, w.digest[0])
			}
		}
		if l.busy != 0 || len(l.of) != 0 {
			t.Errorf("left over: %d clerks, %d look-ups", l.busy, len(l.of))
		}
	})
}

func TestStrangersAreRefusedWhenTooManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(1, make(chan struct{}))
		l.ask(number(1<<15), true)
		for n := range maxStrangers {
			if a := l.ask(number(n), true); a.err != nil {
				t.Fatal(n, a.err)
			}
		}
		var refused *fault.Error
		if a := l.ask(number(maxStrangers), true); !errors.As(a.err, &refused) || refused.Code != fault.CodeUnavailable {
			t.Errorf("one more: %v", a.err)
		}
		same, familiar := l.ask(number(7), true), l.ask(number(maxStrangers), false)
		l.open <- struct{}{}
		l.open <- struct{}{}
		synctest.Wait()
		if same.reading != 2 || familiar.reading != 2 {
			t.Errorf("one who waited already and a key that was known: readings %d and %d", same.reading, familiar.reading)
		}
		close(l.open)
	})
}

func TestNobodyWaitsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(1, make(chan struct{}))
		began := time.Now()
		first := l.ask(number(1), false)
		waits := l.ask(number(2), false)
		time.Sleep(lookUpFor / 2)
		late := l.ask(number(3), false)
		time.Sleep(lookUpFor/2 + time.Nanosecond)
		synctest.Wait()
		if !errors.Is(first.err, context.DeadlineExceeded) || !errors.Is(waits.err, errWaited) {
			t.Errorf("after %s: %v, %v", time.Since(began), first.err, waits.err)
		}
		l.open <- struct{}{}
		synctest.Wait()
		if late.err != nil || late.reading != 2 {
			t.Errorf("one who came late: reading %d, %v", late.reading, late.err)
		}
	})
}

func TestAReadingThatPanicsIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(1, nil)
		good := l.read
		l.read = func(context.Context, []*lookUp) error { panic("lost") }
		if a := l.ask(number(1), false); a.err == nil {
			t.Error("no error")
		}
		l.read = good
		if a := l.ask(number(1), false); a.err != nil {
			t.Error(a.err)
		}
	})
}

func TestReadingsHoldAsMuchAsTheStatement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(1, make(chan struct{}))
		for n := range 3*db.MaxLookUp + 1 {
			l.ask(number(n), n%2 == 0)
		}
		close(l.open)
		synctest.Wait()
		for i, want := range []int{1, db.MaxLookUp, db.MaxLookUp, db.MaxLookUp} {
			if got := len(l.batches[i]); got != want {
				t.Errorf("reading %d has %d", i, got)
			}
		}
	})
}

func TestAnotherClerkIsCalledWhenSomebodyHasWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(2, make(chan struct{}))
		readings := func() int {
			synctest.Wait()
			l.mu.Lock()
			defer l.mu.Unlock()
			return len(l.batches)
		}
		l.ask(number(1), false)
		time.Sleep(patience / 2)
		l.ask(number(2), false)
		time.Sleep(patience - 1)
		if n := readings(); n != 1 {
			t.Errorf("before one has waited for %s: %d readings", patience, n)
		}
		time.Sleep(1)
		if n := readings(); n != 2 {
			t.Errorf("when one has waited for %s: %d readings", patience, n)
		}
		l.ask(number(3), false)
		time.Sleep(2 * patience)
		if n := readings(); n != 2 {
			t.Errorf("with all clerks busy: %d readings", n)
		}
		close(l.open)
		if n := readings(); n != 3 || l.busy != 0 {
			t.Errorf("in the end: %d readings, %d busy", n, l.busy)
		}
		time.Sleep(2 * patience) // whoever looks finds nobody
	})
}

func TestAnotherClerkIsCalledWhenEnoughWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(2, make(chan struct{}))
		for n := range db.MaxLookUp + 1 {
			l.ask(number(n), true)
		}
		l.mu.Lock()
		if n := len(l.batches); n != 2 || len(l.batches[1]) != db.MaxLookUp {
			t.Errorf("%d readings", n)
		}
		l.mu.Unlock()
		close(l.open)
	})
}

package queue_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

func TestOfReplicasThatTakeAtOnceNoneGetsWhatAnotherGot(t *testing.T) {
	each(t, func(t *testing.T, l *line) {
		const jobs, takers = 240, 8
		for i := range jobs {
			l.add(start.Add(time.Duration(i)*time.Second), fmt.Sprint(i%12))
		}
		var mu sync.Mutex
		took := map[string]int{} // by job
		shares := map[int]int{}  // by taker
		now := start.Add(jobs * time.Second)
		deadline := time.Now().Add(30 * time.Second)
		sideBySide(takers, func(i int) {
			replica := storetest.Connect(t, l.url)
			for all := 0; all < jobs && time.Now().Before(deadline); {
				taken, err := queue.Take(t.Context(), replica, now, 5, 4, nil)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, row := range taken {
					took[row.ID]++
				}
				shares[i] += len(taken)
				all = len(took)
				mu.Unlock()
			}
		})
		if len(took) != jobs {
			t.Errorf("%d of %d jobs are taken", len(took), jobs)
		}
		for id, n := range took {
			if row := l.get(id); n != 1 || row.Attempts != 1 || row.Status != job.Running {
				t.Errorf("%s is taken %d times: %v", id, n, row)
			}
		}
		t.Logf("shares: %v", shares)
	})
}

func TestTheLongestDueComesFirst(t *testing.T) {
	each(t, func(t *testing.T, l *line) {
		var want []string
		for i, minutes := range []int{3, 1, 2, 1, 9} {
			want = append(want, fmt.Sprintf("%d %s", minutes, l.add(start.Add(time.Duration(minutes)*time.Minute), fmt.Sprint(i))))
		}
		slices.Sort(want) // by instant, then by id
		for i, w := range want {
			want[i] = w[2:]
		}
		now := start.Add(3 * time.Minute)
		equal(t, ids(l.take(now, 3)), want[:3])
		equal(t, ids(l.take(now, 3)), want[3:4])
		equal(t, ids(l.take(now, 3)), nil)
	})
}

func TestALaneGetsNoMoreThanItsShare(t *testing.T) {
	each(t, func(t *testing.T, l *line) {
		for range 40 {
			l.add(start, "slow")
		}
		for range 3 {
			l.add(start.Add(time.Second), "fast")
		}
		now := start.Add(time.Minute)
		for _, step := range []struct {
			under      map[string]int
			slow, fast int
		}{
			{nil, 4, 0}, // the slow ones stand before the fast ones
			{map[string]int{"slow": 4}, 0, 3},
			{map[string]int{"slow": 3, "other": 4}, 1, 0},
			{map[string]int{"slow": 4}, 0, 0},
		} {
			taken, err := queue.Take(t.Context(), l.Store, now, 32, 4, step.under)
			must(t, err)
			got := map[string]int{}
			for _, row := range taken {
				got[row.Lane]++
			}
			if got["slow"] != step.slow || got["fast"] != step.fast {
				t.Errorf("with %v under way: %v", step.under, got)
			}
		}
	})
}

func TestALeaseRunsOutAtItsInstant(t *testing.T) {
	each(t, func(t *testing.T, l *line) {
		id := l.add(start, "")
		if taken := l.take(start.Add(-time.Microsecond), 1); len(taken) != 0 {
			t.Fatal("taken before it is due")
		}
		first := l.takeOne(start)
		if first.ID != id || first.Status != job.Running || first.Attempts != 1 || !first.StartedAt.Equal(start) || !first.RunAt.Equal(start.Add(job.Lease)) {
			t.Errorf("taken: %v", first)
		}
		end := start.Add(job.Lease)
		if taken := l.take(end.Add(-time.Microsecond), 1); len(taken) != 0 {
			t.Fatal("taken before the lease has run out")
		}
		second := l.takeOne(end)
		if second.Attempts != 2 || !second.StartedAt.Equal(start) || !second.ScheduledFor.Equal(start) {
			t.Errorf("taken again: %v", second)
		}
		now := end.Add(time.Second)
		before := l.get(id)
		l.write(func(tx *store.Tx) error {
			for what, end := range map[string]func() (bool, error){
				"Done":   func() (bool, error) { return queue.Done(t.Context(), tx, now, first) },
				"GiveUp": func() (bool, error) { return queue.GiveUp(t.Context(), tx, now, first, "late") },
			} {
				if ours, err := end(); err != nil || ours {
					t.Errorf("%s by who lost the lease: %v %v", what, ours, err)
				}
			}
			_, err := queue.Retry(t.Context(), tx, now, first, "late")
			return err
		})
		l.same(before, "who lost the lease")
		l.write(func(tx *store.Tx) error {
			ours, err := queue.Done(t.Context(), tx, now, second)
			if !ours {
				t.Error("who holds the lease cannot end the job")
			}
			return err
		})
		done := l.get(id)
		if done.Status != job.Completed || !done.FinishedAt.Equal(now) || done.LastError != nil {
			t.Errorf("done: %v", done)
		}
		if taken := l.take(now.Add(24*time.Hour), 1); len(taken) != 0 {
			t.Error("taken when it is over")
		}
		l.write(func(tx *store.Tx) error {
			ours, err := queue.GiveUp(t.Context(), tx, now, second, "twice")
			if ours {
				t.Error("ended twice")
			}
			return err
		})
		l.same(done, "a second end")
	})
}

func TestOnlyWhatHasNotStartedIsChangedOrCancelled(t *testing.T) {
	each(t, func(t *testing.T, l *line) {
		source := l.source()
		for name, do := range map[string]func(tx *store.Tx, id string) (bool, error){
			"change": func(tx *store.Tx, id string) (bool, error) {
				return queue.Change(t.Context(), tx, id, start.Add(time.Hour), source, "new lane")
			},
			"cancel": func(tx *store.Tx, id string) (bool, error) {
				return queue.Cancel(t.Context(), tx, start, id)
			},
		} {
			try := func(id string) (did bool) {
				l.write(func(tx *store.Tx) (err error) { did, err = do(tx, id); return err })
				return did
			}
			if id := l.add(start, ""); !try(id) {
				t.Errorf("%s refuses a scheduled job", name)
			} else if taken := l.take(start, 1); len(taken) != 0 {
				t.Errorf("%s: the job is taken all the same: %v", name, taken)
			} else if later := l.take(start.Add(time.Hour), 1); name == "change" && (len(later) != 1 || later[0].Lane != "new lane" || !later[0].ScheduledFor.Equal(start.Add(time.Hour))) {
				t.Errorf("changed: %v", later)
			}
			id := l.add(start, "")
			taken := l.takeOne(start)
			if try(id) {
				t.Errorf("%s of a running job", name)
			}
			l.write(func(tx *store.Tx) error {
				_, err := queue.Retry(t.Context(), tx, start, taken, "down")
				return err
			})
			before := l.get(id)
			if try(id) {
				t.Errorf("%s of a job that waits for its next attempt", name)
			}
			l.same(before, name)
			l.write(func(tx *store.Tx) error { _, err := queue.GiveUp(t.Context(), tx, start, taken, "down"); return err })
			before = l.get(id)
			if try(id) || before.Status != job.Error {
				t.Errorf("%s of a job that is over: %v", name, before.Status)
			}
			l.same(before, name)
		}
	})
}

// Whoever takes a job and whoever changes or cancels it at the same time: one of them wins.
func TestTakeChangeAndCancelExcludeEachOther(t *testing.T) {
	each(t, func(t *testing.T, l *line) {
		const rounds = 100
		source := l.source()
		other := storetest.Connect(t, l.url)
		wins := map[string]int{}
		for round := range rounds {
			id := l.add(start, "")
			var taken []*db.Job
			var did bool
			var errs [2]error
			sideBySide(2, func(i int) {
				if i == 0 {
					taken, errs[0] = queue.Take(t.Context(), l.Store, start, 1, 1, nil)
					return
				}
				errs[1] = other.Write(t.Context(), func(ctx context.Context, tx *store.Tx) (err error) {
					if round%2 == 0 {
						did, err = queue.Change(ctx, tx, id, start.Add(time.Hour), source, "")
					} else {
						did, err = queue.Cancel(ctx, tx, start, id)
					}
					return err
				})
			})
			must(t, errs[0])
			must(t, errs[1])
			row := l.get(id)
			switch {
			case did == (len(taken) == 1):
				// Take skips a row that somebody holds, who then need not change it; it is not lost.
				t.Fatalf("round %d: changed %v, %d taken: %v", round, did, len(taken), row)
			case did:
				wins[[]string{"change", "cancel"}[round%2]]++
				want := []job.Status{job.Scheduled, job.Canceled}[round%2]
				if row.Status != want || row.Attempts != 0 || row.StartedAt != nil {
					t.Fatalf("round %d: %v", round, row)
				}
			default:
				wins["take"]++
				if row.Status != job.Running || row.Attempts != 1 || !row.ScheduledFor.Equal(start) {
					t.Fatalf("round %d: %v", round, row)
				}
			}
		}
		t.Logf("wins: %v", wins)
	})
}

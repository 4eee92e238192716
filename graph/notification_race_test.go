package graph_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	entjob "github.com/keytag/keytag/ent/db/job"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/principal"
)

// races is how often edit and start race each other on each database: KEYTAG_TEST_RACES, else 1000.
func races(t *testing.T) int {
	text, set := os.LookupEnv("KEYTAG_TEST_RACES")
	if !set {
		return 1000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("KEYTAG_TEST_RACES must be a number of races: %q", text)
	}
	return n
}

// The notification of a key is changed at the very instant at which its job is due and the worker
// starts it: there is always one job to come, the notification shows it, and whatever was started runs
// to its end and raises its alert once.
func TestEditAndStartRaceEachOther(t *testing.T) {
	n := races(t)
	eachDesk(t, func(t *testing.T, d *desk) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		now := d.set(time.Hour)
		started := 0
		for i := range n {
			before := now
			d.pass(before.NotifyAt.Sub(d.clock()))
			set := fmt.Sprintf(`mutation { setApiKeyNotification(input: {apiKeyId: %q, notifyAt: %q, alertSourceId: %q}) { notification { id notifyAt job { id status } } `+refusals+` } }`,
				d.key, d.clock().Add(time.Minute).Format(time.RFC3339Nano), d.source)
			// The edit has a way over HTTP to go; whichever is first shall differ.
			pause := time.Duration(random.Int64N(int64(4 * time.Millisecond)))
			var edited answer
			var wg sync.WaitGroup
			wg.Go(func() { edited = d.ask(d.admin, set, nil) })
			wg.Go(func() {
				time.Sleep(pause)
				d.work()
			})
			wg.Wait()
			if edited.Errors != nil || refusalsOf(edited, "setApiKeyNotification") != nil {
				t.Fatalf("race %d: %s", i, edited.text)
			}
			now = into[keyNotification](t, edited, "setApiKeyNotification", "notification")
			same := now.Job.ID == before.Job.ID
			if !same {
				started++
			}
			if now.ID != before.ID || now.Job.Status != "SCHEDULED" {
				t.Fatalf("race %d: %s", i, edited.text)
			}
			d.work() // what began before the edit and was not finished
			d.wantOneToCome(t, now.Job.ID, started)
			if t.Failed() {
				t.Fatalf("race %d", i)
			}
		}
		if n >= 200 && (started == 0 || started == n) {
			t.Errorf("of %d races the start won %d: this was none", n, started)
		}
		t.Logf("the start won %d of %d races", started, n)
		seen := d.notification()
		if len(seen.PreviousJobs) != started || seen.Job.ID != now.Job.ID {
			t.Errorf("%d previous jobs of %d started; %+v", len(seen.PreviousJobs), started, seen.Job)
		}
		for _, j := range seen.PreviousJobs {
			if j.Status != "COMPLETED" || j.Attempts != 1 {
				t.Errorf("%+v", j)
			}
		}
	})
}

// The notification is cancelled at that instant: its job is either cancelled or runs to its end.
func TestCancelAndStartRaceEachOther(t *testing.T) {
	n := races(t) / 2
	eachDesk(t, func(t *testing.T, d *desk) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		canceled := 0
		for i := range n {
			now := d.set(time.Minute)
			d.pass(time.Minute)
			pause := time.Duration(random.Int64N(int64(4 * time.Millisecond)))
			var wg sync.WaitGroup
			var answered answer
			wg.Go(func() { answered = d.ask(d.admin, fmt.Sprintf(`mutation { `+cancelNotification+` }`, d.key), nil) })
			wg.Go(func() {
				time.Sleep(pause)
				d.work()
			})
			wg.Wait()
			d.work()
			j := d.job(now.Job.ID)
			if answered.Errors != nil || d.notification() != nil || j == nil || j.Status != "CANCELED" && j.Status != "COMPLETED" {
				t.Fatalf("race %d: %s, %+v", i, answered.text, j)
			}
			if j.Status == "CANCELED" {
				canceled++
				if j.StartedAt != nil || j.Attempts != 0 {
					t.Fatalf("race %d: %+v", i, j)
				}
			}
		}
		t.Logf("of %d jobs %d were cancelled", n, canceled)
		messages, err := d.store.Client.OperatorMessage.Query().Count(principal.System(context.Background()))
		if err != nil || messages != n-canceled {
			t.Errorf("%d messages of %d jobs, %d cancelled: %v", messages, n, canceled, err)
		}
	})
}

// wantOneToCome fails unless of the jobs of mia's key the one named is to come, so many are completed,
// each with its message, and there is no other.
func (d *desk) wantOneToCome(t *testing.T, id string, completed int) {
	t.Helper()
	ctx := principal.System(t.Context())
	toCome, err := d.store.Client.Job.Query().Where(entjob.KeyID(d.key), entjob.StatusNEQ(job.Completed)).All(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(toCome) != 1 || toCome[0].ID != id || toCome[0].Status != job.Scheduled {
		t.Errorf("%v are to come, and the notification shows %s", toCome, id)
	}
	done, err := d.store.Client.Job.Query().Where(entjob.KeyID(d.key), entjob.StatusEQ(job.Completed)).Count(ctx)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := d.store.Client.OperatorMessage.Query().Count(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if done != completed || messages != completed {
		t.Errorf("%d started, %d are completed with %d messages", completed, done, messages)
	}
}

package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/mail/smtptest"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store/storetest"
)

// arrival is one delivery as its receiver saw it.
type arrival struct {
	at     time.Time
	ended  time.Time // when it was answered, or broken off
	broken bool      // the sender went away before it was answered
}

// arrivals are those of each id.
type arrivals struct {
	mu sync.Mutex
	of map[string][]arrival
}

func (a *arrivals) note(id string, one arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.of[id] = append(a.of[id], one)
}

// receive notes webhooks, and takes its time to answer: the replica may be killed meanwhile.
func (a *arrivals) receive(_ http.ResponseWriter, r *http.Request) {
	one := arrival{at: time.Now()}
	_, _ = io.Copy(io.Discard, r.Body) // only then a sender who goes away is noticed
	select {
	case <-r.Context().Done():
		one.broken = true
	case <-time.After(rand.N(500 * time.Millisecond)):
	}
	one.ended = time.Now()
	a.note(r.Header.Get("webhook-id"), one)
}

const (
	// noteWithin is how long a replica may take to note an answer on a machine that is busy.
	noteWithin = 3 * time.Second
	// mailSeen is how late a mail may be seen by watchMail.
	mailSeen = 200 * time.Millisecond
)

// number is that of an environment variable.
func number(t testing.TB, variable string, otherwise int) int {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// Three replicas that are killed at random and started again: no alert is missing, messages are there
// once, webhooks and mails come at least once under one id, and again only where a replica was killed.
// KEYTAG_TEST_ALERTS says how many alerts, KEYTAG_TEST_SEED repeats the times of the kills.
func TestReplicasAreKilled(t *testing.T) {
	alerts := number(t, "KEYTAG_TEST_ALERTS", 150)
	seed := uint64(number(t, "KEYTAG_TEST_SEED", rand.Int()))
	kills := max(alerts/50, 3)
	window := time.Duration(alerts) * 10 * time.Millisecond
	t.Logf("KEYTAG_TEST_ALERTS=%d KEYTAG_TEST_SEED=%d: %d kills, due within %v", alerts, seed, kills, window)
	random := rand.New(rand.NewPCG(seed, 0))

	got := &arrivals{of: map[string][]arrival{}}
	receiver := httptest.NewServer(http.HandlerFunc(got.receive))
	defer receiver.Close()
	smtp := smtptest.Start(t, smtptest.Options{Security: smtptest.InClear})
	env := append(slices.Clone(outboundEnv), "KEYTAG_SMTP_URL="+smtp.URL(), "KEYTAG_SMTP_FROM=keytag@example.org")

	database := storetest.Migrated(t, "postgres")
	o := newOffice(t, database)
	message, err := o.alerts.CreateMessageSource(o.admin, alert.CreateMessageSourceInput{Name: "message"})
	if err != nil {
		t.Fatal(err)
	}
	email, err := o.alerts.CreateEmailSource(o.admin, alert.CreateEmailSourceInput{Name: "mail", Recipients: []string{"anna@example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	sources := []string{message.AlertSource.Row().ID, email.AlertSource.Row().ID, o.webhookSource(receiver.URL)}
	var setters sync.WaitGroup
	for s := range 6 {
		setters.Go(func() {
			for i := s; i < alerts; i += 6 {
				if err := o.alert(fmt.Sprint("key ", i), sources[i%len(sources)], time.Now().Add(time.Hour)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	setters.Wait()
	raw, err := sql.Open("postgres", database)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()

	var replicas [3]*replica
	for i := range replicas {
		replicas[i] = work(t, database, env)
	}
	eventually(t, 30*time.Second, "all replicas work", func() bool {
		return !slices.ContainsFunc(replicas[:], func(r *replica) bool { return !strings.Contains(r.log.String(), `"working"`) })
	})
	// Now that all is set up they become due.
	begin := time.Now()
	if _, err := raw.Exec(`WITH due AS (SELECT id, $1::timestamptz + random() * $2 * interval '1 microsecond' AS at FROM jobs)
		UPDATE jobs SET scheduled_for = due.at, run_at = due.at FROM due WHERE due.id = jobs.id`, begin.Add(time.Second), window.Microseconds()); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { watchMail(t, smtp, got, stop) })

	var killed []time.Time
	time.Sleep(time.Second)
	for range kills {
		time.Sleep(time.Duration(random.Int64N(int64(3 * window / time.Duration(kills)))))
		i := random.IntN(len(replicas))
		killed = append(killed, time.Now())
		replicas[i].end(t, syscall.SIGKILL)
		replicas[i] = work(t, database, env)
	}
	eventually(t, window+3*job.Lease, "all jobs are over", func() bool { scheduled, running := o.unfinished(); return scheduled+running == 0 })
	for _, r := range replicas {
		// One that has said nothing yet may not hear the signal yet either.
		if r.end(t, syscall.SIGTERM); r.ProcessState.ExitCode() != 0 && r.log.String() != "" {
			t.Errorf("exit code %d: %s", r.ProcessState.ExitCode(), r.log.String())
		}
	}
	close(stop)
	watch.Wait()

	jobs, err := o.Client.Job.Query().All(principal.System(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if len(jobs) != alerts {
		t.Errorf("%d jobs, want %d", len(jobs), alerts)
	}
	messages := messagesByJob(t, o)
	var twice, broken int
	var undisturbed, rescued []time.Duration
	for _, row := range jobs {
		if row.Status != job.Completed || row.LastError != nil {
			t.Errorf("not done: %v", row)
			continue
		}
		late := row.FinishedAt.Sub(row.ScheduledFor)
		if row.Attempts == 1 {
			undisturbed = append(undisturbed, late)
		} else {
			rescued = append(rescued, late)
		}
		times := got.of[row.ID]
		delete(got.of, row.ID)
		if *row.AlertSourceID == sources[0] {
			if messages[row.ID] != 1 || len(times) != 0 {
				t.Errorf("%s: %d messages, %d deliveries", row.ID, messages[row.ID], len(times))
			}
			continue
		}
		if len(times) == 0 || len(times) > row.Attempts || messages[row.ID] != 0 {
			t.Errorf("%s: delivered %d times in %d attempts, %d messages", row.ID, len(times), row.Attempts, messages[row.ID])
		}
		for _, one := range times[:max(len(times)-1, 0)] {
			// Whoever delivered it was killed before it could note that.
			from, to := one.at, one.ended.Add(noteWithin)
			if twice++; one.broken {
				broken++
				to = one.ended
			}
			if !slices.ContainsFunc(killed, func(at time.Time) bool { return !at.Before(from.Add(-mailSeen)) && !at.After(to) }) {
				t.Errorf("%s came again without a kill: %v; killed: %v", row.ID, times, killed)
			}
		}
		if n := len(times); n > 0 && times[n-1].broken {
			t.Errorf("%s is taken for delivered though nobody heard the answer: %v", row.ID, times)
		}
	}
	for id, times := range got.of {
		t.Errorf("an id of no job arrived: %s %v", id, times)
	}
	t.Logf("%d alerts, %d kills, %d came again, %d of them since the kill broke the connection", alerts, len(killed), twice, broken)
	t.Logf("lateness undisturbed: %s", quantiles(undisturbed))
	t.Logf("lateness rescued:     %s", quantiles(rescued))
}

// watchMail notes when mails come, by the id in their Message-ID.
func watchMail(t *testing.T, server *smtptest.Server, got *arrivals, stop <-chan struct{}) {
	var seen int
	for last := false; ; {
		all := server.Messages()
		for _, m := range all[seen:] {
			parsed, err := mail.ReadMessage(bytes.NewReader(m.Content))
			if err != nil {
				t.Error(err)
				continue
			}
			id, _, _ := strings.Cut(strings.TrimPrefix(parsed.Header.Get("Message-ID"), "<"), "@")
			got.note(id, arrival{at: time.Now(), ended: time.Now()})
		}
		if seen = len(all); last {
			return
		}
		select {
		case <-stop:
			last = true
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func messagesByJob(t *testing.T, o *office) map[string]int {
	t.Helper()
	all, err := o.Client.OperatorMessage.Query().All(principal.System(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, m := range all {
		if m.JobID != nil {
			count[*m.JobID]++
		}
	}
	return count
}

func quantiles(d []time.Duration) string {
	if len(d) == 0 {
		return "none"
	}
	slices.Sort(d)
	at := func(q float64) time.Duration { return d[int(q*float64(len(d)-1))].Round(time.Millisecond) }
	return fmt.Sprintf("%d jobs, p50 %v, p99 %v, max %v", len(d), at(.5), at(.99), at(1))
}

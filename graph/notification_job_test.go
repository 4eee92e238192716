package graph_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Before its job has started, another time and another source go to the same job.
func TestBeforeTheStartTheSameJobIsChanged(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		first := d.set(time.Hour)
		other := d.messageSource(`name: "other", messageTemplate: "by the other"`)

		d.pass(time.Hour - time.Microsecond)
		d.work()
		d.wantStatus(first.Job.ID, "SCHEDULED")
		earlier := into[keyNotification](t, d.trySet(start.Add(2*time.Hour), d.source), "setApiKeyNotification", "notification")
		if earlier.Job.ID != first.Job.ID || !earlier.Job.ScheduledFor.Equal(start.Add(2*time.Hour)) || earlier.Job.AlertSource.ID != d.source {
			t.Errorf("another time: %+v", earlier)
		}
		sourced := into[keyNotification](t, d.trySet(start.Add(2*time.Hour), other), "setApiKeyNotification", "notification")
		if sourced.Job.ID != first.Job.ID || sourced.AlertSource.ID != other || sourced.Job.AlertSource.ID != other || len(sourced.PreviousJobs) != 0 {
			t.Errorf("another source: %+v", sourced)
		}
		d.pass(time.Hour)
		d.work()
		if m := d.messages(d.admin); len(m) != 0 {
			t.Errorf("too early: %+v", m)
		}
		d.pass(time.Microsecond)
		d.work()
		if m := d.messages(d.admin); len(m) != 1 || m[0].Text != "by the other" || m[0].Job.ID != first.Job.ID {
			t.Errorf("%+v", m)
		}
		if j := d.job(first.Job.ID); j.Status != "COMPLETED" || j.Attempts != 1 || !j.StartedAt.Equal(d.clock()) || !j.FinishedAt.Equal(d.clock()) || j.LastError != nil {
			t.Errorf("%+v", j)
		}
	})
}

// After it was completed another job is made, and the first is a previous one.
func TestAfterTheStartAnotherJobIsMade(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		var jobs []string
		for range 3 {
			n := d.set(time.Hour)
			for i, j := range n.PreviousJobs {
				if j.ID != jobs[i] || j.Status != "COMPLETED" {
					t.Errorf("previous job %d: %+v", i, j)
				}
			}
			if len(n.PreviousJobs) != len(jobs) || n.Job.Status != "SCHEDULED" || strings.Contains(fmt.Sprint(jobs), n.Job.ID) {
				t.Errorf("%v, then %+v", jobs, n)
			}
			jobs = append(jobs, n.Job.ID)
			d.pass(time.Hour)
			d.work()
		}
		m := d.messages(d.admin)
		if len(m) != 3 || m[0].Job.ID != jobs[2] || m[1].Job.ID != jobs[1] || m[2].Job.ID != jobs[0] {
			t.Errorf("%v raised %+v", jobs, m)
		}
	})
}

// receiver answers webhooks with whatever status it holds.
func receiver(t *testing.T, status int32) (url string, answer *atomic.Int32, received *atomic.Int32) {
	answer, received = &atomic.Int32{}, &atomic.Int32{}
	answer.Store(status)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		received.Add(1)
		w.WriteHeader(int(answer.Load()))
	}))
	t.Cleanup(server.Close)
	return server.URL, answer, received
}

// A job that failed and waits for its next attempt has started: whoever changes the notification gets
// another, and the old one runs on to its end with the source it had.
func TestAJobThatWaitsForARetryRunsOn(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		url, status, received := receiver(t, 503)
		hook, _ := d.webhookSource("hook", url)
		old := into[keyNotification](t, d.trySet(start.Add(time.Hour), hook), "setApiKeyNotification", "notification").Job
		d.pass(time.Hour)
		d.work()
		if j := d.job(old.ID); j.Status != "RUNNING" || j.Attempts != 1 || j.LastError == nil || *j.LastError != "the receiver answered 503" || j.FinishedAt != nil {
			t.Fatalf("%+v", j)
		}
		n := d.set(time.Hour)
		if n.Job.ID == old.ID || len(n.PreviousJobs) != 1 || n.PreviousJobs[0].ID != old.ID || n.PreviousJobs[0].Status != "RUNNING" {
			t.Fatalf("%+v", n)
		}
		if p := n.PreviousJobs[0]; p.AlertSource.ID != hook || !p.ScheduledFor.Equal(old.ScheduledFor) {
			t.Errorf("what has started is left as it is: %+v", p)
		}
		status.Store(204)
		d.pass(10 * time.Second)
		d.work()
		if j := d.job(old.ID); j.Status != "COMPLETED" || j.Attempts != 2 || j.LastError != nil || received.Load() != 2 {
			t.Errorf("%d received: %+v", received.Load(), j)
		}
		d.wantStatus(n.Job.ID, "SCHEDULED")
		d.pass(time.Hour)
		d.work()
		d.wantStatus(n.Job.ID, "COMPLETED")
		if m := d.messages(d.admin); len(m) != 1 || received.Load() != 2 {
			t.Errorf("%d received, %+v", received.Load(), m)
		}
	})
}

const cancelNotification = `cancelApiKeyNotification(input: {apiKeyId: %q}) { apiKey { notification { id } } notification { id } warnings ` + refusals + ` }`

// Whoever cancels by the key cancels a job that has not started; the notification is gone, the job
// remains to be seen.
func TestCancellingByTheKey(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		n := d.set(time.Hour)
		a := d.do(`mutation { `+cancelNotification+` }`, d.key)
		if a.at(t, "cancelApiKeyNotification", "notification") != nil || a.at(t, "cancelApiKeyNotification", "apiKey", "notification") != nil {
			t.Error(a.text)
		}
		if j := d.job(n.Job.ID); j == nil || j.Status != "CANCELED" || !j.FinishedAt.Equal(d.clock()) || j.StartedAt != nil || j.AlertSource.ID != d.source {
			t.Errorf("%+v", j)
		}
		d.do(`mutation { `+cancelNotification+` }`, d.key) // again: nothing to do
		d.pass(2 * time.Hour)
		d.work()
		if m := d.messages(d.admin); len(m) != 0 {
			t.Errorf("%+v", m)
		}
		if again := d.set(time.Hour); again.ID == n.ID || again.Job.ID == n.Job.ID || len(again.PreviousJobs) != 0 {
			t.Errorf("%+v", again)
		}
	})
}

// A job that runs when the notification is cancelled, by the key or by the job, finishes.
func TestCancellingWhatRuns(t *testing.T) {
	for name, cancel := range map[string]string{
		"key": cancelNotification,
		"job": `cancelAlertJob(input: {id: %q}) { alertJob { id status } apiKey { notification { id } } ` + refusals + ` }`,
	} {
		t.Run(name, func(t *testing.T) {
			eachDesk(t, func(t *testing.T, d *desk) {
				url, status, _ := receiver(t, 500)
				hook, _ := d.webhookSource("hook", url)
				n := into[keyNotification](t, d.trySet(start.Add(time.Hour), hook), "setApiKeyNotification", "notification")
				d.pass(time.Hour)
				d.work()
				named := d.key
				if name == "job" {
					named = n.Job.ID
				}
				d.do(`mutation { `+cancel+` }`, named)
				if n := d.notification(); n != nil {
					t.Errorf("%+v", n)
				}
				d.wantStatus(n.Job.ID, "RUNNING")
				status.Store(200)
				d.pass(10 * time.Second)
				d.work()
				d.wantStatus(n.Job.ID, "COMPLETED")
			})
		})
	}
}

const (
	cancelJob = `cancelAlertJob(input: {id: %q}) { alertJob { id status } apiKey { id notification { id } } ` + refusals + ` }`
	deleteJob = `deleteAlertJob(input: {id: %q}) { deletedAlertJobId apiKey { id notification { id } } ` + refusals + ` }`
)

// Whoever cancels or deletes the job cancels the notification.
func TestCancellingOrDeletingTheJob(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		n := d.set(time.Hour)
		a := d.do(`mutation { `+cancelJob+` }`, n.Job.ID)
		if a.str(t, "cancelAlertJob", "alertJob", "status") != "CANCELED" || a.str(t, "cancelAlertJob", "apiKey", "id") != d.key || a.at(t, "cancelAlertJob", "apiKey", "notification") != nil {
			t.Error(a.text)
		}
		wantRefused(t, d.ask(d.admin, fmt.Sprintf(`mutation { `+cancelJob+` }`, n.Job.ID), nil), "cancelAlertJob", "alert_jobs.finished", "id")

		n = d.set(time.Hour)
		a = d.do(`mutation { `+deleteJob+` }`, n.Job.ID)
		if a.str(t, "deleteAlertJob", "deletedAlertJobId") != n.Job.ID || a.str(t, "deleteAlertJob", "apiKey", "id") != d.key || a.at(t, "deleteAlertJob", "apiKey", "notification") != nil {
			t.Error(a.text)
		}
		if j := d.job(n.Job.ID); j != nil {
			t.Errorf("%+v", j)
		}
		wantRefused(t, d.ask(d.admin, fmt.Sprintf(`mutation { `+deleteJob+` }`, n.Job.ID), nil), "deleteAlertJob", "not_found", "id")
		d.pass(time.Hour)
		d.work()
		if m := d.messages(d.admin); len(m) != 0 || d.notification() != nil {
			t.Errorf("%+v", m)
		}

		n = d.set(time.Hour)
		d.pass(time.Hour)
		d.work()
		d.do(`mutation { `+deleteJob+` }`, n.Job.ID) // one that is over
		m := d.messages(d.admin)
		if len(m) != 1 || m[0].Job != nil || d.notification() != nil {
			t.Errorf("the message outlives its job: %+v", m)
		}
	})
}

// A previous job may go, and the notification stays; one that runs can be neither deleted nor cancelled.
func TestPreviousJobsAndTheNotification(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		url, _, _ := receiver(t, 500)
		hook, _ := d.webhookSource("hook", url)
		completed := d.set(time.Hour).Job.ID
		d.pass(time.Hour)
		d.work()
		running := into[keyNotification](t, d.trySet(d.clock().Add(time.Hour), hook), "setApiKeyNotification", "notification").Job.ID
		d.pass(time.Hour)
		d.work()
		wantRefused(t, d.ask(d.admin, fmt.Sprintf(`mutation { `+deleteJob+` }`, running), nil), "deleteAlertJob", "alert_jobs.running", "id")
		if n := d.notification(); n == nil || n.Job.ID != running {
			t.Fatalf("a refused deletion changes nothing: %+v", n)
		}
		now := d.set(time.Hour)
		if len(now.PreviousJobs) != 2 {
			t.Fatalf("%+v", now)
		}

		wantRefused(t, d.ask(d.admin, fmt.Sprintf(`mutation { `+cancelJob+` }`, completed), nil), "cancelAlertJob", "alert_jobs.finished", "id")
		wantRefused(t, d.ask(d.admin, fmt.Sprintf(`mutation { `+cancelJob+` }`, running), nil), "cancelAlertJob", "alert_jobs.running", "id")
		wantRefused(t, d.ask(d.admin, fmt.Sprintf(`mutation { `+deleteJob+` }`, running), nil), "deleteAlertJob", "alert_jobs.running", "id")
		a := d.do(`mutation { `+deleteJob+` }`, completed)
		if a.str(t, "deleteAlertJob", "apiKey", "notification", "id") != now.ID {
			t.Error(a.text)
		}
		if n := d.notification(); n == nil || n.ID != now.ID || n.Job != now.Job || len(n.PreviousJobs) != 1 || n.PreviousJobs[0].ID != running {
			t.Errorf("%+v", n)
		}
	})
}

package graph_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Each attempt of a job is a line in the log, with what came of it.
func TestAttemptsOfJobsAreLogged(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		url, status, _ := receiver(t, 503)
		source, _ := d.webhookSource("hook", url)
		id := into[keyNotification](t, d.trySet(start.Add(time.Hour), source), "setApiKeyNotification", "notification").Job.ID
		d.pass(time.Hour)
		d.work()
		status.Store(204)
		d.pass(10 * time.Second)
		d.work()
		var got []string
		for line := range strings.Lines(d.log.String()) {
			var l struct {
				Msg, Job, Kind, Key, Outcome string
				Attempt                      int
				Duration                     *int64 `json:"duration_us"`
			}
			if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "job" && l.Job == id && l.Key == d.key && l.Duration != nil {
				got = append(got, l.Outcome)
			}
		}
		if strings.Join(got, " ") != "retried completed" {
			t.Errorf("got %v in %s", got, d.log.String())
		}
	})
}

// Package job holds the rules of work that is done later: the states of a job, and when one that
// failed is tried again. It touches no storage.
package job

import (
	"math/rand/v2"
	"time"
)

// Status of a job. Values are those of the GraphQL enum AlertJobStatus.
type Status string

const (
	Scheduled Status = "SCHEDULED" // not begun; may still be changed or cancelled
	Running   Status = "RUNNING"   // begun; also while it waits for its next attempt
	Completed Status = "COMPLETED"
	Error     Status = "ERROR" // given up
	Canceled  Status = "CANCELED"
)

// Kind says what a job does.
type Kind string

const (
	// Alert raises the alert of a key's notification. Its name is what callers see as processName.
	Alert Kind = "System_Alert_Send"
	// Mail sends an operator message by e-mail to the people it concerns.
	Mail Kind = "mail"
	// Webhook tells the rotation webhook of a key what happened to the key.
	Webhook Kind = "webhook"
)

// Lease is how long a replica may work at one attempt. A job that is not finished by then is taken
// for one whose replica died, and another takes it up.
const Lease = 30 * time.Second

// retries are the pauses between attempts, as Standard Webhooks recommends them: three days in all.
var retries = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// MaxAttempts is how often a job is tried at most.
var MaxAttempts = len(retries) + 1

// NextAttempt is when a job is tried again after its attempts-th attempt failed at now, spread by up
// to a tenth so that what failed together does not come again together; ok is false when it is
// given up.
func NextAttempt(now time.Time, attempts int) (next time.Time, ok bool) {
	if attempts >= MaxAttempts {
		return time.Time{}, false
	}
	pause := retries[max(attempts, 1)-1]
	return now.Add(pause + rand.N(pause/10)), true
}

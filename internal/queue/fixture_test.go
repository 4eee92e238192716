package queue_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
	"github.com/keytag/keytag/internal/typeid"
)

var start = time.Date(2026, 8, 31, 10, 0, 0, 0, time.UTC)

// line is a queue with a key that its jobs are about.
type line struct {
	*store.Store
	t   testing.TB
	url string
	key *db.APIKey
}

func each(t *testing.T, fn func(t *testing.T, l *line)) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Migrated(t, dialect)
		l := &line{Store: storetest.Connect(t, url), t: t, url: url}
		clock := func() time.Time { return start }
		authority := keys.New(l.Store, clock, telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json"))
		must(t, directory.New(l.Store, authority, clock).Bootstrap(t.Context(), func(secret.Secret) error { return nil }))
		var err error
		l.key, err = l.Client.APIKey.Query().Only(principal.System(t.Context()))
		must(t, err)
		fn(t, l)
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%T: %v", err, err)
	}
}

func (l *line) write(do func(tx *store.Tx) error) {
	l.t.Helper()
	must(l.t, l.Write(l.t.Context(), func(_ context.Context, tx *store.Tx) error { return do(tx) }))
}

// add adds a job that is due at an instant, and answers its id.
func (l *line) add(at time.Time, lane string) (id string) {
	l.t.Helper()
	l.write(func(tx *store.Tx) (err error) {
		id, err = queue.Add(l.t.Context(), tx, start, queue.Job{Kind: job.Alert, Key: l.key, Lane: lane, At: at})
		return err
	})
	return id
}

// take is Take of at most limit jobs, with four of a lane.
func (l *line) take(now time.Time, limit int) []*db.Job {
	l.t.Helper()
	taken, err := queue.Take(l.t.Context(), l.Store, now, limit, 4, nil)
	must(l.t, err)
	return taken
}

// takeOne is take for a queue in which one job is due.
func (l *line) takeOne(now time.Time) *db.Job {
	l.t.Helper()
	taken := l.take(now, 32)
	if len(taken) != 1 {
		l.t.Fatalf("%d jobs are taken, want 1", len(taken))
	}
	return taken[0]
}

func (l *line) get(id string) *db.Job {
	l.t.Helper()
	row, err := l.Client.Job.Get(principal.System(l.t.Context()), id)
	must(l.t, err)
	return row
}

// same fails if a job is not as it was.
func (l *line) same(before *db.Job, what string) {
	l.t.Helper()
	if after := l.get(before.ID); after.String() != before.String() {
		l.t.Errorf("%s changes the job:\n%v\n%v", what, before, after)
	}
}

func ids(jobs []*db.Job) []string {
	list := make([]string, len(jobs))
	for i, row := range jobs {
		list[i] = row.ID
	}
	return list
}

func equal(t testing.TB, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// sideBySide runs fn n times at once.
func sideBySide(n int, fn func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { fn(i) })
	}
	all.Wait()
}

// source is the id of a new alert source.
func (l *line) source() string {
	l.t.Helper()
	id := typeid.New(typeid.AlertSource, start)
	l.write(func(tx *store.Tx) error {
		return tx.AlertSource.Create().SetID(id).SetOrganizationID(l.key.OrganizationID).SetKind("OPERATOR_MESSAGE").SetName(id).
			SetCreatedAt(start).SetUpdatedAt(start).Exec(principal.System(l.t.Context()))
	})
	return id
}

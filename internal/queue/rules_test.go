package queue_test

import (
	stdsql "database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/job"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// pauses between attempts, of Standard Webhooks.
var pauses = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

func TestRetries(t *testing.T) {
	each(t, func(t *testing.T, l *line) {
		id := l.add(start, "")
		now := start
		for attempt, pause := range pauses {
			taken := l.takeOne(now)
			failed := now.Add(20 * time.Second)
			l.write(func(tx *store.Tx) error {
				again, err := queue.Retry(t.Context(), tx, failed, taken, "down")
				if !again {
					t.Errorf("no attempt after the %d.", attempt+1)
				}
				return err
			})
			row := l.get(id)
			if wait := row.RunAt.Sub(failed); wait < pause || wait >= pause+pause/10 {
				t.Errorf("after attempt %d it waits %v, want %v and at most a tenth more", attempt+1, wait, pause)
			}
			if row.Status != job.Running || row.Attempts != attempt+1 || row.LastError == nil || *row.LastError != "down" || row.FinishedAt != nil || !row.StartedAt.Equal(start) || !row.ScheduledFor.Equal(start) {
				t.Errorf("after attempt %d: %v", attempt+1, row)
			}
			if taken := l.take(row.RunAt.Add(-time.Microsecond), 1); len(taken) != 0 {
				t.Fatalf("attempt %d comes early", attempt+2)
			}
			now = row.RunAt
		}
		last := l.takeOne(now)
		before := l.get(id)
		l.write(func(tx *store.Tx) error {
			again, err := queue.Retry(t.Context(), tx, now, last, "down")
			if again {
				t.Error("an attempt after the last")
			}
			return err
		})
		l.same(before, "a retry that there is not")
		l.write(func(tx *store.Tx) error {
			ours, err := queue.GiveUp(t.Context(), tx, now, last, "down for days")
			if !ours {
				t.Error("not given up")
			}
			return err
		})
		if row := l.get(id); row.Status != job.Error || row.Attempts != len(pauses)+1 || *row.LastError != "down for days" || !row.FinishedAt.Equal(now) {
			t.Errorf("given up: %v", row)
		}
	})
}

func TestWhatFailedTogetherComesApart(t *testing.T) {
	for attempt, pause := range pauses {
		waits := map[time.Duration]bool{}
		for range 100 {
			next, ok := job.NextAttempt(start, attempt+1)
			wait := next.Sub(start)
			if !ok || wait < pause || wait >= pause+pause/10 {
				t.Fatalf("after attempt %d: %v %v", attempt+1, wait, ok)
			}
			waits[wait] = true
		}
		if len(waits) < 90 {
			t.Errorf("after attempt %d: of 100 only %d come apart", attempt+1, len(waits))
		}
	}
	if _, ok := job.NextAttempt(start, job.MaxAttempts); ok || job.MaxAttempts != len(pauses)+1 {
		t.Errorf("%d attempts, want %d", job.MaxAttempts, len(pauses)+1)
	}
}

func TestDue(t *testing.T) {
	each(t, func(t *testing.T, l *line) {
		due := func(now time.Time) bool {
			t.Helper()
			due, err := queue.Due(t.Context(), l.Store, now)
			must(t, err)
			return due
		}
		if due(start) {
			t.Error("due without jobs")
		}
		l.add(start, "")
		if due(start.Add(-time.Microsecond)) || !due(start) {
			t.Error("not due at its instant")
		}
		taken := l.takeOne(start)
		if due(start.Add(job.Lease-time.Microsecond)) || !due(start.Add(job.Lease)) {
			t.Error("not due when its lease has run out")
		}
		l.write(func(tx *store.Tx) error { _, err := queue.Done(t.Context(), tx, start, taken); return err })
		if due(start.Add(time.Hour)) {
			t.Error("due when it is over")
		}
	})
}

func TestTidyDeletesWhatIsOldAndNotShown(t *testing.T) {
	each(t, func(t *testing.T, l *line) {
		const day = 24 * time.Hour
		finish := func(id string, at time.Time) string {
			l.write(func(tx *store.Tx) error {
				_, err := queue.Cancel(t.Context(), tx, at, id)
				return err
			})
			return id
		}
		var old []string
		for range 5 {
			old = append(old, finish(l.add(start, ""), start))
		}
		fresh := finish(l.add(start, ""), start.Add(time.Microsecond))
		scheduled := l.add(start, "")
		shown := finish(l.add(start, ""), start)
		source := l.source()
		l.write(func(tx *store.Tx) error {
			return tx.Notification.Create().SetID(typeid.New(typeid.Notification, start)).
				SetOrganizationID(l.key.OrganizationID).SetOwnerID(l.key.OwnerID).SetFamilyID(l.key.FamilyID).SetKeyID(l.key.ID).
				SetNotifyAt(start).SetAlertSourceID(source).SetJobID(shown).SetCreatedAt(start).SetUpdatedAt(start).
				Exec(principal.System(t.Context()))
		})
		tidy := func(now time.Time, limit, want int) {
			t.Helper()
			n, err := queue.Tidy(t.Context(), l.Store, now, limit)
			must(t, err)
			if n != want {
				t.Errorf("%d are deleted, want %d", n, want)
			}
		}
		tidy(start.Add(90*day), 10, 0)
		now := start.Add(90*day + time.Microsecond)
		tidy(now, 3, 3)
		tidy(now, 3, 2)
		tidy(now, 3, 0)
		left, err := l.Client.Job.Query().IDs(principal.System(t.Context()))
		must(t, err)
		if len(left) != 3 {
			t.Errorf("%v are left of %v; want %s, %s, %s", left, old, fresh, scheduled, shown)
		}
		for _, id := range []string{fresh, scheduled, shown} {
			l.get(id)
		}
	})
}

// What is due is found through the index jobs_due, however many jobs are over or yet to come.
func TestDueJobsAreFoundByTheirIndex(t *testing.T) {
	each(t, func(t *testing.T, l *line) {
		l.write(func(tx *store.Tx) error {
			for n := range 8 {
				var many []*db.JobCreate
				for i := range 500 {
					at := start.Add(time.Duration(i-400*(n%2)) * time.Hour)
					create := tx.Job.Create().SetID(typeid.New(typeid.AlertJob, start)).
						SetOrganizationID(l.key.OrganizationID).SetOwnerID(l.key.OwnerID).SetFamilyID(l.key.FamilyID).SetKeyID(l.key.ID).
						SetKind(job.Alert).SetStatus(job.Scheduled).SetLane(fmt.Sprint(i % 7)).SetScheduledFor(at).SetRunAt(at).SetCreatedAt(start)
					if n > 0 {
						create.SetStatus(job.Completed).SetFinishedAt(at)
					}
					many = append(many, create)
				}
				if err := tx.Job.CreateBulk(many...).Exec(principal.System(t.Context())); err != nil {
					return err
				}
			}
			return nil
		})
		driver, address, explain := "postgres", l.url, "EXPLAIN "
		if l.Dialect() == dialect.SQLite {
			driver, address, explain = "sqlite", strings.TrimPrefix(l.url, "sqlite://"), "EXPLAIN QUERY PLAN "
		}
		raw, err := stdsql.Open(driver, address)
		must(t, err)
		defer raw.Close()
		_, err = raw.Exec("ANALYZE")
		must(t, err)
		for name, lanes := range map[string][]string{"all lanes": nil, "without some": {"1", "2"}} {
			var selector *sql.Selector
			_, err := queue.DueJobs(l.Client, start.Add(time.Hour), lanes, nil).Where(func(s *sql.Selector) { selector = s }).Limit(32).All(principal.System(t.Context()))
			must(t, err)
			selector.SetTotal(0) // count the parameters anew
			query, args := selector.Query()
			plan := planOf(t, raw, explain+query, args)
			if !strings.Contains(plan, "jobs_due") || strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "Sort") || strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("%s: %s\n%s", name, query, plan)
			}
		}
	})
}

func planOf(t *testing.T, raw *stdsql.DB, query string, args []any) string {
	t.Helper()
	rows, err := raw.Query(query, args...)
	must(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	must(t, err)
	var plan strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		must(t, rows.Scan(values...))
		for _, v := range values {
			switch v := (*v.(*any)).(type) {
			case []byte:
				fmt.Fprintf(&plan, "%s ", v)
			default:
				fmt.Fprintf(&plan, "%v ", v)
			}
		}
		plan.WriteString("\n")
	}
	must(t, rows.Err())
	return plan.String()
}

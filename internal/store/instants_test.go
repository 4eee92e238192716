package store_test

import (
	"context"
	"database/sql"
	"slices"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/user"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

var (
	east = time.FixedZone("+05:30", 5*3600+1800)
	west = time.FixedZone("-08:00", -8*3600)
)

// writeUsers writes one user per instant: u_a, u_b, …, with it as disabled_at.
func writeUsers(t *testing.T, s *store.Store, instants ...*time.Time) {
	t.Helper()
	err := s.Write(system(t), func(ctx context.Context, tx *store.Tx) error {
		if err := addOrganization(ctx, tx, "org_1", "one"); err != nil {
			return err
		}
		for i, at := range instants {
			if err := addUser(ctx, tx, "u_"+string(rune('a'+i))).SetNillableDisabledAt(at).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestInstantsComeBackInUTCTruncatedToMicroseconds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		// PostgreSQL by itself would round the last digits up, into the next year.
		late := time.Date(2025, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
		given := []time.Time{late, late.In(east), noon, time.UnixMicro(1), time.UnixMicro(-1),
			time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)}
		var pointers []*time.Time
		for i := range given {
			pointers = append(pointers, &given[i])
		}
		writeUsers(t, s, append(pointers, nil)...)
		users, err := s.Client.User.Query().Order(user.ByID()).All(system(t))
		if err != nil {
			t.Fatal(err)
		}
		for i, at := range given {
			want, got := at.UTC().Truncate(time.Microsecond), users[i].DisabledAt
			if got == nil || !got.Equal(want) || got.Location() != time.UTC {
				t.Errorf("%v came back as %v, want %v", at, got, want)
			}
		}
		if got := users[len(given)].DisabledAt; got != nil {
			t.Errorf("NULL came back as %v", got)
		}
	})
}

func TestInstantsCompareAndOrderByTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		before, after := noon.Add(-time.Microsecond), noon.Add(time.Microsecond)
		// Written in zones whose local texts order differently from the instants.
		a, b, c := after.In(west), noon.In(east), before
		writeUsers(t, s, &a, &b, &c, nil)

		ordered, err := s.Client.User.Query().Where(user.DisabledAtNotNil()).Order(user.ByDisabledAt()).IDs(system(t))
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"u_c", "u_b", "u_a"}; !slices.Equal(ordered, want) {
			t.Errorf("ordered %v, want %v", ordered, want)
		}
		for _, zone := range []*time.Location{time.UTC, east, west} {
			bound := noon.In(zone)
			for name, query := range map[string]struct {
				where func(*db.UserQuery) *db.UserQuery
				want  []string
			}{
				"<":       {func(q *db.UserQuery) *db.UserQuery { return q.Where(user.DisabledAtLT(bound)) }, []string{"u_c"}},
				"<=":      {func(q *db.UserQuery) *db.UserQuery { return q.Where(user.DisabledAtLTE(bound)) }, []string{"u_b", "u_c"}},
				"=":       {func(q *db.UserQuery) *db.UserQuery { return q.Where(user.DisabledAtEQ(bound)) }, []string{"u_b"}},
				">":       {func(q *db.UserQuery) *db.UserQuery { return q.Where(user.DisabledAtGT(bound)) }, []string{"u_a"}},
				"> in ns": {func(q *db.UserQuery) *db.UserQuery { return q.Where(user.DisabledAtGT(bound.Add(999))) }, []string{"u_a"}},
				"in":      {func(q *db.UserQuery) *db.UserQuery { return q.Where(user.DisabledAtIn(bound, after)) }, []string{"u_a", "u_b"}},
				"null":    {func(q *db.UserQuery) *db.UserQuery { return q.Where(user.DisabledAtIsNil()) }, []string{"u_d"}},
			} {
				got, err := query.where(s.Client.User.Query()).Order(user.ByID()).IDs(system(t))
				if err != nil || !slices.Equal(got, query.want) {
					t.Errorf("disabled_at %s noon in %v: %v, want %v (%v)", name, zone, got, query.want, err)
				}
			}
		}
	})
}

// Every form in which Go carries an instant into a statement is normalised.
func TestInstantsAsRawArguments(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		writeUsers(t, s, &noon)
		precise := noon.Add(999 * time.Nanosecond).In(west)
		var unset *time.Time
		for _, c := range []struct {
			arg  any
			want int
		}{
			{precise, 1}, {&precise, 1}, {sql.NullTime{Time: precise, Valid: true}, 1},
			{&sql.NullTime{Time: precise, Valid: true}, 1}, {unset, 0}, {sql.NullTime{}, 0},
		} {
			rows, err := s.Client.QueryContext(system(t), "SELECT count(*) FROM users WHERE disabled_at = $1", c.arg)
			if err != nil {
				t.Fatal(err)
			}
			var got int
			rows.Next()
			if err := rows.Scan(&got); err != nil || got != c.want {
				t.Errorf("%T %v matches %d rows, want %d (%v)", c.arg, c.arg, got, c.want, err)
			}
			rows.Close()
		}
	})
}

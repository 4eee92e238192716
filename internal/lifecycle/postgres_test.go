package lifecycle_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/store/storetest"
)

// Calendar periods are those of PostgreSQL's own interval arithmetic in UTC.
func TestPeriodsAreThoseOfPostgres(t *testing.T) {
	const n = 100_000
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	instants, periods, want := make([]string, n), make([]string, n), make([]time.Time, n)
	for i := range n {
		at := time.UnixMicro(random.Int64N(4_000_000_000_000_000)).UTC() // to the year 2096
		if random.IntN(3) == 0 {                                         // the ends of months are where calendars differ
			at = time.Date(at.Year(), at.Month()+1, -random.IntN(3), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC)
		}
		p, err := lifecycle.ParsePeriod(fmt.Sprintf("P%dY%dM%dW%dDT%dH%dM%d.%06dS",
			random.IntN(3), random.IntN(40), random.IntN(9), random.IntN(70), random.IntN(50), random.IntN(90), random.IntN(90), random.IntN(1_000_000)))
		if err != nil {
			t.Fatal(err)
		}
		instants[i], periods[i], want[i] = at.Format(time.RFC3339Nano), p.String(), p.From(at)
	}
	s := storetest.Open(t, "postgres")
	rows, err := s.Client.QueryContext(t.Context(), `SELECT at::timestamptz + period::interval
		FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS pairs(at, period, position) ORDER BY position`,
		pq.Array(instants), pq.Array(periods))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	i := 0
	for ; rows.Next(); i++ {
		var got time.Time
		if err := rows.Scan(&got); err != nil {
			t.Fatal(err)
		}
		if !got.Equal(want[i]) {
			t.Fatalf("%s + %s: PostgreSQL %s, here %s", instants[i], periods[i], got.UTC(), want[i])
		}
	}
	if err := rows.Err(); err != nil || i != n {
		t.Fatalf("%d of %d compared: %v", i, n, err)
	}
}

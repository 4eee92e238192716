package main

import (
	"testing"
	"time"

	"github.com/keytag/keytag/internal/benchdata"
	"github.com/keytag/keytag/internal/benchdata/rig"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/store/storetest"
)

// The measurement believes no server: it compares every live key with the policy.
func TestKeysThatEndLateAreFound(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, name string) {
		url := storetest.Migrated(t, name)
		const seed = 1 // its organization ends keys by disuse
		if err := rig.Fill(t.Context(), url, benchdata.Options{Keys: 500, Organizations: 1, Seed: seed, Now: time.Now()}); err != nil {
			t.Fatal(err)
		}
		opened, err := rig.Open(url)
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		d := &database{opened}
		late := func(life, disuse string) (late, live int) {
			t.Helper()
			late, live, err := d.late(t.Context(), lifecycle.MustPeriod(life), lifecycle.MustPeriod(disuse))
			if err != nil {
				t.Fatal(err)
			}
			return late, live
		}
		if n, live := late("P10Y", "P10Y"); n != 0 || live < 300 {
			t.Errorf("%d of %d keys end later than a policy looser than theirs says", n, live)
		}
		if n, live := late("P1D", "P10Y"); n != live {
			t.Errorf("%d of %d keys end later than their first day", n, live)
		}
		if n, live := late("P10Y", "PT1M"); n != live {
			t.Errorf("%d of %d keys end later than a minute after their last use", n, live)
		}
		if f, err := d.facts(t.Context()); err != nil || f.keys != 501 {
			t.Errorf("%v, %v", f, err)
		}
	})
}

package keys_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/store"
)

func TestATightenedPolicyReachesEveryKey(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const n = 2500 // more than two batches
		w.bulk(n, func(i int, c *db.APIKeyCreate) {
			c.SetExpiresAt(latest).SetInactivityExpiresAt(start.Add(90 * 24 * time.Hour))
			if i%2 == 0 {
				c.SetLastUsedAt(start.Add(time.Hour))
			}
		})
		w.pass(2 * time.Hour)
		admin := w.as(w.admin)
		policy, err := w.directory.UpdatePolicy(admin, directory.UpdatePolicyInput{
			MaxExpirationPeriod:         omit(period("P1D")),
			NotAccessedExpirationPeriod: omit(period("PT90M")),
		})
		must(t, err)
		if policy.MaxExpirationPeriod.String() != "P1D" || len(policy.Sources) != 2 {
			t.Errorf("%+v", policy)
		}
		rows, err := w.store.Client.APIKey.Query().Where(apikey.Name("bulk")).All(w.system())
		must(t, err)
		for _, k := range rows {
			inactive := w.clock() // recomputed: 11:30, which is over; so now
			if k.LastUsedAt != nil {
				inactive = start.Add(150 * time.Minute)
			}
			if !k.ExpiresAt.Equal(start.Add(24*time.Hour)) || !k.InactivityExpiresAt.Equal(inactive) {
				t.Fatalf("expires %s, inactive %s, want %s", k.ExpiresAt, k.InactivityExpiresAt, inactive)
			}
		}
		left, err := w.store.Client.PolicySweep.Query().Count(w.system())
		must(t, err)
		if left != 0 {
			t.Errorf("%d sweeps left", left)
		}
		fresh, text := w.issue(admin, keys.CreateInput{})
		if !fresh.ExpiresAt.Equal(w.clock().Add(24*time.Hour)) || !fresh.InactivityExpiresAt.Equal(w.clock().Add(90*time.Minute)) {
			t.Errorf("a new key: %s, %s", fresh.ExpiresAt, fresh.InactivityExpiresAt)
		}
		// Loosening applies from the next use.
		_, err = w.directory.UpdatePolicy(admin, directory.UpdatePolicyInput{NotAccessedExpirationPeriod: omit[*lifecycle.Period](nil)})
		must(t, err)
		found, err := w.Key(admin, fresh.ID)
		must(t, err)
		if found.InactivityExpiresAt == nil {
			t.Error("loosened before it was used")
		}
		if key := w.ViewerKey(w.as(text)); key.InactivityExpiresAt != nil {
			t.Errorf("after its use: %s", key.InactivityExpiresAt)
		}
	})
}

func TestAnInterruptedSweepGoesOn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.bulk(1500, func(_ int, c *db.APIKeyCreate) { c.SetExpiresAt(latest) })
		admin := w.as(w.admin)
		ctx, cancel := context.WithCancel(admin)
		organization := w.Viewer(admin).OrganizationID
		must(t, w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
			if err := tx.Organization.UpdateOneID(organization).SetMaxExpirationPeriod(*period("P1D")).Exec(ctx); err != nil {
				return err
			}
			_, err := keys.BeginSweep(ctx, tx, start, organization, nil, false)
			return err
		}))
		cancel()
		if err := w.ResumeSweeps(ctx); err == nil {
			t.Error("a sweep without a request went on")
		}
		// Two replicas finish it together.
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				if err := w.ResumeSweeps(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		late, err := w.store.Client.APIKey.Query().Where(apikey.ExpiresAtGT(start.Add(24 * time.Hour))).Count(w.system())
		must(t, err)
		if late != 0 {
			t.Errorf("%d keys still end later", late)
		}
	})
}

func TestProjectsAreStricter(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		update := func(in directory.UpdatePolicyInput) error {
			in.ProjectID = &w.project
			_, err := w.directory.UpdatePolicy(admin, in)
			return err
		}
		if code(t, update(directory.UpdatePolicyInput{MaxExpirationPeriod: omit(period("P7M"))})) != "input.invalid" {
			t.Error("a project was made looser")
		}
		if code(t, update(directory.UpdatePolicyInput{DefaultGracePeriod: omit(period("P8D"))})) != "input.invalid" {
			t.Error("a default above the maximum")
		}
		if code(t, update(directory.UpdatePolicyInput{MaxExpirationPeriod: omit(period("PT0S"))})) == "" {
			t.Error("no life at all")
		}
		must(t, update(directory.UpdatePolicyInput{MaxExpirationPeriod: omit(period("P1M")), MaxGracePeriod: omit(period("PT10M"))}))
		_, err := w.directory.UpdatePolicy(admin, directory.UpdatePolicyInput{MaxExpirationPeriod: omit(period("P2W"))})
		must(t, err)
		key, _ := w.issue(admin, keys.CreateInput{})
		if !key.ExpiresAt.Equal(start.AddDate(0, 0, 14)) {
			t.Errorf("the earlier end counts, not %s", key.ExpiresAt)
		}
		r, err := w.Rotate(admin, keys.RotateInput{ID: key.ID})
		must(t, err)
		if !r.GraceExpiresAt.Equal(start.Add(10 * time.Minute)) {
			t.Errorf("the default is capped: %s", r.GraceExpiresAt)
		}
	})
}

// A use and a sweep that meet: the key never ends before its last use and the period.
func TestSweepsAndUses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		texts := make([]string, 30)
		for i := range texts {
			_, texts[i] = w.issue(admin, keys.CreateInput{})
		}
		w.pass(time.Hour)
		var group sync.WaitGroup
		group.Go(func() {
			for _, p := range []string{"P2M", "P1M", "P10D", "P9D", "P8D"} {
				if _, err := w.directory.UpdatePolicy(admin, directory.UpdatePolicyInput{NotAccessedExpirationPeriod: omit(period(p))}); err != nil {
					t.Error(err)
				}
			}
		})
		for _, text := range texts {
			group.Go(func() {
				if _, err := w.Authenticate(t.Context(), text, keys.Use{}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, text := range texts {
			key := w.ViewerKey(w.as(text))
			if want := key.LastUsedAt.Add(8 * 24 * time.Hour); !key.InactivityExpiresAt.Equal(want) {
				t.Errorf("last used %s, inactive %s", key.LastUsedAt, key.InactivityExpiresAt)
			}
		}
	})
}

func TestDowntimeIsNotInactivity(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		must(t, w.Start(t.Context()))
		admin := w.as(w.admin)
		end := start.Add(3 * time.Minute)
		alive, _ := w.issue(admin, keys.CreateInput{})
		dead, _ := w.issue(admin, keys.CreateInput{ExpiresAt: &end})
		w.pass(5 * time.Minute)
		must(t, w.Start(t.Context())) // five minutes are no downtime
		at := func(id string) time.Time {
			t.Helper()
			row, err := w.store.Client.APIKey.Get(w.system(), id)
			must(t, err)
			return *row.InactivityExpiresAt
		}
		if !at(alive.ID).Equal(*alive.InactivityExpiresAt) {
			t.Errorf("moved to %s", at(alive.ID))
		}
		gap := 5*time.Minute + tick
		w.pass(gap)
		_, errs := race(func(int) (struct{}, error) { return struct{}{}, w.Start(t.Context()) })
		for _, err := range errs {
			must(t, err)
		}
		if !at(alive.ID).Equal(alive.InactivityExpiresAt.Add(gap)) || !at(dead.ID).Equal(*dead.InactivityExpiresAt) {
			t.Errorf("alive %s, dead %s", at(alive.ID), at(dead.ID))
		}
	})
}

// What a downtime added to the life of a key, a change of policy does not take away; a use does.
func TestSweepsRespectDowntime(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		must(t, w.Start(t.Context()))
		admin := w.as(w.admin)
		key, text := w.issue(admin, keys.CreateInput{})
		end := func() time.Time {
			t.Helper()
			row, err := w.store.Client.APIKey.Get(w.system(), key.ID)
			must(t, err)
			return *row.InactivityExpiresAt
		}
		const gap = 60 * 24 * time.Hour
		w.pass(gap)
		must(t, w.Start(t.Context()))
		want := key.InactivityExpiresAt.Add(gap)
		if !end().Equal(want) {
			t.Fatalf("after the downtime: %s, want %s", end(), want)
		}
		admin = w.as(w.admin)
		_, err := w.directory.UpdatePolicy(admin, directory.UpdatePolicyInput{NotAccessedExpirationPeriod: omit(period("P2M"))})
		must(t, err)
		if want := period("P2M").From(start.Add(gap)); !end().Equal(want) {
			t.Errorf("after the change: %s, want %s", end(), want)
		}
		must(t, w.Start(t.Context())) // no further downtime
		w.as(text)
		if want := period("P2M").From(w.clock()); !end().Equal(want) {
			t.Errorf("after a use: %s, want %s", end(), want)
		}
		_, err = w.directory.UpdatePolicy(admin, directory.UpdatePolicyInput{NotAccessedExpirationPeriod: omit(period("P1M"))})
		must(t, err)
		if want := period("P1M").From(w.clock()); !end().Equal(want) {
			t.Errorf("the downtime is forgotten once used: %s, want %s", end(), want)
		}
	})
}

func TestDisuseIsLongerThanUsesAreApart(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		for text, ok := range map[string]bool{"PT4M59.999999S": false, "PT1S": false, "PT0S": false, "PT5M": true} {
			_, err := w.directory.UpdatePolicy(admin, directory.UpdatePolicyInput{NotAccessedExpirationPeriod: omit(period(text))})
			if ok {
				must(t, err)
			} else if e := userError[*fault.InputError](t, err); e.Fields[0] != "notAccessedExpirationPeriod" {
				t.Errorf("%s: %+v", text, e)
			}
		}
	})
}

package benchdata_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/benchdata"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store/storetest"
)

func live(k *benchdata.Key) bool {
	return k.State.Status() == lifecycle.Active || k.State.Status() == lifecycle.Suspended
}

// end is the effective one.
func end(k *benchdata.Key) time.Time {
	return *lifecycle.Evaluate(lifecycle.Instants{
		CreatedAt:           k.Created,
		ExpiresAt:           optional(k.Expires),
		InactivityExpiresAt: optional(k.InactivityExpires),
	}, now).EffectiveExpiresAt
}

func TestRotationsAndNotificationsAreToCome(t *testing.T) {
	keys, _ := collect(t, benchdata.Options{Keys: 40_000, Seed: 11, Now: now})
	unrotated, due, overdue, notified := 0, 0, 0, 0
	for _, k := range keys {
		if live(k) {
			unrotated++
		} else if !k.NextRotation.IsZero() || !k.NotifyAt.IsZero() {
			t.Fatalf("key %d, %s, is rotated at %s and has a notification for %s", k.Index, k.State, k.NextRotation, k.NotifyAt)
		}
		if at := k.NextRotation; !at.IsZero() {
			due++
			interval := at.Sub(k.Created)
			if interval%(24*time.Hour) != 0 || interval <= 0 || !at.Before(k.Expires) || at.Before(now.Add(-time.Hour)) {
				t.Fatalf("key %d, created at %s, is rotated at %s", k.Index, k.Created, at)
			}
			if !at.After(now) {
				overdue++
			}
		}
		if at := k.NotifyAt; !at.IsZero() {
			notified++
			if !at.After(now) || !at.Before(end(k)) {
				t.Fatalf("key %d, which ends at %s, has a notification for %s", k.Index, end(k), at)
			}
		}
	}
	if share := float64(due) / float64(unrotated); share < 0.08 || share > 0.12 || overdue < due/200 || overdue > due/10 {
		t.Errorf("of %d live keys %d are to be rotated, %d of them by now", unrotated, due, overdue)
	}
	if share := float64(notified) / float64(unrotated); share < 0.015 || share > 0.025 {
		t.Errorf("of %d live keys %d have notifications", unrotated, notified)
	}
}

func TestPendingKeysReplaceLiveOnes(t *testing.T) {
	for _, o := range []benchdata.Options{
		{Keys: 1_000, Seed: 1, Now: now}, {Keys: 1_000, Seed: 2, Now: now}, {Keys: 40_000, Seed: 12, Now: now},
		{Keys: 1_000, Organizations: 1, Seed: 3, Now: now},
	} {
		keys, adminKeys := collect(t, o)
		byID := map[string]*benchdata.Key{}
		for _, k := range keys {
			byID[k.ID] = k
		}
		largest, inLargest := adminKeys[len(adminKeys)-1].ProjectID, 0
		for _, k := range keys {
			if k.State != benchdata.Pending {
				continue
			}
			if k.ProjectID == largest {
				inLargest++
			}
			old := byID[k.ReplacesID]
			if old == nil || old.State.Status() != lifecycle.Active || old.ReplacedByID != "" || !old.NextRotation.IsZero() ||
				old.FamilyID != k.FamilyID || old.Generation+1 != k.Generation {
				t.Errorf("%+v is to replace %+v", k, old)
			}
			if k.Pending != k.Created || !k.InactivityExpires.IsZero() {
				t.Errorf("key %d, created at %s, is pending since %s and ends unused at %s", k.Index, k.Created, k.Pending, k.InactivityExpires)
			}
		}
		if inLargest == 0 {
			t.Errorf("of %d keys none in the largest project is pending", o.Keys)
		}
	}
}

// What the rows beside those of the keys have to agree on; each query answers what is wrong.
var disagreements = map[string]string{
	"notifications with their jobs, keys and sources": `
		SELECT n.id FROM notifications n
			JOIN api_keys k ON k.id = n.key_id JOIN jobs j ON j.id = n.job_id JOIN alert_sources s ON s.id = n.alert_source_id
		WHERE NOT (j.kind = 'System_Alert_Send' AND j.status = 'SCHEDULED' AND j.key_id = k.id AND j.alert_source_id = s.id
			AND j.notification_id = n.id AND j.scheduled_for = n.notify_at AND j.run_at = n.notify_at AND j.owner_id = k.owner_id
			AND n.owner_id = k.owner_id AND n.family_id = k.family_id AND s.kind = 'OPERATOR_MESSAGE' AND s.enabled
			AND n.organization_id = k.organization_id AND s.organization_id = k.organization_id)`,
	"deliveries with their jobs, keys and schedules": `
		SELECT r.id FROM rotations r
			JOIN api_keys o ON o.id = r.old_key_id JOIN api_keys k ON k.id = r.new_key_id JOIN jobs j ON j.id = r.job_id
			LEFT JOIN rotation_schedules s ON s.id = o.family_id
		WHERE s.id IS NULL OR NOT (r.automatic AND r.status = 'DELIVERING' AND k.replaces_id = o.id AND k.pending_since = r.created_at
			AND k.created_by_id IS NULL AND o.replaced_by_id IS NULL AND r.family_id = k.family_id AND s.delivery = 'INLINE'
			AND j.kind = 'webhook' AND j.event = 'api_key.rotated' AND j.key_id = o.id AND j.rotation_id = r.id AND j.lane = 'hooks.example.com')`,
	"pending keys with deliveries": `
		SELECT id FROM api_keys WHERE pending_since IS NOT NULL AND id NOT IN (SELECT new_key_id FROM rotations)`,
	"jobs with what they are for": `
		SELECT id FROM jobs WHERE id NOT IN (SELECT job_id FROM notifications) AND id NOT IN (SELECT job_id FROM rotations)`,
	"keys to be rotated with schedules": `
		SELECT k.id FROM api_keys k LEFT JOIN rotation_schedules s ON s.family_id = k.family_id
		WHERE k.next_rotation_at IS NOT NULL
			AND (s.id IS NULL OR s.interval_days IS NULL OR s.delivery <> 'CLAIM' OR s.organization_id <> k.organization_id)`,
	"schedules with families": `
		SELECT s.id FROM rotation_schedules s JOIN key_families f ON f.id = s.family_id
		WHERE NOT (s.id = f.id AND s.owner_id = f.owner_id AND s.organization_id = f.organization_id
			AND s.webhook_url LIKE 'https://hooks.example.com/%')`,
}

func TestRowsBesideTheKeysAgree(t *testing.T) {
	o := benchdata.Options{Keys: 4_000, Seed: 13, Now: now}
	made, adminKeys := collect(t, o)
	pending, notified, families := 0, 0, map[string]bool{}
	for _, k := range made {
		families[k.FamilyID] = true
		if k.State == benchdata.Pending {
			pending++
		}
		if !k.NotifyAt.IsZero() {
			notified++
		}
	}
	storetest.EachDialect(t, func(t *testing.T, name string) {
		url := storetest.Migrated(t, name)
		load(t, url, o)
		for what, statement := range disagreements {
			for _, id := range lines(t, url, statement) {
				t.Errorf("%s: %s", what, id)
			}
		}
		for table, want := range map[string]int{
			"notifications": notified, "rotations": pending, "jobs": notified + pending, "alert_sources": len(adminKeys),
		} {
			if n := lines(t, url, "SELECT count(*) FROM "+table); n[0] != fmt.Sprint(want) || want == 0 {
				t.Errorf("%s %s, not %d", n[0], table, want)
			}
		}
		scheduled := len(lines(t, url, "SELECT id FROM rotation_schedules"))
		if share := float64(scheduled) / float64(len(families)); share < 0.08 || share > 0.12 {
			t.Errorf("%d schedules of %d families", scheduled, len(families))
		}
	})
}

// The server goes on from the rows as from its own.
func TestTheServerGoesOn(t *testing.T) {
	o := benchdata.Options{Keys: 2_000, Seed: 14, Now: now}
	made, _ := collect(t, o)
	storetest.EachDialect(t, func(t *testing.T, name string) {
		url := storetest.Migrated(t, name)
		load(t, url, o)
		s := storetest.Connect(t, url)
		authority := keys.New(s, clock, quiet)
		system := principal.System(t.Context())
		view := func(id string) *keys.View {
			return authority.View(system, s.Client.APIKey.GetX(system, id), now)
		}
		due, delivered := 0, 0
		for _, k := range made {
			if !k.NextRotation.IsZero() && due < 20 {
				due++
				key := view(k.ID)
				schedules, err := authority.SchedulesOf(system, []string{key.FamilyID})
				if err != nil {
					t.Fatal(err)
				}
				if at := k.Created.AddDate(0, 0, *schedules[key.FamilyID].IntervalDays); !at.Equal(k.NextRotation) || !key.NextRotationAt.Equal(at) {
					t.Errorf("key %d is rotated at %s, by its schedule at %s", k.Index, k.NextRotation, at)
				}
			}
			if k.State != benchdata.Pending {
				continue
			}
			delivered++
			// Whoever presents the secret has got it, also when its owner may not use keys.
			if _, err := authority.Authenticate(t.Context(), benchdata.KeyText(o.Seed, k.Index), keys.Use{IP: netip.MustParseAddr("10.1.2.3")}); err != nil {
				t.Logf("key %d: %v", k.Index, err)
			}
			if is := view(k.ID).Status(); is != lifecycle.Active {
				t.Errorf("key %d, delivered, is %s", k.Index, is)
			}
			old := view(k.ReplacesID)
			rotations, err := authority.LastRotations(system, []string{old.ID})
			rotation := rotations[old.ID]
			if err != nil || rotation == nil {
				t.Fatalf("no rotation: %v", err)
			}
			if old.Status() != lifecycle.RotatingOut || *old.ReplacedByID != k.ID || rotation.Status() != lifecycle.InGrace {
				t.Errorf("a key whose successor was delivered is %s, the rotation %s", old.Status(), rotation.Status())
			}
		}
		if due == 0 || delivered == 0 {
			t.Errorf("%d keys to be rotated, %d pending", due, delivered)
		}
	})
}

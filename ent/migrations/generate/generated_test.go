package main

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

// never is what the column holds for a key without an end.
var never = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)

// Every combination of ends, set or not and in every order: the column holds the earliest, as
// lifecycle.Evaluate has it, after the insert and after an update.
func TestEffectiveExpiresAtIsTheEarliestEnd(t *testing.T) {
	created := time.Date(2026, 1, 1, 0, 0, 0, 123_456_000, time.UTC)
	choices := []*time.Time{nil}
	for hours := range 3 {
		at := created.Add(time.Duration(hours)*time.Hour + 7*time.Microsecond)
		choices = append(choices, &at)
	}
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := principal.System(t.Context())
		want := map[string]time.Time{}
		if err := s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
			if err := addParents(ctx, tx, created); err != nil {
				return err
			}
			for i := range 4 * 4 * 4 * 4 {
				ends := [4]*time.Time{choices[i%4], choices[i/4%4], choices[i/16%4], choices[i/64]}
				id := "key_" + strconv.Itoa(i)
				want[id] = earliest(created, ends)
				if err := addKey(ctx, tx, id, i+1, created, ends); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		check := func() {
			t.Helper()
			keys, err := s.Client.APIKey.Query().All(ctx)
			if err != nil || len(keys) != len(want) {
				t.Fatalf("%d keys, want %d: %v", len(keys), len(want), err)
			}
			for _, key := range keys {
				if got := key.EffectiveExpiresAt; got == nil || !got.Equal(want[key.ID]) {
					t.Errorf("%s: %v, want %v", key.ID, got, want[key.ID])
				}
			}
		}
		check()

		revoked := created.Add(-time.Hour)
		if err := s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
			return tx.APIKey.Update().SetRevokedAt(revoked).Exec(ctx)
		}); err != nil {
			t.Fatal(err)
		}
		for id := range want {
			want[id] = revoked
		}
		check()
		n, err := s.Client.APIKey.Query().Where(apikey.EffectiveExpiresAtLTE(revoked)).Count(ctx)
		if err != nil || n != len(want) {
			t.Errorf("%d keys found by the column, want %d: %v", n, len(want), err)
		}
	})
}

func earliest(created time.Time, ends [4]*time.Time) time.Time {
	state := lifecycle.Evaluate(lifecycle.Instants{CreatedAt: created, ExpiresAt: ends[0],
		InactivityExpiresAt: ends[1], GraceExpiresAt: ends[2], RevokedAt: ends[3]}, created)
	if state.EffectiveExpiresAt == nil {
		return never
	}
	return *state.EffectiveExpiresAt
}

func addParents(ctx context.Context, tx *store.Tx, at time.Time) error {
	return errors.Join(
		tx.Organization.Create().SetID("org_1").SetName("one").SetCreatedAt(at).Exec(ctx),
		tx.Project.Create().SetID("prj_1").SetOrganizationID("org_1").SetName("default").
			SetScopeCatalogue(nil).SetCreatedAt(at).SetUpdatedAt(at).Exec(ctx),
		tx.User.Create().SetID("usr_1").SetOrganizationID("org_1").SetLogin("ann").SetDisplayName("Ann").
			SetKind(principal.Human).SetRole(principal.Admin).SetTimeZone("UTC").SetMayUseAPIKeys(true).
			SetCreatedAt(at).SetUpdatedAt(at).Exec(ctx),
		tx.KeyFamily.Create().SetID("fam_1").SetOrganizationID("org_1").SetOwnerID("usr_1").SetDescription("d").Exec(ctx),
	)
}

func addKey(ctx context.Context, tx *store.Tx, id string, generation int, created time.Time, ends [4]*time.Time) error {
	return newKey(tx, id, generation, created).SetNillableExpiresAt(ends[0]).SetNillableInactivityExpiresAt(ends[1]).
		SetNillableGraceExpiresAt(ends[2]).SetNillableRevokedAt(ends[3]).Exec(ctx)
}

func newKey(tx *store.Tx, id string, generation int, created time.Time) *db.APIKeyCreate {
	return tx.APIKey.Create().SetID(id).SetOrganizationID("org_1").SetProjectID("prj_1").SetOwnerID("usr_1").
		SetName(id).SetDescription("d").SetScopes([]string{}).SetAllowedIps([]string{}).SetKeyPrefix("ktg_" + id).SetDigest([]byte(id)).
		SetFamilyID("fam_1").SetGeneration(generation).SetCreatedAt(created).SetUpdatedAt(created)
}

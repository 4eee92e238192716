package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

func TestViolatesTellsWhichRule(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ctx := system(t)
		family := func(id, owner, description string) error {
			return s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
				return tx.KeyFamily.Create().SetID(id).SetOrganizationID("org_1").
					SetOwnerID(owner).SetDescription(description).Exec(ctx)
			})
		}
		organization := func(id, name string) error {
			return s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
				return addOrganization(ctx, tx, id, name)
			})
		}
		if err := errors.Join(family("fam_1", "usr_1", "deploy"), organization("org_1", "one")); err != nil {
			t.Fatal(err)
		}
		rules := map[string]func(error) bool{
			"family": func(err error) bool { return store.Violates(err, "key_families", "owner_id", "description") },
			"id":     func(err error) bool { return store.Violates(err, "key_families", "id") },
			"name":   func(err error) bool { return store.Violates(err, "organizations", "name") },
			"none":   func(err error) bool { return store.Violates(err, "key_families", "description") },
			"table":  func(err error) bool { return store.Violates(err, "nonsense", "name") },
		}
		for want, err := range map[string]error{
			"family": family("fam_2", "usr_1", "deploy"),
			"id":     family("fam_1", "usr_1", "another"),
			"name":   fmt.Errorf("wrapped: %w", organization("org_2", "one")),
			"":       family("fam_3", "usr_2", "deploy"),
		} {
			for name, holds := range rules {
				if holds(err) != (name == want) {
					t.Errorf("%v: rule %s is %t", err, name, holds(err))
				}
			}
		}
	})
}

func TestIsNotFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		_, err := s.Client.Organization.Get(system(t), "org_none")
		if !store.IsNotFound(err) || store.IsNotFound(nil) || store.IsNotFound(errors.New("x")) {
			t.Error(err)
		}
	})
}

package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/organization"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// system is a context in which row rules bind nobody.
func system(t testing.TB) context.Context {
	return principal.System(t.Context())
}

// addOrganization writes one organization, whose id and name are given.
func addOrganization(ctx context.Context, tx *store.Tx, id, name string) error {
	return tx.Organization.Create().SetID(id).SetName(name).SetCreatedAt(noon).Exec(ctx)
}

// addEvent writes one audit event and makes it the witness of the transaction.
func addEvent(ctx context.Context, tx *store.Tx, id string) error {
	tx.Witness(id)
	return tx.AuditEvent.Create().SetID(id).SetOrganizationID("org_1").SetAt(noon).
		SetAction("organization.created").SetSubjectID("org_1").Exec(ctx)
}

// organizations counts those with the given name.
func organizations(t *testing.T, s *store.Store, name string) int {
	t.Helper()
	n, err := s.Client.Organization.Query().Where(organization.Name(name)).Count(system(t))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func addUser(ctx context.Context, tx *store.Tx, id string) *db.UserCreate {
	return tx.User.Create().SetID(id).SetOrganizationID("org_1").SetLogin(id).SetDisplayName(id).
		SetKind(principal.Human).SetRole(principal.Member).SetTimeZone("UTC").SetMayUseAPIKeys(true).
		SetCreatedAt(noon).SetUpdatedAt(noon)
}

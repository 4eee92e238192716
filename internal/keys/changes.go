package keys

import (
	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/change"
)

// recorded are the fields of a key that the audit trail follows.
var recorded = []change.Recorded[db.APIKey]{
	{Name: "name", Value: func(k *db.APIKey) *string { return &k.Name }},
	{Name: "description", Value: func(k *db.APIKey) *string { return &k.Description }},
	{Name: "projectId", Value: func(k *db.APIKey) *string { return &k.ProjectID }},
	{Name: "environmentId", Value: func(k *db.APIKey) *string { return k.EnvironmentID }},
	{Name: "ownerId", Value: func(k *db.APIKey) *string { return &k.OwnerID }},
	{Name: "scopes", Value: func(k *db.APIKey) *string { return change.List(k.Scopes) }},
	{Name: "allowedIps", Value: func(k *db.APIKey) *string { return change.List(k.AllowedIps) }},
	{Name: "expiresAt", Value: func(k *db.APIKey) *string { return change.Instant(k.ExpiresAt) }},
	{Name: "graceExpiresAt", Value: func(k *db.APIKey) *string { return change.Instant(k.GraceExpiresAt) }},
	{Name: "nextRotationAt", Value: func(k *db.APIKey) *string { return change.Instant(k.NextRotationAt) }},
	{Name: "suspendedAt", Value: func(k *db.APIKey) *string { return change.Instant(k.SuspendedAt) }},
	{Name: "suspendedByAdmin", Value: func(k *db.APIKey) *string {
		if k.SuspendedAt == nil {
			return nil
		}
		return change.Text(k.SuspendedByAdmin)
	}},
	{Name: "revokedAt", Value: func(k *db.APIKey) *string { return change.Instant(k.RevokedAt) }},
	{Name: "removedAt", Value: func(k *db.APIKey) *string { return change.Instant(k.RemovedAt) }},
	{Name: "replacedById", Value: func(k *db.APIKey) *string { return k.ReplacedByID }},
}

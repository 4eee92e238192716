// Package schema declares the tables, one file each. `make generate` turns it into ent/db, and
// `make migration name=…` into the next versioned migration of both databases.
package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/field"

	"github.com/keytag/keytag/internal/lifecycle"
)

// id is a TypeID made by the operation that creates the row; its order is the order of creation.
func id() ent.Field {
	return field.String("id").NotEmpty().Immutable()
}

// organizationID bounds every row to one organization; ent/policy compares it with the caller's.
func organizationID() ent.Field {
	return field.String("organization_id").NotEmpty().Immutable()
}

// createdAt has no default: every instant of an operation is the operation's one `now`.
func createdAt() ent.Field {
	return field.Time("created_at").Immutable()
}

// instant is a time that may be unset.
func instant(name string) ent.Field {
	return field.Time(name).Optional().Nillable()
}

// policyValues are what a level, organization or project, says about the life of keys; an unset value is
// that of the level above, in the end the built-in one.
func policyValues() []ent.Field {
	period := func(name string) ent.Field {
		return field.String(name).GoType(lifecycle.Period{}).
			Optional().Nillable()
	}
	return []ent.Field{
		period("max_expiration_period"),
		period("not_accessed_expiration_period"),
		period("default_grace_period"),
		period("max_grace_period"),
		field.JSON("reminder_lead_times", []lifecycle.Period{}).Optional().
			Comment("null: not set here; an empty list tells nobody"),
	}
}

// aboutKey begins a row that is visible to whoever sees the key it is about.
func aboutKey() []ent.Field {
	return []ent.Field{
		id(),
		organizationID(),
		field.String("owner_id").NotEmpty().Immutable(),
		field.String("family_id").NotEmpty().Immutable(),
	}
}

// webhookSecrets are the secrets that sign what is sent to a webhook, encrypted; the previous one signs
// along until its end.
func webhookSecrets() []ent.Field {
	return []ent.Field{
		field.String("webhook_secret").Optional().Nillable().Sensitive(),
		field.String("previous_webhook_secret").Optional().Nillable().Sensitive(),
		instant("previous_secret_until"),
	}
}

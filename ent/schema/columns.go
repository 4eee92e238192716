// Package schema declares the tables, one file each. `make generate` turns it into ent/db, and
// `make migration name=…` into the next versioned migration of both databases.
package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/field"
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

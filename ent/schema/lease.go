package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/field"

	"github.com/keytag/keytag/ent/policy"
)

// Lease is a replica that answers from memory, with the epoch up to which it has forgotten
// (internal/epoch).
type Lease struct{ ent.Schema }

func (Lease) Fields() []ent.Field {
	return []ent.Field{
		field.String("id").Immutable(),
		field.Int64("seen"),
	}
}

func (Lease) Policy() ent.Policy { return policy.ServerOnly }

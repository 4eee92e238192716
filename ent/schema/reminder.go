package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/keytag/keytag/ent/policy"
)

// Reminder notes that the owner of a key was told, a lead time before an end of the key.
type Reminder struct{ ent.Schema }

func (Reminder) Fields() []ent.Field {
	return []ent.Field{
		id(),
		organizationID(),
		field.String("key_id").NotEmpty().Immutable(),
		field.String("lead").NotEmpty().Immutable(),
		field.Time("ends_at").Immutable(),
		createdAt(),
	}
}

func (Reminder) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("api_key", APIKey.Type).Unique().Required().Immutable().Field("key_id"),
	}
}

func (Reminder) Indexes() []ent.Index {
	return []ent.Index{index.Fields("key_id", "ends_at", "lead").Unique()}
}

func (Reminder) Policy() ent.Policy { return policy.ServerOnly }

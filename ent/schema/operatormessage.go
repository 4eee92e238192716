package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/keytag/keytag/ent/policy"
)

// OperatorMessage tells the owner of a key and the administrators something, and asks for a reply.
type OperatorMessage struct{ ent.Schema }

func (OperatorMessage) Fields() []ent.Field {
	return append(aboutKey(),
		field.String("key_id").NotEmpty().Immutable(),
		field.String("job_id").Optional().Nillable().Unique().Immutable().
			Comment("the job that raised it; one raises one, however often it is tried"),
		field.String("subject").NotEmpty().Immutable(),
		field.String("text").NotEmpty().Immutable(),
		field.Strings("replies").Immutable(),
		field.String("reply").Optional().Nillable(),
		field.String("replied_by_id").Optional().Nillable(),
		instant("replied_at"),
		createdAt(),
	)
}

func (OperatorMessage) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("api_key", APIKey.Type).Unique().Required().Immutable().Field("key_id"),
	}
}

func (OperatorMessage) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("organization_id", "id"),
		index.Fields("owner_id", "id"),
		index.Fields("organization_id", "replied_at", "id"),
	}
}

func (OperatorMessage) Policy() ent.Policy { return policy.OperatorMessages }

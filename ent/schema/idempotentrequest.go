package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/keytag/keytag/ent/policy"
)

// IdempotentRequest remembers which key a create or rotate with an idempotencyKey made, so that a
// retry after a lost reply finds it. The caller is its rotation family.
type IdempotentRequest struct{ ent.Schema }

func (IdempotentRequest) Fields() []ent.Field {
	return []ent.Field{
		id(),
		organizationID(),
		field.String("caller_family_id").NotEmpty().Immutable(),
		field.String("idempotency_key").NotEmpty().Immutable(),
		field.Bytes("input_digest").Immutable().
			Comment("SHA-256 of the operation and its input"),
		field.String("key_id").NotEmpty().Immutable(),
		createdAt(),
	}
}

func (IdempotentRequest) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("key", APIKey.Type).Unique().Required().Immutable().Field("key_id"),
	}
}

func (IdempotentRequest) Indexes() []ent.Index {
	return []ent.Index{index.Fields("caller_family_id", "idempotency_key").Unique()}
}

func (IdempotentRequest) Policy() ent.Policy { return policy.IdempotentRequests }

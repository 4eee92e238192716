package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/keytag/keytag/ent/policy"
	"github.com/keytag/keytag/internal/lifecycle"
)

// Rotation is the replacement of one key by another, by hand or by schedule, from its announcement on.
type Rotation struct{ ent.Schema }

func (Rotation) Fields() []ent.Field {
	return append(aboutKey(),
		field.String("old_key_id").NotEmpty().Immutable(),
		field.String("new_key_id").Optional().Nillable(),
		field.Bool("automatic").Immutable(),
		field.String("status").GoType(lifecycle.RotationStatus("")),
		field.String("job_id").Optional().Nillable().
			Comment("the delivery of its webhook"),
		field.String("sealed_secret").Optional().Nillable().Sensitive().
			Comment("the successor's secret, encrypted, until it is handed over"),
		instant("claim_until"),
		field.String("last_error").Optional().Nillable(),
		createdAt(),
		field.Time("claimed_at").Optional().Nillable().
			Comment("when its own key completed it: that key may fetch a lost reply by the claim token"),
	)
}

func (Rotation) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("old_key", APIKey.Type).Unique().Required().Immutable().Field("old_key_id"),
		edge.To("new_key", APIKey.Type).Unique().Field("new_key_id").Annotations(keep),
		edge.To("job", Job.Type).Unique().Field("job_id").Annotations(keep),
	}
}

func (Rotation) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("old_key_id", "id"),
		index.Fields("new_key_id"),
		index.Fields("job_id"),
		index.Fields("claim_until").
			Annotations(entsql.IndexWhere("claim_until IS NOT NULL")).StorageKey("rotations_unclaimed"),
	}
}

func (Rotation) Policy() ent.Policy { return policy.KeyRows }

package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"

	"github.com/keytag/keytag/ent/policy"
	"github.com/keytag/keytag/internal/lifecycle"
)

// RotationSchedule says how a rotation line goes on. It belongs to the family, so that every successor
// takes it over; its id is the family's. When the next rotation falls due stands on the key.
type RotationSchedule struct{ ent.Schema }

func (RotationSchedule) Fields() []ent.Field {
	return append([]ent.Field{
		id(),
		organizationID(),
		field.String("owner_id").NotEmpty().Immutable(),
		field.String("family_id").NotEmpty().Unique().Immutable(),
		field.Int("interval_days").Optional().Nillable().Positive(),
		field.String("grace_period").GoType(lifecycle.Period{}).Optional().Nillable(),
		field.String("delivery").GoType(lifecycle.RotationDelivery("")),
		field.String("webhook_url").Optional().Nillable(),
		instant("stalled_since"),
		createdAt(),
		field.Time("updated_at"),
	}, webhookSecrets()...)
}

func (RotationSchedule) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("family", KeyFamily.Type).Unique().Required().Immutable().Field("family_id"),
	}
}

func (RotationSchedule) Policy() ent.Policy { return policy.KeyRows }

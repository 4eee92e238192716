package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/field"

	"github.com/keytag/keytag/ent/policy"
)

// Organization is the wall between tenants: nothing in one is visible from another.
type Organization struct{ ent.Schema }

func (Organization) Fields() []ent.Field {
	return append([]ent.Field{
		id(),
		field.String("name").NotEmpty().Unique(),
		field.Bool("not_accessed_off").Default(false).
			Comment("the rule of expiry by disuse is switched off"),
		createdAt(),
	}, policyValues()...)
}

func (Organization) Policy() ent.Policy { return policy.Organizations }

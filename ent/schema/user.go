package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/keytag/keytag/ent/policy"
	"github.com/keytag/keytag/internal/principal"
)

// User is a person or a program that owns keys; a key acts as its owner.
type User struct{ ent.Schema }

func (User) Fields() []ent.Field {
	return []ent.Field{
		id(),
		organizationID(),
		field.String("login").NotEmpty(),
		field.String("display_name").NotEmpty(),
		field.String("email").Optional().Nillable(),
		field.String("kind").GoType(principal.Kind("")),
		field.String("role").GoType(principal.Role("")),
		field.String("time_zone").NotEmpty(),
		field.Bool("may_use_api_keys"),
		instant("disabled_at"),
		createdAt(),
		field.Time("updated_at"),
	}
}

func (User) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("organization", Organization.Type).Unique().Required().Immutable().Field("organization_id"),
	}
}

func (User) Indexes() []ent.Index {
	return []ent.Index{index.Fields("organization_id", "login").Unique()}
}

func (User) Policy() ent.Policy { return policy.Users }

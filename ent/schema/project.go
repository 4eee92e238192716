package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/keytag/keytag/ent/policy"
	"github.com/keytag/keytag/internal/catalogue"
)

// Project groups keys; its catalogue bounds the scopes they may hold.
type Project struct{ ent.Schema }

func (Project) Fields() []ent.Field {
	return append([]ent.Field{
		id(),
		organizationID(),
		field.String("name").NotEmpty(),
		field.JSON("scope_catalogue", []catalogue.Definition{}),
		createdAt(),
		field.Time("updated_at"),
	}, policyValues()...)
}

func (Project) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("organization", Organization.Type).Unique().Required().Immutable().Field("organization_id"),
		edge.From("environments", Environment.Type).Ref("project"),
	}
}

func (Project) Indexes() []ent.Index {
	return []ent.Index{index.Fields("organization_id", "name").Unique()}
}

func (Project) Policy() ent.Policy { return policy.Projects }

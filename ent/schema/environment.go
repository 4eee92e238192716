package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/keytag/keytag/ent/policy"
)

// Environment is a place inside a project, such as `live` or `test`, that keys may be bound to.
type Environment struct{ ent.Schema }

func (Environment) Fields() []ent.Field {
	return []ent.Field{
		id(),
		organizationID(),
		field.String("project_id").NotEmpty().Immutable(),
		field.String("name").NotEmpty(),
		createdAt(),
	}
}

func (Environment) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("project", Project.Type).Unique().Required().Immutable().Field("project_id"),
	}
}

func (Environment) Indexes() []ent.Index {
	return []ent.Index{index.Fields("project_id", "name").Unique()}
}

func (Environment) Policy() ent.Policy { return policy.Environments }

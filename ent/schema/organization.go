package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/field"

	"github.com/keytag/keytag/ent/policy"
)

// Organization is the wall between tenants: nothing in one is visible from another.
type Organization struct{ ent.Schema }

func (Organization) Fields() []ent.Field {
	return []ent.Field{
		id(),
		field.String("name").NotEmpty().Unique(),
		createdAt(),
	}
}

func (Organization) Policy() ent.Policy { return policy.Organizations }

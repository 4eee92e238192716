package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/keytag/keytag/ent/policy"
)

// PolicySweep is a changed policy on its way through the keys it binds. The row goes when it has
// reached the last.
type PolicySweep struct{ ent.Schema }

func (PolicySweep) Fields() []ent.Field {
	return []ent.Field{
		id(),
		organizationID(),
		field.String("project_id").Optional().Nillable().Immutable(),
		field.String("cursor").Default("").
			Comment("id of the last key done"),
		field.Bool("reminders").Optional().Immutable().
			Comment("the lead times of reminders have changed: every key is to be looked at"),
		createdAt(),
	}
}

func (PolicySweep) Indexes() []ent.Index {
	return []ent.Index{index.Fields("organization_id")}
}

func (PolicySweep) Policy() ent.Policy { return policy.ServerOnly }

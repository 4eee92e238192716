package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	entschema "entgo.io/ent/schema"
	"entgo.io/ent/schema/field"

	"github.com/keytag/keytag/ent/policy"
)

// Epoch is one row, whose value every change of what replicas remember raises (internal/epoch).
type Epoch struct{ ent.Schema }

func (Epoch) Fields() []ent.Field {
	return []ent.Field{
		field.Int("id").Positive(),
		field.Int64("value"),
	}
}

func (Epoch) Annotations() []entschema.Annotation {
	return []entschema.Annotation{entsql.Annotation{Table: "epochs"}}
}

func (Epoch) Policy() ent.Policy { return policy.ServerOnly }

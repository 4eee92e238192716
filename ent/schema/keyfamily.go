package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/keytag/keytag/ent/policy"
)

// KeyFamily is one rotation line: a key and its successors, which share one description.
type KeyFamily struct{ ent.Schema }

func (KeyFamily) Fields() []ent.Field {
	return []ent.Field{
		id(),
		organizationID(),
		field.String("owner_id").NotEmpty().Immutable(),
		field.String("description").NotEmpty().
			Comment("normalised: trimmed, NFC, runs of white space as one space"),
		instant("freed_at"),
	}
}

func (KeyFamily) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("owner_id", "description").Unique().
			Annotations(entsql.IndexWhere("freed_at IS NULL")),
	}
}

func (KeyFamily) Policy() ent.Policy { return policy.KeyFamilies }

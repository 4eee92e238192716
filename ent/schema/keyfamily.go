package schema

import (
	"entgo.io/ent"
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
	}
}

func (KeyFamily) Indexes() []ent.Index {
	return []ent.Index{index.Fields("owner_id", "description").Unique()}
}

func (KeyFamily) Policy() ent.Policy { return policy.KeyFamilies }

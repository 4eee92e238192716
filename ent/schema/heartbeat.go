package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/field"

	"github.com/keytag/keytag/ent/policy"
)

// Heartbeat is one row that tells when any replica last lived, so that the time nobody did does not
// count as disuse.
type Heartbeat struct{ ent.Schema }

func (Heartbeat) Fields() []ent.Field {
	return []ent.Field{
		field.Int("id").Positive(),
		field.Time("beat_at"),
	}
}

func (Heartbeat) Policy() ent.Policy { return policy.ServerOnly }

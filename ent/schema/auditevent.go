package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/keytag/keytag/ent/policy"
	"github.com/keytag/keytag/internal/change"
)

// AuditEvent tells who changed what; written in the transaction of the change, never altered. It
// refers by id alone, so that it outlives what it tells of.
type AuditEvent struct{ ent.Schema }

func (AuditEvent) Fields() []ent.Field {
	return []ent.Field{
		id(),
		organizationID(),
		field.Time("at").Immutable(),
		field.String("action").NotEmpty().Immutable().
			Comment("dotted, past tense: api_key.created"),
		field.String("actor_user_id").Optional().Nillable().Immutable(),
		field.String("actor_key_id").Optional().Nillable().Immutable(),
		field.String("subject_id").NotEmpty().Immutable(),
		field.String("owner_id").Optional().Nillable().Immutable().
			Comment("owner of the key concerned, who may read the event"),
		field.String("ip").Optional().Nillable().Immutable(),
		field.String("user_agent").Optional().Nillable().Immutable(),
		field.String("request_id").Optional().Nillable().Immutable(),
		field.JSON("changes", []change.Field{}).Optional().Immutable(),
		field.String("reason").Optional().Nillable().Immutable(),
	}
}

func (AuditEvent) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("organization_id", "id"),
		index.Fields("subject_id", "id"),
	}
}

func (AuditEvent) Policy() ent.Policy { return policy.AuditEvents }

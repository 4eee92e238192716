package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/keytag/keytag/ent/policy"
)

// AlertSource says what to raise when a notification falls due. Which columns are used depends on the
// kind. The row of one that was deleted stays, for the jobs that used it.
type AlertSource struct{ ent.Schema }

func (AlertSource) Fields() []ent.Field {
	return append([]ent.Field{
		id(),
		organizationID(),
		field.String("kind").NotEmpty().Immutable().
			Comment("OPERATOR_MESSAGE, EMAIL or WEBHOOK"),
		field.String("name").NotEmpty(),
		field.Bool("enabled").Default(true),
		field.String("message_template").Optional(),
		field.Strings("replies").Optional(),
		field.Strings("recipients").Optional(),
		field.String("subject_template").Optional(),
		field.String("body_template").Optional(),
		field.String("url").Optional(),
		createdAt(),
		field.Time("updated_at"),
		instant("deleted_at"),
	}, webhookSecrets()...)
}

func (AlertSource) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("organization_id", "name").Unique().
			Annotations(entsql.IndexWhere("deleted_at IS NULL")),
		index.Fields("organization_id", "id"),
	}
}

func (AlertSource) Policy() ent.Policy { return policy.AlertSources }

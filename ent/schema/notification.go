package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/keytag/keytag/ent/policy"
)

// Notification is the one notification of a key; the row goes when it is cancelled.
type Notification struct{ ent.Schema }

func (Notification) Fields() []ent.Field {
	return append(aboutKey(),
		field.String("key_id").NotEmpty().Unique().Immutable(),
		field.Time("notify_at"),
		field.String("alert_source_id").NotEmpty(),
		field.String("job_id").NotEmpty().
			Comment("the job that will send, or sent, the alert; earlier ones name the notification"),
		createdAt(),
		field.Time("updated_at"),
	)
}

func (Notification) Edges() []ent.Edge {
	return []ent.Edge{
		edge.From("api_key", APIKey.Type).Ref("notification").Unique().Required().Immutable().Field("key_id"),
		edge.To("alert_source", AlertSource.Type).Unique().Required().Field("alert_source_id"),
		edge.To("job", Job.Type).Unique().Required().Field("job_id"),
	}
}

func (Notification) Indexes() []ent.Index {
	return []ent.Index{index.Fields("alert_source_id"), index.Fields("job_id"), index.Fields("organization_id", "key_id")}
}

func (Notification) Policy() ent.Policy { return policy.KeyRows }

package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/keytag/keytag/ent/policy"
	"github.com/keytag/keytag/internal/job"
)

// Job is work to be done later, by whichever replica takes it. It is written in the transaction of
// the change that causes it, refers by ids alone, and holds no secret.
type Job struct{ ent.Schema }

func (Job) Fields() []ent.Field {
	return append(aboutKey(),
		field.String("kind").GoType(job.Kind("")).Immutable(),
		field.String("status").GoType(job.Status("")),
		field.String("key_id").NotEmpty().Immutable(),
		field.String("alert_source_id").Optional().Nillable(),
		field.String("notification_id").Optional().Nillable().
			Comment("the notification that it was made for"),
		field.String("rotation_id").Optional().Nillable().Immutable(),
		field.String("message_id").Optional().Nillable().Immutable().
			Comment("the operator message that it sends by e-mail"),
		field.String("event").Optional().Immutable().
			Comment("what a webhook tells: api_key.rotated"),
		field.String("lane").
			Comment("where it goes: of one place only a few are under way at a time, so that none that is slow holds up the others"),
		field.Time("scheduled_for"),
		field.Time("run_at").
			Comment("when it may be taken: scheduled_for, the next attempt, or the end of a lease"),
		instant("started_at"),
		instant("finished_at"),
		field.Int("attempts").Default(0),
		field.String("last_error").Optional().Nillable(),
		field.Strings("delivered").Optional().
			Comment("recipients of an e-mail who have it, though others have not: a retry leaves them out"),
		createdAt(),
	)
}

func (Job) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("api_key", APIKey.Type).Unique().Required().Immutable().Field("key_id"),
		edge.To("alert_source", AlertSource.Type).Unique().Field("alert_source_id").Annotations(keep),
	}
}

func (Job) Indexes() []ent.Index {
	return []ent.Index{
		// What is due is found from this alone; finished jobs are not in it.
		index.Fields("run_at", "id").
			Annotations(entsql.IndexWhere("finished_at IS NULL")).StorageKey("jobs_due"),
		index.Fields("notification_id", "id"),
		index.Fields("key_id", "id"),
		index.Fields("alert_source_id", "id"),
		index.Fields("finished_at"),
	}
}

func (Job) Policy() ent.Policy { return policy.KeyRows }

package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"

	"github.com/keytag/keytag/ent/policy"
)

// KeyScope is one scope of one key, laid out for finding keys by scope: each index leads with what
// bounds the search, then the scope, then the key id, whose order is the order of creation.
type KeyScope struct{ ent.Schema }

func (KeyScope) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		organizationID(),
		field.String("project_id").NotEmpty().Immutable(),
		field.String("owner_id").NotEmpty().Immutable(),
		field.String("scope").NotEmpty().MaxLen(128).Immutable(),
		field.String("key_id").NotEmpty().Immutable(),
	}
}

func (KeyScope) Edges() []ent.Edge {
	return []ent.Edge{
		edge.To("key", APIKey.Type).Unique().Required().Immutable().Field("key_id"),
	}
}

func (KeyScope) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("key_id", "scope").Unique(),
		index.Fields("organization_id", "scope", "key_id"),
		index.Fields("project_id", "scope", "key_id"),
		index.Fields("owner_id", "scope", "key_id"),
	}
}

func (KeyScope) Policy() ent.Policy { return policy.KeyScopes }

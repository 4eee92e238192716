package graph

import (
	"context"

	"github.com/keytag/keytag/graph/model"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/typeid"
)

const maxNodes = 100

// node finds whatever has this id; nil when there is none that the caller may see.
func node(ctx context.Context, id string) (model.Node, error) {
	l := loading(ctx)
	kind, _ := typeid.Prefix(id)
	switch kind {
	case typeid.Organization:
		return found(l.organizations.find(ctx, id))
	case typeid.User:
		return found(l.users.find(ctx, id))
	case typeid.Project:
		return found(l.projects.find(ctx, id))
	case typeid.Environment:
		return found(l.environments.find(ctx, id))
	case typeid.AuditEvent:
		return found(l.events.find(ctx, id))
	case typeid.APIKey:
		return found(l.keys.find(ctx, id))
	case typeid.Rotation:
		return found(l.rotations.find(ctx, id))
	case typeid.Notification:
		return found(l.notifications.find(ctx, id))
	case typeid.AlertJob:
		return found(l.jobs.find(ctx, id))
	case typeid.Message:
		return found(l.messages.find(ctx, id))
	case typeid.AlertSource:
		source, err := l.sources.find(ctx, id)
		if source == nil || source.Row().DeletedAt != nil { // a deleted one is there for its jobs alone
			return nil, err
		}
		return source, nil
	}
	return nil, nil
}

// found keeps a nil row from becoming a non-nil Node.
func found[T any, N interface {
	*T
	model.Node
}](row N, err error) (model.Node, error) {
	if row == nil {
		return nil, err
	}
	return row, err
}

func nodes(ctx context.Context, ids []string) ([]model.Node, error) {
	if len(ids) > maxNodes {
		return nil, fault.Invalid("ids must have at most 100 entries", "ids")
	}
	for _, id := range ids {
		see(loading(ctx), reference(id))
	}
	nodes := make([]model.Node, len(ids))
	for i, id := range ids {
		var err error
		if nodes[i], err = node(ctx, id); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// schedule is the schedule of a key's line, nil when it has none that the caller may see.
func (r *apiKeyResolver) schedule(ctx context.Context, key *keys.View) (*keys.Schedule, error) {
	row, err := loading(ctx).schedulesOf.find(ctx, key.FamilyID)
	if row == nil {
		return nil, err
	}
	organization, err := r.Organization(ctx, key)
	if organization == nil {
		return nil, err
	}
	project, err := r.Project(ctx, key)
	if project == nil {
		return nil, err
	}
	return key.Schedule(row, organization, project), nil
}

// rotateWebhookSecret gives whatever has a webhook a new signing secret.
func (r *Resolver) rotateWebhookSecret(ctx context.Context, id string) (*string, error) {
	if kind, _ := typeid.Prefix(id); kind == typeid.AlertSource {
		return r.Alerts.RotateSecret(ctx, id)
	}
	return r.Keys.RotateWebhookSecret(ctx, id)
}

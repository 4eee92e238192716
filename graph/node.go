package graph

import (
	"context"

	"github.com/keytag/keytag/graph/model"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/typeid"
)

const maxNodes = 100

// node finds whatever has this id; nil when there is none that the caller may see.
func (r *Resolver) node(ctx context.Context, id string) (model.Node, error) {
	kind, _ := typeid.Prefix(id)
	switch kind {
	case typeid.Organization:
		return found(r.Directory.Organization(ctx, id))
	case typeid.User:
		return found(r.Directory.User(ctx, id))
	case typeid.Project:
		return found(r.Directory.Project(ctx, id))
	case typeid.Environment:
		return found(r.Directory.Environment(ctx, id))
	case typeid.AuditEvent:
		return found(r.Trail.Event(ctx, id))
	case typeid.APIKey:
		return found(r.Keys.Key(ctx, id))
	case typeid.Rotation:
		return found(r.Keys.Rotation(ctx, id))
	case typeid.Notification:
		return found(r.Alerts.Notification(ctx, id))
	case typeid.AlertJob:
		return found(r.Alerts.Job(ctx, id))
	case typeid.Message:
		return found(r.Alerts.Message(ctx, id))
	case typeid.AlertSource:
		source, err := r.Alerts.Source(ctx, id)
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

func (r *Resolver) nodes(ctx context.Context, ids []string) ([]model.Node, error) {
	if len(ids) > maxNodes {
		return nil, fault.Invalid("ids must have at most 100 entries", "ids")
	}
	nodes := make([]model.Node, len(ids))
	for i, id := range ids {
		var err error
		if nodes[i], err = r.node(ctx, id); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// rotateWebhookSecret gives whatever has a webhook a new signing secret.
func (r *Resolver) rotateWebhookSecret(ctx context.Context, id string) (*string, error) {
	if kind, _ := typeid.Prefix(id); kind == typeid.AlertSource {
		return r.Alerts.RotateSecret(ctx, id)
	}
	return r.Keys.RotateWebhookSecret(ctx, id)
}

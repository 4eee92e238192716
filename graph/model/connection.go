package model

import (
	"context"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/keys"
)

// Connection is a page with what its totals are made from (GraphQL Cursor Connections).
type Connection[T any] struct {
	Nodes    []T
	PageInfo *PageInfo
	// Count counts the whole list up to page.MaxCount + 1; it runs at most once.
	Count func(context.Context) (int, error)
	// Cursor is the place of a node of the page.
	Cursor func(T) string
}

// Edges are the nodes with their places.
func (c Connection[T]) Edges() []*Edge[T] {
	edges := make([]*Edge[T], len(c.Nodes))
	for i, node := range c.Nodes {
		edges[i] = &Edge[T]{Cursor: c.Cursor(node), Node: node}
	}
	return edges
}

// Edge is a place on a page.
type Edge[T any] struct {
	Cursor string
	Node   T
}

type (
	APIKeyConnection  struct{ Connection[*keys.View] }
	APIKeyEdge        = Edge[*keys.View]
	UserConnection    struct{ Connection[*db.User] }
	UserEdge          = Edge[*db.User]
	ProjectConnection struct{ Connection[*db.Project] }
	ProjectEdge       = Edge[*db.Project]

	AlertSourceConnection struct{ Connection[alert.Source] }
	AlertSourceEdge       = Edge[alert.Source]

	OperatorMessageConnection struct {
		Connection[*db.OperatorMessage]
	}
	OperatorMessageEdge = Edge[*db.OperatorMessage]

	ExpiryForecastConnection struct {
		Connection[*alert.ForecastEntry]
	}
	ExpiryForecastEdge = Edge[*alert.ForecastEntry]

	AuditEventConnection struct{ Connection[*db.AuditEvent] }
	AuditEventEdge       = Edge[*db.AuditEvent]
)

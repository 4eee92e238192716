package model

import (
	"context"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/keys"
)

// Connection is a page with what its totals are made from (GraphQL Cursor Connections).
type Connection[T any] struct {
	Edges    []*Edge[T]
	Nodes    []T
	PageInfo *PageInfo
	// Count counts the whole list up to page.MaxCount + 1; it runs at most once.
	Count func(context.Context) (int, error)
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

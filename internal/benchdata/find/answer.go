package main

import (
	"encoding/json"
	"time"

	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
)

// connectionOfKeys, pageInfo and key are the JSON of an answer.
type connectionOfKeys struct {
	TotalCount           *int     `json:"totalCount,omitempty"`
	TotalCountIsEstimate *bool    `json:"totalCountIsEstimate,omitempty"`
	Nodes                []key    `json:"nodes"`
	PageInfo             pageInfo `json:"pageInfo"`
}

type pageInfo struct {
	HasNextPage     bool    `json:"hasNextPage"`
	HasPreviousPage bool    `json:"hasPreviousPage"`
	StartCursor     *string `json:"startCursor"`
	EndCursor       *string `json:"endCursor"`
}

type key struct {
	ID                  string               `json:"id"`
	Name                string               `json:"name"`
	Description         string               `json:"description"`
	KeyPrefix           string               `json:"keyPrefix"`
	Status              lifecycle.Status     `json:"status"`
	Scopes              json.RawMessage      `json:"scopes"`
	CreatedAt           time.Time            `json:"createdAt"`
	LastUsedAt          *time.Time           `json:"lastUsedAt"`
	ExpiresAt           *time.Time           `json:"expiresAt"`
	InactivityExpiresAt *time.Time           `json:"inactivityExpiresAt"`
	EffectiveExpiresAt  *time.Time           `json:"effectiveExpiresAt"`
	EndsBecause         *lifecycle.EndReason `json:"endsBecause"`
	ExpiresInSeconds    *int                 `json:"expiresInSeconds"`
	Generation          int                  `json:"generation"`
	FamilyID            string               `json:"familyId"`
}

func (r *row) key(now time.Time) key {
	utc(&r.Created, r.LastUsed, r.Expires, r.Inactivity, r.Grace, r.Rotated, r.Suspended, r.Revoked)
	state := lifecycle.Evaluate(lifecycle.Instants{
		CreatedAt: r.Created, ExpiresAt: r.Expires, InactivityExpiresAt: r.Inactivity, GraceExpiresAt: r.Grace,
		RotatedAt: r.Rotated, SuspendedAt: r.Suspended, RevokedAt: r.Revoked,
	}, now)
	k := key{
		ID: r.ID, Name: r.Name, Description: r.Description, KeyPrefix: r.KeyPrefix, Status: state.Status, Scopes: r.Scopes,
		CreatedAt: r.Created, LastUsedAt: r.LastUsed, ExpiresAt: r.Expires, InactivityExpiresAt: r.Inactivity,
		EffectiveExpiresAt: state.EffectiveExpiresAt, Generation: r.Generation, FamilyID: r.FamilyID,
	}
	if end := state.EffectiveExpiresAt; end != nil {
		k.EndsBecause, k.ExpiresInSeconds = &state.EndsBecause, new(max(0, int(end.Sub(now)/time.Second)))
	}
	return k
}

func utc(times ...*time.Time) {
	for _, t := range times {
		if t != nil {
			*t = t.UTC()
		}
	}
}

// cursor is the server's in the order of creation.
func cursor(r *row) *string { return new(page.Encode("c", page.Cursor{ID: r.ID})) }

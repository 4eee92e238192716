package keys

import (
	"context"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/predicate"
	"github.com/keytag/keytag/internal/page"
)

// OrderField is what keys can be ordered by. Values are those of the GraphQL enum
// ApiKeyOrderField.
type OrderField string

const (
	ByCreation     OrderField = "CREATED_AT"
	ByExpiration   OrderField = "EXPIRES_AT"
	ByEffectiveEnd OrderField = "EFFECTIVE_EXPIRES_AT"
	ByLastUse      OrderField = "LAST_USED_AT"
	ByNextRotation OrderField = "NEXT_ROTATION_AT"
	ByName         OrderField = "NAME"
)

// Direction of an order. Values are those of the GraphQL enum OrderDirection.
type Direction string

const (
	Ascending  Direction = "ASC"
	Descending Direction = "DESC"
)

// Order of a list of keys. The zero Order is newest first. Unset values come last in both directions;
// ties are broken by id in the order's direction.
type Order struct {
	Field     OrderField
	Direction Direction
}

// ordering is how an order is read from storage: by a column and the id, or by the id alone.
type ordering struct {
	name   string // marks its cursors; both directions share them
	column string
	// at is the value of an instant's column, nil when it is unset; text that of a name's.
	at   func(*db.APIKey) *time.Time
	text func(*db.APIKey) string
	// set and unset part the keys that have a value from those that have none. The index holds these too,
	// unless it is partial.
	set, unset predicate.APIKey
	partial    bool
}

// orderings, of which that by creation is by the id: ids carry the instant.
var orderings = map[OrderField]ordering{
	ByCreation: {name: "c"},
	ByExpiration: {name: "x", column: apikey.FieldExpiresAt, at: func(k *db.APIKey) *time.Time { return k.ExpiresAt },
		set: apikey.ExpiresAtNotNil(), unset: apikey.ExpiresAtIsNil()},
	ByEffectiveEnd: {name: "e", column: apikey.FieldEffectiveExpiresAt, at: effectiveEnd,
		set: apikey.EffectiveExpiresAtLT(never), unset: apikey.EffectiveExpiresAt(never)},
	ByLastUse: {name: "u", column: apikey.FieldLastUsedAt, at: func(k *db.APIKey) *time.Time { return k.LastUsedAt },
		set: apikey.LastUsedAtNotNil(), unset: apikey.LastUsedAtIsNil()},
	ByNextRotation: {name: "r", column: apikey.FieldNextRotationAt, at: func(k *db.APIKey) *time.Time { return k.NextRotationAt },
		set: apikey.NextRotationAtNotNil(), unset: apikey.NextRotationAtIsNil(), partial: true},
	ByName: {name: "n", column: apikey.FieldNameFolded, text: func(k *db.APIKey) string { return k.NameFolded }},
}

// never is what stands for no end in storage.
var never = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)

func effectiveEnd(k *db.APIKey) *time.Time {
	if k.EffectiveExpiresAt.Equal(never) {
		return nil
	}
	return k.EffectiveExpiresAt
}

// cursor is the place of a key in a list of the order.
func (o ordering) cursor(k *db.APIKey) page.Cursor {
	c := page.Cursor{ID: k.ID}
	switch {
	case o.text != nil:
		c.Text = o.text(k)
	case o.at != nil:
		if at := o.at(k); at != nil {
			c.At = *at
		}
	}
	return c
}

// stretch is a part of an ordered list that one index answers: all of it, or the keys with a value, or
// those without.
type stretch struct {
	only    predicate.APIKey // nil: all
	unset   bool
	columns []string // what it is ordered by
	// column, if any, is the same in all of its keys, and stands before columns in the index.
	column string
}

// sorted are the columns to sort by so that the index is recognised.
func (s stretch) sorted() []string {
	if s.column == "" {
		return s.columns
	}
	return append([]string{s.column}, s.columns...)
}

// stretches are the parts of the list in its order.
func (o ordering) stretches() []stretch {
	switch {
	case o.column == "":
		return []stretch{{columns: []string{apikey.FieldID}}}
	case o.set == nil:
		return []stretch{{columns: []string{o.column, apikey.FieldID}}}
	}
	set := stretch{only: o.set, columns: []string{o.column, apikey.FieldID}}
	unset := stretch{only: o.unset, unset: true, columns: []string{apikey.FieldID}}
	if !o.partial {
		unset.column = o.column
	}
	return []stretch{set, unset}
}

// first is the stretch that a page begins in, in reading order.
func (o ordering) first(b page.Bounds) int {
	unset := b.From != nil && o.at != nil && b.From.At.IsZero()
	if len(o.stretches()) == 2 && unset != b.Backward && b.From != nil {
		return 1
	}
	return 0
}

// read reads the rows of a page, one more where there are more, in the direction of reading. each
// reads one stretch.
func (o ordering) read(ctx context.Context, b page.Bounds, each func(context.Context, stretch, page.Bounds) ([]*db.APIKey, error)) ([]*db.APIKey, error) {
	parts := o.stretches()
	if b.Backward && len(parts) == 2 {
		parts[0], parts[1] = parts[1], parts[0]
	}
	var rows []*db.APIKey
	for i, part := range parts[o.first(b):] {
		rest := b
		rest.Size = b.Size - len(rows)
		if i > 0 {
			rest.From = nil // begun in the stretch before
		}
		more, err := each(ctx, part, rest)
		if err != nil {
			return nil, err
		}
		if rows = append(rows, more...); len(rows) > b.Size {
			break
		}
	}
	return rows, nil
}

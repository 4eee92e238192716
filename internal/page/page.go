// Package page bounds lists: arguments and cursors of the GraphQL Cursor Connections specification
// (https://relay.dev/graphql/connections.htm), paged by key, so that no row is lost or repeated.
package page

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/keytag/keytag/internal/fault"
)

const (
	// MaxSize is the most a page may hold.
	MaxSize = 100
	// DefaultSize is what a page holds when its size is not given.
	DefaultSize = 50
	// MaxCount is how far a total is counted.
	MaxCount = 10_000
)

// Args are the arguments of a connection.
type Args struct {
	First  *int
	After  *string
	Last   *int
	Before *string
}

// Cursor is a place in a list ordered by (At, ID) or (Text, ID), or by ID alone when both are zero.
type Cursor struct {
	// Order is the list that a cursor of a request was made for; Encode is told.
	Order string
	At    time.Time
	Text  string
	ID    string
}

// Range is half-open: From ≤ value < Before. IsNull asks for unset values, or for set ones.
type Range struct {
	From   *time.Time
	Before *time.Time
	IsNull *bool
}

// Bounds is a page to be read: Size rows from behind From, in reverse when Backward.
type Bounds struct {
	Size     int
	Backward bool
	From     *Cursor
}

// Bounds checks the arguments. Orders name the order of the list, or of several lists of which it is
// made; a cursor made in another one is refused. Errors are user errors that name the argument.
func (a Args) Bounds(orders ...string) (Bounds, error) {
	refuse := func(message string, fields ...string) (Bounds, error) {
		return Bounds{}, fault.Input("page.invalid", message, fields...)
	}
	switch {
	case a.First != nil && a.Last != nil:
		return refuse("give first or last, not both", "first", "last")
	case a.First != nil && a.Before != nil:
		return refuse("first pages forward and takes after; before goes with last", "first", "before")
	case a.Last != nil && a.After != nil:
		return refuse("last pages backward and takes before; after goes with first", "last", "after")
	case a.After != nil && a.Before != nil:
		return refuse("give after or before, not both", "after", "before")
	case a.Before != nil && a.Last == nil:
		return refuse("before needs last", "before", "last")
	}
	b := Bounds{Size: DefaultSize}
	size, cursor, name := a.First, a.After, "first"
	if a.Last != nil {
		b.Backward = true
		size, cursor, name = a.Last, a.Before, "last"
	}
	if size != nil {
		if b.Size = *size; b.Size < 1 || b.Size > MaxSize {
			return refuse(name+" must be between 1 and "+strconv.Itoa(MaxSize), name)
		}
	}
	if cursor != nil {
		from, ok := decode(orders, *cursor)
		if !ok {
			return Bounds{}, a.CursorInvalid()
		}
		b.From = &from
	}
	return b, nil
}

// CursorInvalid refuses the cursor among the arguments.
func (a Args) CursorInvalid() error {
	name := "after"
	if a.Before != nil {
		name = "before"
	}
	return fault.Input("cursor.invalid", name+" must be a cursor from a page of the same list in the same order", name)
}

// Encode renders a cursor for a list in the named order.
func Encode(order string, c Cursor) string {
	text := order + " " + c.ID
	switch {
	case c.Text != "":
		text += " =" + c.Text
	case !c.At.IsZero():
		text += " " + strconv.FormatInt(c.At.UnixMicro(), 36)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func decode(orders []string, text string) (Cursor, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.SplitN(string(raw), " ", 3)
	if err != nil || len(parts) < 2 || !slices.Contains(orders, parts[0]) || !wellFormed(parts[1]) {
		return Cursor{}, false
	}
	c := Cursor{Order: parts[0], ID: parts[1]}
	if len(parts) == 3 && strings.HasPrefix(parts[2], "=") {
		if c.Text = parts[2][1:]; !utf8.ValidString(c.Text) || strings.ContainsRune(c.Text, 0) {
			return Cursor{}, false
		}
	} else if len(parts) == 3 {
		micros, err := strconv.ParseInt(parts[2], 36, 64)
		if err != nil || micros < 0 || micros > maxMicros {
			return Cursor{}, false
		}
		c.At = time.UnixMicro(micros).UTC()
	}
	// What decodes but would be written otherwise is not a cursor of ours.
	return c, Encode(c.Order, c) == text
}

// maxMicros is the end of the year 9999, the last instant both databases store.
const maxMicros = 253_402_300_799_999_999

func wellFormed(id string) bool {
	return id != "" && !strings.ContainsFunc(id, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}

// Page is what was read within Bounds, in the order of the list.
type Page[T any] struct {
	Nodes       []T
	HasNext     bool
	HasPrevious bool
}

// Of makes a page of rows read in the direction of b, one more than b.Size where there are more.
func Of[T any](b Bounds, rows []T) Page[T] {
	more := len(rows) > b.Size
	if more {
		rows = rows[:b.Size]
	}
	if b.Backward {
		slices.Reverse(rows)
		return Page[T]{Nodes: rows, HasNext: b.From != nil, HasPrevious: more}
	}
	return Page[T]{Nodes: rows, HasNext: more, HasPrevious: b.From != nil}
}

package store

import (
	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/internal/page"
)

// Keyset reads a page of a list that is ordered by columns, never null, of which the last is the
// id: behind narrows a query to what follows the cursor, order sorts it in the direction of reading.
func Keyset(b page.Bounds, descending bool, columns ...string) (behind, order func(*sql.Selector)) {
	descending = descending != b.Backward
	behind = func(s *sql.Selector) {
		if b.From == nil {
			return
		}
		names, values := make([]string, len(columns)), []any{b.From.ID}
		for i, column := range columns {
			names[i] = s.C(column)
		}
		switch {
		case len(columns) == 1:
		case b.From.Text != "":
			values = []any{b.From.Text, b.From.ID}
		default:
			values = []any{b.From.At, b.From.ID}
		}
		if descending {
			s.Where(sql.CompositeLT(names, values...))
		} else {
			s.Where(sql.CompositeGT(names, values...))
		}
	}
	order = func(s *sql.Selector) {
		for _, column := range columns {
			if descending {
				s.OrderBy(sql.Desc(s.C(column)))
			} else {
				s.OrderBy(sql.Asc(s.C(column)))
			}
		}
	}
	return behind, order
}

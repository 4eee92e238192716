// Package policy decides which rows a caller may see and which it may write. Every query and every
// change passes it, whoever wrote them: an ent policy adds its predicate to the statement, so a row
// that is denied looks exactly like one that does not exist. It names columns, not generated code.
package policy

import (
	"context"
	"errors"
	"fmt"

	"entgo.io/ent"
	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/internal/principal"
)

// Predicate narrows a statement to some rows.
type Predicate = func(*sql.Selector)

// rows is the policy of one table.
type rows struct {
	// visible bounds what is read, and what updates and deletes can reach.
	visible func(*principal.Principal) Predicate
	// writable bounds updates and deletes further; nil: what is visible.
	writable func(*principal.Principal) Predicate
	// appendOnly refuses updates and deletes, also to the server itself.
	appendOnly bool
	// creatable tells whether the caller may insert this row into its own organization.
	creatable func(*principal.Principal, ent.Mutation) bool
}

// ErrDenied means that code ran a statement its caller may not run at all: a fault of ours, since
// the doors check rights first.
var ErrDenied = errors.New("policy: denied")

// narrowed is implemented by generated queries (ent/template) and mutations.
type narrowed interface{ WhereP(...Predicate) }

// EvalQuery narrows a query to the rows the caller may see.
func (r rows) EvalQuery(ctx context.Context, q ent.Query) error {
	p := principal.From(ctx)
	switch {
	case p == nil:
		return fmt.Errorf("%w: no caller in the context", ErrDenied)
	case p.IsSystem():
		return nil
	}
	q.(narrowed).WhereP(r.visible(p))
	return nil
}

// EvalMutation bounds inserts to the caller's organization and narrows updates and deletes.
func (r rows) EvalMutation(ctx context.Context, m ent.Mutation) error {
	p := principal.From(ctx)
	if p == nil {
		return fmt.Errorf("%w: no caller in the context", ErrDenied)
	}
	create := m.Op().Is(ent.OpCreate)
	if r.appendOnly && !create {
		return fmt.Errorf("%w: %s is append-only", ErrDenied, m.Type())
	}
	if p.IsSystem() {
		return nil
	}
	if create {
		organization, _ := m.Field("organization_id")
		if organization != p.OrganizationID || r.creatable == nil || !r.creatable(p, m) {
			return fmt.Errorf("%w: insert into %s", ErrDenied, m.Type())
		}
		return nil
	}
	m.(narrowed).WhereP(r.visible(p))
	if r.writable != nil {
		m.(narrowed).WhereP(r.writable(p))
	}
	return nil
}

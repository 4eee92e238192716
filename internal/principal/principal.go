// Package principal says who is calling and with which rights, and carries that in the context.
package principal

import (
	"context"
	"slices"

	"github.com/keytag/keytag/internal/scope"
)

// Role is what a user may do in the organization. Values are those of the GraphQL enum UserRole.
type Role string

const (
	Admin  Role = "ADMIN"
	Member Role = "MEMBER"
)

// Kind tells people from programs. Values are those of the GraphQL enum UserKind.
type Kind string

const (
	Human Kind = "HUMAN"
	Robot Kind = "ROBOT"
)

// The scopes that keytag itself understands. All others belong to the projects that use keytag.
const (
	KeysRead       = "keytag:keys:read"
	KeysWrite      = "keytag:keys:write"
	KeysVerify     = "keytag:keys:verify"
	DirectoryRead  = "keytag:directory:read"
	DirectoryWrite = "keytag:directory:write"
	AuditRead      = "keytag:audit:read"
	AlertsWrite    = "keytag:alerts:write"
)

// grants holds, per role, what its users may hand on; an administrator holds everything.
var grants = map[Role]scope.Set{
	Admin:  {"*"},
	Member: {AuditRead, DirectoryRead, KeysRead, KeysWrite},
}

// usable is grants plus what a role may use only because an administrator put it on a key.
var usable = map[Role]scope.Set{
	Admin:  {"*"},
	Member: {AuditRead, DirectoryRead, KeysRead, KeysVerify, KeysWrite},
}

// Principal is the caller of one request: a key acting as its owner, or the server itself.
// It is immutable; the zero Principal holds nothing.
type Principal struct {
	OrganizationID string
	UserID         string
	KeyID          string
	// FamilyID is the rotation family of the calling key, which it may always see.
	FamilyID string
	Role     Role
	// Scopes are those written on the key; Holds narrows them to the owner's role.
	Scopes scope.Set
	// ReplayOnly marks a key that its own rotation ended without grace: it may ask for the lost
	// reply of that rotation and for nothing else.
	ReplayOnly bool
	// Probe marks a look that does not count as use and may only ask who the caller is.
	Probe bool

	system bool
}

// Holds reports whether the caller may use s now: its key covers s, and for scopes reserved to
// keytag the owner's role does too.
func (p *Principal) Holds(s string) bool {
	if p.system {
		return true
	}
	return p.Scopes.Covers(s) && (!scope.Reserved(s) || usable[p.Role].Covers(s))
}

// MayGrant reports whether the caller may put s on a key.
func (p *Principal) MayGrant(s string) bool {
	return p.Holds(s) && (p.system || !scope.Reserved(s) || grants[p.Role].Covers(s))
}

// Lacks returns those of wanted that the caller does not hold, in their order.
func (p *Principal) Lacks(wanted []string) []string {
	return slices.DeleteFunc(slices.Clone(wanted), p.Holds)
}

// IsAdmin reports whether the caller acts as an administrator of its organization.
func (p *Principal) IsAdmin() bool { return p.system || p.Role == Admin }

// IsSystem reports whether the server acts by itself; row rules do not bind it.
func (p *Principal) IsSystem() bool { return p.system }

type contextKey struct{}

// NewContext returns ctx with p as the caller.
func NewContext(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns the caller, or nil when the request is anonymous.
func From(ctx context.Context) *Principal {
	p, _ := ctx.Value(contextKey{}).(*Principal)
	return p
}

// System returns ctx in which the server acts by itself, past every row rule. It is for looking a
// presented key up, for the first start, and for checks whose answer the caller may not see.
func System(ctx context.Context) context.Context {
	return NewContext(ctx, &Principal{system: true})
}

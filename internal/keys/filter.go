package keys

import (
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/scope"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/typeid"
)

// Filter bounds a list of keys; every condition present must hold. A nil list is absent, an empty
// one matches nothing.
type Filter struct {
	Scopes         *ScopeFilter
	Statuses       []lifecycle.Status
	EndReasons     []lifecycle.EndReason
	ProjectIDs     []string
	EnvironmentIDs []string
	OwnerIDs       []string
	CreatedByIDs   []string
	// ExpiringBefore and ExpiringWithin are about the effective end; keys that have ended already are
	// left out unless Statuses names them.
	ExpiringBefore *time.Time
	ExpiringWithin *lifecycle.Period
	// UnusedSince and UnusedFor are about the last use, or the creation of a key never used.
	UnusedSince       *time.Time
	UnusedFor         *lifecycle.Period
	NeverUsed         *bool
	CreatedAt         *page.Range
	ExpiresAt         *page.Range
	LastUsedAt        *page.Range
	NameStartsWith    *string
	KeyPrefix         *string
	FamilyID          *string
	RotationDueBefore *time.Time
	HasNotification   *bool
}

// ScopeFilter bounds a list of keys by their scopes. An empty Any matches nothing; empty All, None
// and Grants match everything.
type ScopeFilter struct {
	Any    []string
	All    []string
	None   []string
	Grants []string
}

// groups are the conditions on scopes that a key holds, each met by holding one of a group literally.
func (f *ScopeFilter) groups() [][]string {
	if f == nil {
		return nil
	}
	var groups [][]string
	if f.Any != nil {
		groups = append(groups, f.Any)
	}
	for _, s := range f.All {
		groups = append(groups, []string{s})
	}
	for _, s := range f.Grants {
		groups = append(groups, scope.Covering(s))
	}
	return groups
}

const (
	maxFilterIDs    = 100
	maxFilterScopes = 50
)

// check refuses what cannot match by mistake: ids of another type, malformed scopes.
func (f *Filter) check() error {
	var faults fault.List
	for _, list := range []struct {
		kind, field string
		ids         []string
	}{
		{typeid.Project, "projectIds", f.ProjectIDs},
		{typeid.Environment, "environmentIds", f.EnvironmentIDs},
		{typeid.User, "ownerIds", f.OwnerIDs},
		{typeid.User, "createdByIds", f.CreatedByIDs},
		{typeid.KeyFamily, "familyId", optional(f.FamilyID)},
	} {
		if len(list.ids) > maxFilterIDs {
			faults = append(faults, tooMany("filter."+list.field, maxFilterIDs))
		}
		found, _ := fault.Split(typeid.Want(list.kind, "filter."+list.field, list.ids...))
		faults = append(faults, found...)
	}
	if f.KeyPrefix != nil && !secret.IsPrefix(*f.KeyPrefix) {
		faults = append(faults, fault.Invalid("filter.keyPrefix must be the part of a key before its second underscore, such as ktg_4fQ9xT2aB1", "filter.keyPrefix"))
	}
	if name := f.NameStartsWith; name != nil && (!utf8.ValidString(*name) || strings.ContainsFunc(*name, unprintable) || utf8.RuneCountInString(*name) > maxName) {
		faults = append(faults, fault.Invalid("filter.nameStartsWith must have at most 200 printable characters", "filter.nameStartsWith"))
	}
	if f.Scopes != nil {
		for _, list := range []struct {
			field  string
			scopes []string
		}{{"any", f.Scopes.Any}, {"all", f.Scopes.All}, {"none", f.Scopes.None}, {"grants", f.Scopes.Grants}} {
			if len(list.scopes) > maxFilterScopes {
				faults = append(faults, tooMany("filter.scopes."+list.field, maxFilterScopes))
			}
			if _, malformed := scope.NewSet(list.scopes); len(malformed) > 0 {
				refusal := scopesMalformed(malformed)
				refusal.Fields = []string{"filter.scopes." + list.field}
				faults = append(faults, refusal)
			}
		}
	}
	return faults.OrNil()
}

func optional(id *string) []string {
	if id == nil {
		return nil
	}
	return []string{*id}
}

// fold is the form in which names are ordered and searched: NFC, in lower case.
func fold(name string) string { return strings.ToLower(norm.NFC.String(name)) }

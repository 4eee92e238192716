package policy

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/internal/principal"
)

// The policies of the tables. Rights by scope are checked by the doors (`@hasScope`); here stands
// what holds even if a door forgot.
var (
	Organizations = rows{visible: ownOrganization, writable: admins}
	Users         = rows{visible: visibleParent("owner_id", viewerID), writable: admins, creatable: byAdmin}
	Projects      = rows{visible: visibleParent("project_id", nil), writable: admins, creatable: byAdmin}
	Environments  = rows{visible: visibleParent("environment_id", nil), writable: admins, creatable: byAdmin}
	KeyFamilies   = rows{visible: visibleFamilies, creatable: forOwner}
	APIKeys       = rows{visible: visibleKeys, creatable: forOwner}
	KeyScopes     = rows{visible: ownedRows, creatable: forOwner}
	AuditEvents   = rows{visible: visibleEvents, appendOnly: true, creatable: anyone}

	// KeyRows are about one key: they are seen with its family.
	KeyRows          = rows{visible: visibleFamilyRows, creatable: forOwner}
	AlertSources     = rows{visible: visibleSources, writable: admins, creatable: byAdmin}
	OperatorMessages = rows{visible: visibleMessages}

	ServerOnly = rows{visible: nobody}

	IdempotentRequests = rows{visible: ownRequests, creatable: byCallerFamily}
)

func ownOrganization(p *principal.Principal) Predicate {
	return func(s *sql.Selector) { s.Where(sql.EQ(s.C("id"), p.OrganizationID)) }
}

// visibleKeys: administrators see every key of the organization, members their own; a key without
// keytag:keys:read sees its rotation family. Removed ones are hidden from everybody; the row stays, so that
// its digest can never come back. But for the family, keys are not found by it.
func visibleKeys(p *principal.Principal) Predicate {
	return func(s *sql.Selector) {
		s.Where(sql.IsNull(s.C("removed_at"))) // as the indexes say it
		checks := []*sql.Predicate{sql.EQ(s.C("organization_id"), p.OrganizationID)}
		switch {
		case !p.Holds(principal.KeysRead):
			s.Where(sql.EQ(s.C("family_id"), p.FamilyID))
		case !p.IsAdmin():
			checks = append(checks, sql.EQ(s.C("owner_id"), p.UserID))
		}
		s.Where(Checked(checks...))
	}
}

// Checked are conditions that rows are only checked against: no index finds rows by them.
func Checked(conditions ...*sql.Predicate) *sql.Predicate {
	return sql.P(func(b *sql.Builder) {
		b.WriteString("(").Join(sql.And(conditions...)).WriteString(") IS TRUE")
	})
}

// VisibleKeys is the rule of api_keys, for statements that name the table inside another.
func VisibleKeys(p *principal.Principal) Predicate {
	if p.IsSystem() {
		return func(*sql.Selector) {}
	}
	return visibleKeys(p)
}

func visibleFamilies(p *principal.Principal) Predicate {
	return keysWithFamily(p, "id")
}

func visibleFamilyRows(p *principal.Principal) Predicate {
	return keysWithFamily(p, "family_id")
}

// visibleSources: with keytag:keys:read those of the organization; without it those of the
// notifications and jobs that are visible.
func visibleSources(p *principal.Principal) Predicate {
	return func(s *sql.Selector) {
		s.Where(sql.EQ(s.C("organization_id"), p.OrganizationID))
		if p.Holds(principal.KeysRead) {
			return
		}
		var uses []*sql.Predicate
		for _, table := range []string{"notifications", "jobs"} {
			users := sql.Dialect(s.Dialect()).Select().From(sql.Table(table))
			users.Select(users.C("id")).Where(sql.ColumnsEQ(users.C("alert_source_id"), s.C("id")))
			visibleFamilyRows(p)(users)
			uses = append(uses, sql.Exists(users))
		}
		s.Where(sql.Or(uses...))
	}
}

// visibleMessages: with keytag:keys:read, administrators see every message, members those about
// their own keys.
func visibleMessages(p *principal.Principal) Predicate {
	if !p.Holds(principal.KeysRead) {
		return nobody(p)
	}
	return ownedRows(p)
}

func keysWithFamily(p *principal.Principal, family string) Predicate {
	return func(s *sql.Selector) {
		s.Where(sql.EQ(s.C("organization_id"), p.OrganizationID))
		switch {
		case !p.Holds(principal.KeysRead):
			s.Where(sql.EQ(s.C(family), p.FamilyID))
		case !p.IsAdmin():
			s.Where(sql.EQ(s.C("owner_id"), p.UserID))
		}
	}
}

// visibleParent: with keytag:directory:read the whole organization; without it the parents, by the
// named column, of the keys that are visible, and a row that itself admits.
func visibleParent(column string, itself func(*principal.Principal) string) func(*principal.Principal) Predicate {
	return func(p *principal.Principal) Predicate {
		return func(s *sql.Selector) {
			s.Where(sql.EQ(s.C("organization_id"), p.OrganizationID))
			if p.Holds(principal.DirectoryRead) {
				return
			}
			keys := sql.Dialect(s.Dialect()).Select().From(sql.Table("api_keys"))
			keys.Select(keys.C("id")).Where(sql.ColumnsEQ(keys.C(column), s.C("id")))
			visibleKeys(p)(keys)
			readable := sql.Exists(keys)
			if itself != nil {
				readable = sql.Or(sql.EQ(s.C("id"), itself(p)), readable)
			}
			s.Where(readable)
		}
	}
}

func viewerID(p *principal.Principal) string { return p.UserID }

// ownedRows: the organization's for administrators, the viewer's otherwise.
func ownedRows(p *principal.Principal) Predicate {
	return func(s *sql.Selector) {
		s.Where(sql.EQ(s.C("organization_id"), p.OrganizationID))
		if !p.IsAdmin() {
			s.Where(sql.EQ(s.C("owner_id"), p.UserID))
		}
	}
}

// visibleEvents: with keytag:audit:read, administrators see every event, members those of their
// own keys.
func visibleEvents(p *principal.Principal) Predicate {
	if !p.Holds(principal.AuditRead) {
		return nobody(p)
	}
	return ownedRows(p)
}

func ownRequests(p *principal.Principal) Predicate {
	return func(s *sql.Selector) {
		s.Where(sql.And(
			sql.EQ(s.C("organization_id"), p.OrganizationID),
			sql.EQ(s.C("caller_family_id"), p.FamilyID),
		))
	}
}

func admins(p *principal.Principal) Predicate {
	if p.IsAdmin() {
		return func(*sql.Selector) {}
	}
	return nobody(p)
}

func nobody(*principal.Principal) Predicate {
	return func(s *sql.Selector) { s.Where(sql.False()) }
}

func byAdmin(p *principal.Principal, _ ent.Mutation) bool { return p.IsAdmin() }

func anyone(*principal.Principal, ent.Mutation) bool { return true }

// forOwner: administrators may make keys for anyone, everyone else for themselves.
func forOwner(p *principal.Principal, m ent.Mutation) bool {
	owner, _ := m.Field("owner_id")
	return p.IsAdmin() || owner == p.UserID
}

func byCallerFamily(p *principal.Principal, m ent.Mutation) bool {
	family, _ := m.Field("caller_family_id")
	return family == p.FamilyID
}

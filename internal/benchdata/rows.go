package benchdata

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// table names the columns that are written; the others keep their defaults. Values are string,
// int, bool, time.Time, []byte, document or nil.
type table struct {
	name    string
	columns []string
}

// document is JSON.
type document []byte

var (
	organizations = &table{"organizations", []string{"id", "name", "not_accessed_off", "created_at", "max_expiration_period",
		"not_accessed_expiration_period", "max_grace_period"}}
	projects     = &table{"projects", []string{"id", "organization_id", "name", "scope_catalogue", "created_at", "updated_at"}}
	environments = &table{"environments", []string{"id", "organization_id", "project_id", "name", "created_at"}}
	users        = &table{"users", []string{"id", "organization_id", "login", "display_name", "email", "kind", "role", "time_zone",
		"may_use_api_keys", "disabled_at", "created_at", "updated_at"}}
	keyFamilies = &table{"key_families", []string{"id", "organization_id", "owner_id", "description", "freed_at"}}
	apiKeys     = &table{"api_keys", []string{"id", "organization_id", "project_id", "environment_id", "owner_id", "created_by_id",
		"name", "name_folded", "description", "scopes", "allowed_ips", "key_prefix", "digest", "family_id", "generation", "replaces_id",
		"replaced_by_id", "created_at", "updated_at", "authenticated_at", "last_used_at", "last_used_ip", "expires_at",
		"inactivity_expires_at", "grace_expires_at", "rotated_at", "suspended_at", "suspended_by_admin", "revoked_at", "removed_at",
		"revocation_reason", "revoked_by_user_id", "revoked_by_key_id", "pending_since", "next_rotation_at"}}
	keyScopes = &table{"key_scopes", []string{"organization_id", "project_id", "owner_id", "scope", "key_id"}}

	alertSources = &table{"alert_sources", []string{"id", "organization_id", "kind", "name", "message_template", "replies",
		"created_at", "updated_at"}}
	rotationSchedules = &table{"rotation_schedules", []string{"id", "organization_id", "owner_id", "family_id", "interval_days",
		"delivery", "webhook_url", "created_at", "updated_at"}}
	rotations = &table{"rotations", []string{"id", "organization_id", "owner_id", "family_id", "old_key_id", "new_key_id",
		"automatic", "status", "job_id", "created_at"}}
	notifications = &table{"notifications", []string{"id", "organization_id", "owner_id", "family_id", "key_id", "notify_at",
		"alert_source_id", "job_id", "created_at", "updated_at"}}
	jobs = &table{"jobs", []string{"id", "organization_id", "owner_id", "family_id", "key_id", "kind", "status", "lane",
		"alert_source_id", "notification_id", "rotation_id", "event", "scheduled_for", "run_at", "created_at"}}

	tables = []*table{organizations, projects, environments, users, keyFamilies, apiKeys, keyScopes,
		alertSources, rotationSchedules, rotations, notifications, jobs}
)

func (o *organization) add(s sink) error {
	name := fmt.Sprintf("organization %d", o.number)
	var notAccessed any
	if o.disuse.period != nil {
		notAccessed = o.disuse.period.String()
	}
	if err := s.add(organizations, []any{o.id, name, o.disuse.period == nil, o.created, maxExpiration.String(), notAccessed, maxGrace.String()}); err != nil {
		return err
	}
	for i, p := range o.projects {
		if err := s.add(projects, []any{p.id, o.id, projectNames[i], document("[]"), o.created, o.created}); err != nil {
			return err
		}
		for _, e := range []struct{ id, name string }{{p.live, "live"}, {p.test, "test"}} {
			if err := s.add(environments, []any{e.id, o.id, p.id, e.name, o.created}); err != nil {
				return err
			}
		}
	}
	for _, u := range o.users {
		email := fmt.Sprintf("%s@organization-%d.example", u.login, o.number)
		if err := s.add(users, []any{u.id, o.id, u.login, u.display, email, string(u.kind), string(u.role), "UTC",
			u.mayUseKeys, set(u.disabled), o.created, o.created}); err != nil {
			return err
		}
	}
	return s.add(alertSources, []any{o.sourceID, o.id, "OPERATOR_MESSAGE", "Operators",
		"API key {{keyName}} ({{keyPrefix}}) of {{ownerName}}: {{details}}.", document(`["Acknowledge"]`), o.created, o.created})
}

func (k *Key) add(s sink) error {
	if k.Generation == 1 {
		// What is removed is a family of one.
		if err := s.add(keyFamilies, []any{k.FamilyID, k.OrganizationID, k.OwnerID, k.Name, set(k.Removed)}); err != nil {
			return err
		}
	}
	creator := any(k.OwnerID)
	if k.State == Pending {
		creator = nil // the server by itself
	}
	var ip any
	if !k.LastUsed.IsZero() {
		ip = fmt.Sprintf("10.%d.%d.%d", k.LastUsed.Hour(), k.LastUsed.Minute(), k.LastUsed.Second())
	}
	digest := k.Secret.Digest()
	if err := s.add(apiKeys, []any{k.ID, k.OrganizationID, k.ProjectID, given(k.EnvironmentID), k.OwnerID, creator,
		k.Name, strings.ToLower(k.Name), k.Name, list(k.Scopes), list(k.AllowedIPs), k.Secret.Prefix(), digest[:], k.FamilyID, k.Generation, given(k.ReplacesID),
		given(k.ReplacedByID), k.Created, k.Updated, set(k.Authenticated), set(k.LastUsed), ip, set(k.Expires),
		set(k.InactivityExpires), set(k.GraceExpires), set(k.Rotated), set(k.Suspended), k.suspendedByAdmin, set(k.Revoked), set(k.Removed),
		given(string(k.RevocationReason)), given(k.revokedByUserID), given(k.revokedByKeyID), set(k.Pending), set(k.NextRotation)}); err != nil {
		return err
	}
	if err := k.addAhead(s); err != nil || k.State == Removed {
		return err
	}
	for _, scope := range k.Scopes {
		if err := s.add(keyScopes, []any{k.OrganizationID, k.ProjectID, k.OwnerID, scope, k.ID}); err != nil {
			return err
		}
	}
	return nil
}

func set(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

func given(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func list(ss []string) document {
	if ss == nil {
		return document("[]")
	}
	text, _ := json.Marshal(ss) // strings always marshal
	return text
}

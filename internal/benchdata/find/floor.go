package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/keytag/keytag/internal/benchdata/queries"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/scope"
)

// floor is the least that a database has to be asked for a page: statements by hand, of which each
// brings what the ones before it left room for.
type floor struct {
	Statements []statement
	// Count, if there is one, answers the total.
	Count *statement
	// Reversed: the rows come in the opposite order of the page.
	Reversed bool
	// Behind: the page is not the first in the direction of reading.
	Behind bool
	// Document is that of the query.
	Document string
}

// statement has a limit of rows as its last parameter, after Args. One that is an Ahead stands for the
// instant that is so far from the present.
type statement struct {
	Text string
	Args []any
}

// Ahead is from the present on; before it when negative.
type Ahead time.Duration

// args are the arguments with a limit.
func (s statement) args(limit int) []any {
	now := time.Now()
	list := make([]any, 0, len(s.Args)+1)
	for _, arg := range s.Args {
		if ahead, ok := arg.(Ahead); ok {
			arg = lifecycle.Instant(now.Add(time.Duration(ahead)))
		}
		list = append(list, arg)
	}
	return append(list, limit)
}

// columns are 15, of which the 15 fields of a key follow.
const columns = "k.id, k.name, k.description, k.key_prefix, k.scopes, k.created_at, k.last_used_at, k.expires_at, " +
	"k.inactivity_expires_at, k.grace_expires_at, k.rotated_at, k.suspended_at, k.revoked_at, k.generation, k.family_id"

// ask is a statement whose text has a ? for each argument, in their order, and at its end for the limit.
// An argument that stands twice is given twice.
func ask(text string, args ...any) statement {
	for i := 1; strings.Contains(text, "?"); i++ {
		text = strings.Replace(text, "?", "$"+strconv.Itoa(i), 1)
	}
	return statement{text, args}
}

// keys reads keys themselves. Removed and pending ones are hidden.
func keys(where, order string, args ...any) statement {
	return ask("SELECT "+columns+" FROM api_keys k WHERE k.removed_at IS NULL AND k.pending_since IS NULL AND "+where+" ORDER BY "+order+" LIMIT ?", args...)
}

// holders reads the keys with a scope, from the index of scopes, where removed keys have none; pending ones
// are hidden.
func holders(bound, where string, args ...any) statement {
	return ask("SELECT "+columns+" FROM key_scopes s JOIN api_keys k ON k.id = s.key_id WHERE s."+bound+" = ? AND s.scope = ? AND k.pending_since IS NULL"+where+" ORDER BY s.key_id DESC LIMIT ?", args...)
}

// holdersOfAny merges the newest keys with each of the scopes.
func holdersOfAny(project string, scopes []string) statement {
	var parts []string
	var args []any
	for i, s := range scopes {
		parts = append(parts, fmt.Sprintf("SELECT key_id FROM (SELECT h.key_id FROM key_scopes h JOIN api_keys k ON k.id = h.key_id WHERE h.project_id = ? AND h.scope = ? AND k.pending_since IS NULL ORDER BY h.key_id DESC LIMIT %d) s%d", queries.PageSize+1, i))
		args = append(args, project, s)
	}
	return ask("SELECT "+columns+" FROM api_keys k WHERE k.id IN ("+strings.Join(parts, " UNION ")+") ORDER BY k.id DESC LIMIT ?", args...)
}

// holdersOfBoth begins with the first scope, or merges both, as the database thinks best.
func holdersOfBoth(project, first, second string) statement {
	return ask("SELECT "+columns+` FROM key_scopes s JOIN key_scopes o ON o.key_id = s.key_id JOIN api_keys k ON k.id = s.key_id
		WHERE s.project_id = ? AND s.scope = ? AND o.project_id = ? AND o.scope = ? AND k.pending_since IS NULL ORDER BY s.key_id DESC LIMIT ?`, project, first, project, second)
}

// floorsOf are the floors of queries, by their names.
func floorsOf(s *queries.Subject, organization string, list []queries.Query) (map[string]floor, error) {
	floors := map[string]floor{}
	for _, q := range list {
		f, err := floorOf(s, organization, q)
		if err != nil {
			return nil, err
		}
		floors[q.Name] = f
	}
	return floors, nil
}

// floorOf is the floor of a query about a subject of an organization.
func floorOf(s *queries.Subject, organization string, q queries.Query) (floor, error) {
	f := floor{Document: q.Document, Behind: q.Behind != ""}
	filter, _ := q.Variables["filter"].(map[string]any)
	only := func(list ...statement) { f.Statements = list }
	switch q.Name {
	case "newest":
		only(keys("k.project_id = ?", "k.id DESC", s.ProjectID))
	case "newest-organization":
		only(keys("k.organization_id = ?", "k.id DESC", organization))
	case "active":
		only(keys("k.project_id = ? AND k.effective_expires_at > ? AND k.suspended_at IS NULL AND k.grace_expires_at IS NULL", "k.id DESC", s.ProjectID, Ahead(0)))
	case "scope-rare":
		only(holders("organization_id", "", organization, anyOf(filter)[0]))
	case "scope-common", "scope-absent":
		only(holders("project_id", "", s.ProjectID, anyOf(filter)[0]))
	case "scopes-any":
		only(holdersOfAny(s.ProjectID, anyOf(filter)))
	case "scopes-all", "scopes-all-sparse", "scopes-all-growing":
		only(holdersOfBoth(s.ProjectID, q.All[1], q.All[0])) // the first is the commoner
	case "scopes-grants":
		only(holdersOfAny(s.ProjectID, scope.Covering(listed(filter, "grants")[0])))
	case "scopes-none":
		only(keys("k.project_id = ? AND NOT EXISTS (SELECT 1 FROM key_scopes s WHERE s.key_id = k.id AND s.scope = ?)", "k.id DESC", s.ProjectID, listed(filter, "none")[0]))
	case "expiring":
		only(keys("k.organization_id = ? AND k.effective_expires_at > ? AND k.effective_expires_at < ?", "k.effective_expires_at, k.id",
			organization, Ahead(0), ahead(filter, "expiringWithin", 1)))
	case "unused":
		since := ahead(filter, "unusedFor", -1)
		only(keys("k.project_id = ? AND k.last_used_at < ?", "k.last_used_at, k.id", s.ProjectID, since),
			keys("k.project_id = ? AND k.last_used_at IS NULL AND k.created_at < ?", "k.id", s.ProjectID, since))
	case "endless":
		only(keys("k.project_id = ? AND k.expires_at IS NULL", "k.id DESC", s.ProjectID))
	case "owner":
		only(keys("k.owner_id = ?", "k.id DESC", s.OwnerID))
	case "key-prefix":
		only(keys("k.key_prefix = ?", "k.id DESC", s.KeyPrefix))
	case "name-prefix":
		prefix := strings.ToLower(filter["nameStartsWith"].(string))
		only(keys("k.project_id = ? AND k.name_folded >= ? AND k.name_folded < ?", "k.name_folded, k.id", s.ProjectID, prefix, prefix+"\U0010FFFF"))
	case "rotation-due":
		only(keys("k.project_id = ? AND k.next_rotation_at < ?", "k.next_rotation_at, k.id", s.ProjectID, filter["rotationDueBefore"]))
	case "deep":
		if q.Behind == "" {
			only(keys("k.project_id = ?", "k.id DESC", s.ProjectID))
		} else {
			only(keys("k.project_id = ? AND k.id < ?", "k.id DESC", s.ProjectID, q.Behind))
		}
	case "backward":
		f.Reversed = true
		only(keys("k.project_id = ? AND k.id > ?", "k.id", s.ProjectID, q.Behind))
	case "count":
		only(holders("project_id", "", s.ProjectID, anyOf(filter)[0]))
		f.Count = new(ask("SELECT count(*) FROM (SELECT 1 FROM key_scopes s JOIN api_keys k ON k.id = s.key_id WHERE s.project_id = ? AND s.scope = ? AND k.pending_since IS NULL LIMIT ?) held", s.ProjectID, anyOf(filter)[0]))
	default:
		return f, fmt.Errorf("no floor is known of the query %s", q.Name)
	}
	return f, nil
}

func anyOf(filter map[string]any) []string { return listed(filter, "any") }

// listed is one list of scopes of a filter.
func listed(filter map[string]any, name string) []string {
	return filter["scopes"].(map[string]any)[name].([]string)
}

// ahead is how far an instant is from the present that a filter names by a period of days.
func ahead(filter map[string]any, name string, direction int) Ahead {
	begin := time.UnixMicro(0).UTC()
	return Ahead(direction * int(lifecycle.MustPeriod(filter[name].(string)).From(begin).Sub(begin)))
}

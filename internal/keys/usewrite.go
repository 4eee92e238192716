package keys

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/internal/store"
)

// usesPerStatement are how many uses a statement writes, so that few statements are prepared: those that are
// too few are filled up with the last one.
var usesPerStatement = [...]int{1, 16, usesPerWrite}

// usedColumns are those of a use in a statement, and their types in PostgreSQL: `due` is when the use before may
// have been at the latest, `ends` the end by disuse that follows, `look` when the key is to be looked at.
var usedColumns = [...][2]string{
	{"id", "text"},
	{"digest", "bytea"},
	{"at", "timestamptz"},
	{"due", "timestamptz"},
	{"ends", "timestamptz"},
	{"look", "timestamptz"},
	{"ip", "text"},
}

const (
	// moved are the keys whose last use is moved: a key past its end stays dead, whatever is written.
	moved = "api_keys.id = used.id AND api_keys.digest = used.digest" +
		" AND (api_keys.last_used_at IS NULL OR api_keys.last_used_at <= used.due)" +
		" AND (api_keys.inactivity_expires_at IS NULL OR api_keys.inactivity_expires_at > used.at)"
	// prolonged are those among them that do not end earlier by it: others may go on with an end that is too
	// early, which they check. A policy that has become stricter since makes it earlier.
	prolonged = "(used.ends IS NULL OR api_keys.inactivity_expires_at IS NOT NULL AND api_keys.inactivity_expires_at <= used.ends)"

	moveUsed = "UPDATE api_keys SET authenticated_at = coalesce(authenticated_at, used.at), last_used_at = used.at, unused_since = NULL," +
		" last_used_ip = used.ip, inactivity_expires_at = used.ends," +
		" look_at = CASE WHEN used.look IS NULL THEN look_at WHEN look_at < used.look THEN look_at ELSE used.look END" +
		" FROM used WHERE " + moved
	moveProlonged = moveUsed + " AND " + prolonged
	listShortened = "SELECT api_keys.id FROM used JOIN api_keys ON " + moved + " AND NOT " + prolonged
)

// writeUses writes uses of different keys, usesPerWrite at most, each under the policy that binds its key, and
// unless the key has another text by now, ended, or was used after it or shortly before.
func writeUses(ctx context.Context, tx *store.Tx, batch []lastUse) error {
	var organizations, projects []string
	for _, one := range batch {
		organizations, projects = append(organizations, one.organizationID), append(projects, one.projectID)
	}
	slices.Sort(organizations)
	slices.Sort(projects)
	policies, err := policiesOf(ctx, tx, slices.Compact(organizations), slices.Compact(projects))
	if err != nil {
		return err
	}
	done, err := tx.ExecContext(store.Beside(ctx), useStatement(tx.Dialect(), len(batch), moveProlonged), useArgs(batch, policies)...)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || int(n) == len(batch) {
		return err
	}
	rows, err := tx.QueryContext(store.Beside(ctx), useStatement(tx.Dialect(), len(batch), listShortened), useArgs(batch, policies)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	shortened := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		shortened[id] = true
	}
	if err := rows.Err(); err != nil || len(shortened) == 0 {
		return err
	}
	batch = slices.DeleteFunc(slices.Clone(batch), func(one lastUse) bool { return !shortened[one.id] })
	_, err = tx.ExecContext(ctx, useStatement(tx.Dialect(), len(batch), moveUsed), useArgs(batch, policies)...)
	return err
}

// atATime is with how many uses n are written.
func atATime(n int) int {
	return usesPerStatement[slices.IndexFunc(usesPerStatement[:], func(most int) bool { return n <= most })]
}

// useStatements are the statements made up to now.
var useStatements sync.Map

// useStatement is a statement about n uses, on PostgreSQL and SQLite alike: a table `used` of values, and what is
// done with it.
func useStatement(of string, n int, do string) string {
	type kind struct {
		dialect string
		uses    int
		do      string
	}
	k := kind{of, atATime(n), do}
	if made, ok := useStatements.Load(k); ok {
		return made.(string)
	}
	var names []string
	for _, column := range usedColumns {
		names = append(names, column[0])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "WITH used (%s) AS (VALUES ", strings.Join(names, ", "))
	for use := range k.uses {
		if use > 0 {
			b.WriteString(", ")
		}
		for i, column := range usedColumns {
			b.WriteString(map[bool]string{true: "(", false: ", "}[i == 0])
			switch {
			case of != dialect.Postgres:
				b.WriteString("?")
			case use == 0: // the types of the first row are those of all
				fmt.Fprintf(&b, "$%d::%s", i+1, column[1])
			default:
				fmt.Fprintf(&b, "$%d", use*len(usedColumns)+i+1)
			}
		}
		b.WriteString(")")
	}
	fmt.Fprintf(&b, ") %s", do)
	useStatements.Store(k, b.String())
	return b.String()
}

func useArgs(batch []lastUse, policies map[string]Policy) (args []any) {
	for i := range atATime(len(batch)) {
		one := batch[min(i, len(batch)-1)]
		policy := policies[one.projectID]
		ends := policy.inactivityEnd(one.at)
		var ip *string
		if one.ip.IsValid() {
			ip = new(one.ip.Unmap().String())
		}
		args = append(args, one.id, one.digest[:], one.at, one.at.Add(-useInterval), ends, policy.lookAfter(one, ends), ip)
	}
	return args
}

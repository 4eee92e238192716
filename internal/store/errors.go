package store

import (
	"errors"
	"slices"
	"strings"

	"entgo.io/ent/dialect/sql/schema"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/migrate"
)

// IsNotFound reports that a row is missing, or hidden from the caller by ent/policy.
func IsNotFound(err error) bool { return db.IsNotFound(err) }

// Violates reports that err is a violation of the rule that columns, in the order of their index or
// primary key, are unique in table.
func Violates(err error, table string, columns ...string) bool {
	if e := pq.As(err, pqerror.UniqueViolation); e != nil {
		return e.Table == table && e.Constraint == uniqueIndex(table, columns)
	}
	var e *sqlite.Error
	if !errors.As(err, &e) || e.Code() != sqlite3.SQLITE_CONSTRAINT_UNIQUE && e.Code() != sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY {
		return false
	}
	// … UNIQUE constraint failed: key_families.owner_id, key_families.description (2067)
	return strings.Contains(e.Error(), "failed: "+table+"."+strings.Join(columns, ", "+table+".")+" (")
}

// IsInterrupted reports that a statement was given up because its context had ended.
func IsInterrupted(err error) bool {
	if pq.As(err, pqerror.QueryCanceled) != nil {
		return true
	}
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_INTERRUPT
}

// uniqueIndex is the name that PostgreSQL knows the rule by; empty when there is no such rule.
func uniqueIndex(table string, columns []string) string {
	for _, t := range migrate.Tables {
		if t.Name != table {
			continue
		}
		if slices.Equal(names(t.PrimaryKey), columns) {
			return table + "_pkey"
		}
		for _, index := range t.Indexes {
			if index.Unique && slices.Equal(names(index.Columns), columns) {
				return index.Name
			}
		}
		for _, column := range t.Columns {
			if column.Unique && slices.Equal([]string{column.Name}, columns) {
				return table + "_" + column.Name + "_key"
			}
		}
	}
	return ""
}

func names(columns []*schema.Column) []string {
	list := make([]string, len(columns))
	for i, column := range columns {
		list[i] = column.Name
	}
	return list
}

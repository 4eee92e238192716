// Package migrations holds the versioned migrations of both databases as goose files. They are
// written by `go run ./ent/migrations/generate -name …` from ent/schema and never edited once
// released; atlas.sum notices when two branches added one at the same time.
package migrations

import (
	"embed"
	"io/fs"

	"entgo.io/ent/dialect"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// FS returns the migrations for one of ent's dialects.
func FS(name string) (fs.FS, error) {
	if name == dialect.SQLite {
		name = "sqlite"
	}
	return fs.Sub(files, name)
}

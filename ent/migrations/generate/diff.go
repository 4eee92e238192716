package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"ariga.io/atlas/sql/migrate"
	atlas "ariga.io/atlas/sql/schema"
	"ariga.io/atlas/sql/sqltool"
	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/schema"
	"entgo.io/ent/schema/field"
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"

	tables "github.com/keytag/keytag/ent/db/migrate"
)

// diff writes into dir the migration that leads from the files there to the ent schema, or returns
// migrate.ErrNoPlan. at is the file of an empty SQLite database or the URL of a PostgreSQL server.
func diff(ctx context.Context, name, at, dir, version, title string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files, err := sqltool.NewGooseDir(dir)
	if err != nil {
		return err
	}
	if err := seal(files); err != nil {
		return err
	}
	dev, remove, err := empty(ctx, name, at)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	planner, err := schema.NewMigrate(entsql.OpenDB(name, dev),
		schema.WithDir(files), schema.WithFormatter(formatter{version}),
		schema.WithMigrationMode(schema.ModeReplay), schema.WithErrNoPlan(true),
		schema.WithDropColumn(true), schema.WithDropIndex(true), schema.WithIndent("  "),
		schema.WithDiffHook(generated(name)))
	if err != nil {
		return err
	}
	desired, err := schema.CopyTables(tables.Tables)
	if err != nil {
		return err
	}
	if name == dialect.Postgres {
		orderByBytes(desired)
	}
	return planner.NamedDiff(ctx, title, desired...)
}

// seal gives an empty directory its checksum file, which Atlas wants to see before the first plan.
func seal(dir *sqltool.GooseDir) error {
	if files, err := dir.Files(); err != nil || len(files) > 0 {
		return err
	}
	return writeSum(dir)
}

func writeSum(dir *sqltool.GooseDir) error {
	sum, err := dir.Checksum()
	if err != nil {
		return err
	}
	return migrate.WriteSumFile(dir, sum)
}

// formatter writes goose files under one version for both databases.
type formatter struct{ version string }

func (f formatter) Format(plan *migrate.Plan) ([]migrate.File, error) {
	files, err := sqltool.GooseFormatter.Format(plan)
	if err != nil {
		return nil, err
	}
	for i, file := range files {
		files[i] = migrate.NewLocalFile(f.version+"_"+plan.Name+".sql", file.Bytes())
	}
	return files, nil
}

// orderByBytes makes ids and names order alike on both databases, whatever the server's locale.
func orderByBytes(tables []*schema.Table) {
	for _, table := range tables {
		for _, column := range table.Columns {
			if column.Type == field.TypeString {
				column.Collation = "C"
			}
		}
	}
}

// effectiveExpiresAt is the earliest end of a key (lifecycle.Evaluate), the last microsecond of the
// year 9999 when it has none, so that ordering by it never meets NULL. Written as the database
// itself prints it, since the next diff compares the texts. On SQLite instants are microseconds.
var effectiveExpiresAt = map[string]string{
	dialect.Postgres: "LEAST(expires_at, inactivity_expires_at, grace_expires_at, revoked_at, " +
		"'9999-12-31 23:59:59.999999+00'::timestamp with time zone)",
	dialect.SQLite: "min(" + strings.Join([]string{
		"coalesce(expires_at, 253402300799999999)", "coalesce(inactivity_expires_at, 253402300799999999)",
		"coalesce(grace_expires_at, 253402300799999999)", "coalesce(revoked_at, 253402300799999999)",
	}, ", ") + ")",
}

// generated turns the columns that ent cannot express into stored generated ones.
func generated(name string) schema.DiffHook {
	return func(next schema.Differ) schema.Differ {
		return schema.DiffFunc(func(current, desired *atlas.Schema) ([]atlas.Change, error) {
			keys, ok := desired.Table("api_keys")
			if !ok {
				return nil, errors.New("the schema has no table api_keys")
			}
			column, ok := keys.Column("effective_expires_at")
			if !ok {
				return nil, errors.New("api_keys has no column effective_expires_at")
			}
			column.Type.Null = false
			column.SetGeneratedExpr(&atlas.GeneratedExpr{Expr: effectiveExpiresAt[name], Type: "STORED"})
			return next.Diff(current, desired)
		})
	}
}

// empty opens an empty database to replay migrations into, and returns how to be rid of it.
func empty(ctx context.Context, name, at string) (*sql.DB, func() error, error) {
	if name == dialect.SQLite {
		db, err := sql.Open("sqlite", at+"?_pragma=foreign_keys(1)")
		if err != nil {
			return nil, nil, err
		}
		return db, db.Close, nil
	}
	server, err := sql.Open("postgres", at)
	if err != nil {
		return nil, nil, err
	}
	database := "keytag_generate_" + strings.ToLower(rand.Text())
	if _, err := server.ExecContext(ctx, "CREATE DATABASE "+database); err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	address, err := url.Parse(at)
	if err != nil {
		return nil, nil, errors.Join(errors.New("KEYTAG_TEST_POSTGRES_URL is not a URL"), server.Close())
	}
	address.Path = "/" + database
	query := address.Query()
	query.Set("timezone", "UTC")
	address.RawQuery = query.Encode()
	db, err := sql.Open("postgres", address.String())
	if err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	remove := func() error {
		_, err := server.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", database))
		return errors.Join(db.Close(), err, server.Close())
	}
	return db, remove, nil
}

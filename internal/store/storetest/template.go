package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/ent/migrations"
	"github.com/keytag/keytag/internal/store"
)

// sqliteImage is the file of a migrated database, made once per test process.
var sqliteImage = sync.OnceValues(func() (image []byte, err error) {
	dir, err := os.MkdirTemp("", "keytag-template-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "template.db")
	// Closing folds the journal into the file.
	if err := migrate(context.Background(), "sqlite://"+file); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

// templateLock is the advisory lock under which test processes make templates.
const templateLock = 0x6b657974

// postgresTemplate is the name of a migrated database, made once per server and set of migrations;
// test packages that run side by side wait for the first of them.
var postgresTemplate = sync.OnceValues(func() (name string, err error) {
	admin, server, err := connectServer()
	if err != nil {
		return "", err
	}
	digest, err := migrationsDigest()
	if err != nil {
		return "", err
	}
	ctx := context.Background()
	session, err := admin.Conn(ctx)
	if err != nil {
		return "", err
	}
	defer session.Close()
	if _, err := session.ExecContext(ctx, "SELECT pg_advisory_lock($1)", templateLock); err != nil {
		return "", err
	}
	defer func() {
		_, unlockErr := session.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", templateLock)
		err = errors.Join(err, unlockErr)
	}()
	name = "keytag_template_" + digest
	var exists bool
	if err := session.QueryRowContext(ctx,
		"SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil || exists {
		return name, err
	}
	// Only a finished template gets the name; an unfinished one is of a process that was killed.
	unfinished := name + "_unfinished"
	for _, statement := range []string{
		"DROP DATABASE IF EXISTS " + unfinished + " WITH (FORCE)",
		"CREATE DATABASE " + unfinished + " TEMPLATE template0",
	} {
		if _, err := session.ExecContext(ctx, statement); err != nil {
			return "", err
		}
	}
	if err := migrate(ctx, at(server, unfinished)); err != nil {
		return "", err
	}
	_, err = session.ExecContext(ctx, "ALTER DATABASE "+unfinished+" RENAME TO "+name)
	return name, err
})

func migrate(ctx context.Context, url string) error {
	s, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	return errors.Join(s.Migrate(ctx), s.Close())
}

// migrationsDigest tells one set of PostgreSQL migrations from another.
func migrationsDigest() (string, error) {
	files, err := migrations.FS(dialect.Postgres)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	err = fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		hash.Write([]byte(path))
		hash.Write(content)
		return err
	})
	return hex.EncodeToString(hash.Sum(nil)[:8]), err
}

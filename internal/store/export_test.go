package store

// MigrateFiles is Migrate with files of the test's own.
var MigrateFiles = (*Store).migrate

// Package model holds the Go shapes of the schema that no other package owns.
package model

// Node is whatever has an id of its own: rows of ent/db and keys.View.
type Node interface{ IsNode() }

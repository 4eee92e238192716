// Package ent holds the storage: schema and policy by hand, db written by the generator.
package ent

//go:generate go tool ent generate --target db --feature sql/execquery,sql/lock,sql/modifier --template template/wherep.tmpl --template template/node.tmpl --template template/scan.tmpl --template template/lookup.tmpl ./schema

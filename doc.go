// Package keytag is the root of a self-hosted GraphQL server for the whole life of API keys. The
// program is in cmd/keytag, the contract in schema.graphqls, the layout in docs/architecture.md.
package keytag

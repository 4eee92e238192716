package graph_test

import (
	"fmt"
	"testing"

	"github.com/keytag/keytag/internal/store/storetest"
)

// Over HTTP on loopback, one connection, the database asked for every request.
func BenchmarkRequest(b *testing.B) {
	for _, dialect := range []string{"sqlite3", "postgres"} {
		b.Run(dialect, func(b *testing.B) {
			s := newSite(b, storetest.Open(b, dialect))
			for i := range 60 {
				s.create(s.admin, map[string]any{"name": fmt.Sprint("key ", i), "scopes": []string{"deploy:write"}})
			}
			for name, query := range map[string]string{
				"viewerKey": `{ viewerKey { id name status scopes expiresAt effectiveExpiresAt endsBecause expiresInSeconds createdAt lastUsedAt } }`,
				"listPage":  `{ apiKeys(first: 50, filter: {scopes: {grants: ["deploy:write"]}}) { nodes { id name status scopes effectiveExpiresAt owner { login } project { name } } pageInfo { endCursor } } }`,
			} {
				b.Run(name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if a := s.ask(s.admin, query, nil); len(a.Errors) > 0 {
							b.Fatal(a.text)
						}
						s.spoken.Reset()
					}
				})
			}
		})
	}
}

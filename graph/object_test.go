package graph_test

import (
	"testing"

	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

// Each name is written once, in the order it is first asked for, also when it is asked for of an interface
// and of the object; and what may come later comes at once, there being no later.
func TestObjectsOfAResponse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		s := newSite(t, st)
		id := s.ask(s.admin, `{ viewerKey { id } }`, nil).str(t, "viewerKey", "id")
		for query, want := range map[string]string{
			`query ($id: ID!) { node(id: $id) { id __typename ... on ApiKey { name id generation } ... on Node { id } } }`:  `{"data":{"node":{"id":"` + id + `","__typename":"ApiKey","name":"First administrator key","generation":1}}}`,
			`query ($id: ID!) { node(id: $id) { ... on ApiKey { generation id } ... on Node { id } n: id } }`:               `{"data":{"node":{"generation":1,"id":"` + id + `","n":"` + id + `"}}}`,
			`query ($id: ID!) { node(id: $id) { id ... @defer(label: "rest") { ... on ApiKey { name owner { role } } } } }`: `{"data":{"node":{"id":"` + id + `","name":"First administrator key","owner":{"role":"ADMIN"}}}}`,
		} {
			if a := s.ask(s.admin, query, map[string]any{"id": id}); a.text != want {
				t.Errorf("%s: %s, want %s", query, a.text, want)
			}
		}
	})
}

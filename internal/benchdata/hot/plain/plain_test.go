package plain_test

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/benchdata/hot/plain"
)

// Both ways answer the same.
func TestPlain(t *testing.T) {
	end, because := time.Now().Add(time.Hour).UTC(), "LIFETIME"
	keys := plain.Keys{sha256.Sum256([]byte("text")): &plain.Key{
		ID: "key_1", Name: "name", Status: "ACTIVE", Scopes: []string{"a", "b"}, ExpiresAt: &end, EffectiveExpiresAt: &end, EndsBecause: &because, CreatedAt: time.Now().UTC(),
	}}
	ask := func(handler http.Handler, text string) (int, any) {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(
			`{"query":"{ viewerKey { id name status scopes expiresAt effectiveExpiresAt endsBecause expiresInSeconds createdAt lastUsedAt } }"}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+text)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		var answer any
		_ = json.Unmarshal(w.Body.Bytes(), &answer)
		return w.Code, answer
	}
	_, byHand := ask(keys.ByHand(), "text")
	_, byGqlgen := ask(keys.Gqlgen(), "text")
	key, _ := byHand.(map[string]any)["data"].(map[string]any)["viewerKey"].(map[string]any)
	if !reflect.DeepEqual(byHand, byGqlgen) || key["id"] != "key_1" || key["expiresInSeconds"] != 3599. || len(key) != 10 {
		t.Errorf("by hand %v, by gqlgen %v", byHand, byGqlgen)
	}
	if code, _ := ask(keys.ByHand(), "other"); code != http.StatusUnauthorized {
		t.Error(code)
	}
}

// Package plain answers viewerKey from a map in two ways, to compare keytag with: by a handler of net/http, and
// by gqlgen as it comes.
package plain

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"
)

// Key is what viewerKey answers.
type Key struct {
	ID                 string     `json:"id"`
	Name               string     `json:"name"`
	Status             string     `json:"status"`
	Scopes             []string   `json:"scopes"`
	ExpiresAt          *time.Time `json:"expiresAt"`
	EffectiveExpiresAt *time.Time `json:"effectiveExpiresAt"`
	EndsBecause        *string    `json:"endsBecause"`
	ExpiresInSeconds   *int       `json:"expiresInSeconds"`
	CreatedAt          time.Time  `json:"createdAt"`
	LastUsedAt         *time.Time `json:"lastUsedAt"`
}

// now is the key as it is shown now.
func (k *Key) now() *Key {
	shown := *k
	if k.EffectiveExpiresAt != nil {
		shown.ExpiresInSeconds = new(max(0, int(time.Until(*k.EffectiveExpiresAt)/time.Second)))
	}
	return &shown
}

// Keys are those of texts, by their digest.
type Keys map[[sha256.Size]byte]*Key

func (k Keys) of(r *http.Request) *Key {
	text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return k[sha256.Sum256([]byte(text))]
}

// ByHand is a handler that reads the body and writes the JSON.
func (k Keys) ByHand() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request struct{ Query string }
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &request) != nil || request.Query == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		found := k.of(r)
		if found == nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"viewerKey": found.now()}}) // the client has gone
	})
}

type callerKey struct{}

// Gqlgen is what gqlgen's NewDefaultServer makes, without websockets.
func (k Keys) Gqlgen() http.Handler {
	server := handler.New(NewExecutableSchema(Config{Resolvers: resolver{}}))
	server.AddTransport(transport.Options{})
	server.AddTransport(transport.GET{})
	server.AddTransport(transport.POST{})
	server.AddTransport(transport.MultipartForm{})
	server.SetQueryCache(lru.New[*ast.QueryDocument](1000))
	server.Use(extension.Introspection{})
	server.Use(extension.AutomaticPersistedQuery{Cache: lru.New[string](100)})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, k.of(r))))
	})
}

type resolver struct{}

func (r resolver) Query() QueryResolver { return r }

// ViewerKey is the key that was presented.
func (resolver) ViewerKey(ctx context.Context) (*Key, error) {
	found, _ := ctx.Value(callerKey{}).(*Key)
	if found == nil {
		return nil, nil
	}
	return found.now(), nil
}

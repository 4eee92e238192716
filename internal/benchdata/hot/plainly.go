package main

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"

	"github.com/keytag/keytag/internal/benchdata/hot/plain"
)

// Arguments of the processes that keytag is compared with.
const byHand, byGqlgen = "by-hand", "by-gqlgen"

// servePlain answers from the map that comes on standard input, and at /allocations how many objects and bytes
// were allocated up to now.
func servePlain(context.Context) error {
	var keys plain.Keys
	if err := gob.NewDecoder(os.Stdin).Decode(&keys); err != nil {
		return err
	}
	debug.SetGCPercent(400) // as keytag does
	mux := http.NewServeMux()
	mux.Handle("POST /graphql", map[string]http.Handler{byHand: keys.ByHand(), byGqlgen: keys.Gqlgen()}[os.Args[1]])
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	slog.New(slog.NewJSONHandler(os.Stderr, nil)).Info("listening", "address", listener.Addr().String())
	return http.Serve(listener, mux)
}

// viewed is the key of an answer to viewerKey.
func viewed(body []byte) (*plain.Key, error) {
	var answer struct {
		Data struct{ ViewerKey *plain.Key }
	}
	err := json.Unmarshal(body, &answer)
	return answer.Data.ViewerKey, err
}

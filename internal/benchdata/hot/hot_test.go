package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/benchdata"
	"github.com/keytag/keytag/internal/benchdata/rig"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/telemetry"
)

// The handler alone, from the request to the answer, without what net/http does around it.
func BenchmarkHandler(b *testing.B) {
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	url := "sqlite://" + filepath.Join(b.TempDir(), "hot.db")
	if err := rig.Fill(ctx, url, benchdata.Options{Keys: 1000, Seed: seed, Now: time.Now()}); err != nil {
		b.Fatal(err)
	}
	s, err := store.Open(ctx, url)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	go s.Follow(ctx, slog.New(slog.DiscardHandler))
	if err := remembering(s); err != nil {
		b.Fatal(err)
	}
	keytag := wholly(s, telemetry.Logger(telemetry.NewLines(io.Discard), "info", "json"))
	text := benchdata.AdminKeyText(seed, 0)
	for name, body := range map[string][]byte{
		"viewerKey":    rig.Body(viewerKey, nil),
		"verifyApiKey": rig.Body(verifyAPIKey, map[string]any{"secret": text}),
	} {
		b.Run(name, func(b *testing.B) {
			r := request(text)
			w := &nowhere{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
				clear(w.header)
				keytag.ServeHTTP(w, r)
			}
		})
	}
}

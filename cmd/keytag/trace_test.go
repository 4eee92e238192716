package main

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	v1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/store/storetest"
)

// collecting is a receiver of traces by OTLP over HTTP.
type collecting struct {
	url   string
	mu    sync.Mutex
	raw   bytes.Buffer
	spans []*v1.Span
	bad   error
}

func collect(t *testing.T) *collecting {
	c := &collecting{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(r.Body)
		}
		raw, err := io.ReadAll(body)
		var request collector.ExportTraceServiceRequest
		c.mu.Lock()
		defer c.mu.Unlock()
		if err == nil {
			err = proto.Unmarshal(raw, &request)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			c.bad = err
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.raw.Write(raw)
		evidence.Keep(evidence.Traces, raw)
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

func (c *collecting) named(name string) *v1.Span {
	i := slices.IndexFunc(c.spans, func(s *v1.Span) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return c.spans[i]
}

// A request is a span of the trace that its client has begun, and its statements are parts of it; none holds a secret
// or what the client wrote.
func TestTraces(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		t.Parallel()
		to := collect(t)
		s := &shell{t: t, dir: t.TempDir()}
		s.server = serve(t, storetest.Migrated(t, dialect), []string{"KEYTAG_BOOTSTRAP_KEY_FILE=" + s.path("admin"), "OTEL_EXPORTER_OTLP_ENDPOINT=" + to.url})
		s.url = s.server.url
		s.make("confidential-name", "--scope", "deploy:write")

		const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
		request, err := http.NewRequest(http.MethodPost, s.url+"/graphql", strings.NewReader(`{"query": "query confidentialOperation { viewerKey { id } }"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+s.read("confidential-name"))
		request.Header.Set("Traceparent", "00-"+traceID+"-00f067aa0ba902b7-01")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		s.server.stop(t, syscall.SIGTERM) // what is left is sent

		to.mu.Lock()
		defer to.mu.Unlock()
		if to.bad != nil {
			t.Fatal(to.bad)
		}
		created, viewed, read := to.named("GraphQL createApiKey"), to.named("GraphQL viewerKey"), to.named("SELECT")
		if created == nil || viewed == nil || read == nil {
			t.Fatalf("%d spans: %v", len(to.spans), to.spans)
		}
		parts := 0
		for _, span := range to.spans {
			if bytes.Equal(span.ParentSpanId, created.SpanId) && span.Name == "INSERT" {
				parts++
			}
		}
		if parts == 0 {
			t.Error("no statement is a part of the request that sent it")
		}
		seen := false
		for _, span := range to.spans {
			seen = seen || span.Name == "GraphQL viewerKey" && hex.EncodeToString(span.TraceId) == traceID
		}
		if !seen {
			t.Error("the client's trace is not gone on with")
		}
		for what, text := range map[string]string{"a key": s.read("confidential-name"), "the administrator's key": s.read("admin"), "a variable": "confidential-name", "an operation": "confidentialOperation"} {
			if bytes.Contains(to.raw.Bytes(), []byte(text)) {
				t.Errorf("%s is in a trace", what)
			}
		}
	})
}

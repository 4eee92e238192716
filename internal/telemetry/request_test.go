package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
)

func TestRequestFromContext(t *testing.T) {
	if id := RequestID(context.Background()); id != "" {
		t.Errorf("outside of a request the id is %q", id)
	}
	Annotate(context.Background(), slog.String("k", "v"))

	ctx := WithRequest(context.Background(), &Request{ID: "r1", UserAgent: "curl"})
	if id, agent := RequestID(ctx), RequestFrom(ctx).UserAgent; id != "r1" || agent != "curl" {
		t.Errorf("id %q, agent %q", id, agent)
	}
}

func TestAnnotateReplacesByKey(t *testing.T) {
	r := &Request{}
	ctx := WithRequest(context.Background(), r)
	Annotate(ctx, slog.String("operation", "A"), slog.Int("n", 1))
	Annotate(ctx, slog.String("operation", "B"))
	if got := fmt.Sprint(r.Attrs(nil)); got != "[operation=B n=1]" {
		t.Errorf("attrs = %s", got)
	}
}

func TestAnnotateConcurrently(t *testing.T) {
	r := &Request{}
	ctx := WithRequest(context.Background(), r)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { Annotate(ctx, slog.Int(fmt.Sprint(i), i)) })
	}
	wg.Wait()
	if n := len(r.Attrs(nil)); n != 50 {
		t.Errorf("%d attributes, want 50", n)
	}
}

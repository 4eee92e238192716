package graph

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/fault"
)

// What is not made to be told is logged and masked.
func TestUnknownErrorsAreMasked(t *testing.T) {
	var log bytes.Buffer
	shown := presenter(slog.New(slog.NewTextHandler(&log, nil)))(t.Context(), errors.New("pq: password authentication failed"))
	if shown.Extensions["code"] != codeInternal || strings.Contains(shown.Message, "pq") || shown.Unwrap() != nil {
		t.Errorf("%+v", shown)
	}
	if !strings.Contains(log.String(), "password authentication failed") {
		t.Errorf("the log lacks the cause: %s", log.String())
	}
}

// What fails since the request ends is no fault of ours; what a caller may know keeps its code even then.
func TestAnEndedRequestIsNoFault(t *testing.T) {
	left, leave := context.WithCancel(t.Context())
	leave()
	late, end := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer end()
	for _, c := range []struct {
		ctx  context.Context
		err  error
		code string
	}{
		{left, errors.New("pq: canceling statement due to user request"), "request.interrupted"},
		{late, errors.New("interrupted (9)"), "request.timed_out"},
		{late, fault.Forbidden("no"), fault.CodeForbidden},
		{t.Context(), context.Canceled, codeInternal},
	} {
		var log bytes.Buffer
		shown := presenter(slog.New(slog.NewTextHandler(&log, nil)))(c.ctx, c.err)
		if shown.Extensions["code"] != c.code || strings.Contains(log.String(), "msg=fault") != (c.code == codeInternal) {
			t.Errorf("%v: %+v, %s", c.err, shown, log.String())
		}
	}
}

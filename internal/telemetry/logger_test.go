package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
)

const (
	prefix = "ktg_4fQ9xT2aB1"
	hidden = "0123456789abcdefghijABCDEFGHIJ01crc32X"
	key    = prefix + "_" + hidden
)

type credentials struct {
	Key    string
	Nested map[string][]string
}

type stringer struct{ text string }

func (s stringer) String() string { return s.text }

type valuer struct{ text string }

func (v valuer) LogValue() slog.Value { return slog.GroupValue(slog.String("inner", v.text)) }

func TestLoggerNeverWritesAKey(t *testing.T) {
	cases := map[string]func(*slog.Logger){
		"message":           func(l *slog.Logger) { l.Info("key " + key + " refused") },
		"string":            func(l *slog.Logger) { l.Info("m", "k", key) },
		"attribute name":    func(l *slog.Logger) { l.Info("m", key, "v") },
		"inside other text": func(l *slog.Logger) { l.Info("m", "k", "a"+key+"b") },
		"several":           func(l *slog.Logger) { l.Info("m", "k", key+","+key) },
		"error":             func(l *slog.Logger) { l.Error("m", "err", fmt.Errorf("wrap: %w", errors.New(key))) },
		"group":             func(l *slog.Logger) { l.Info("m", slog.Group("g", slog.Group("h", slog.String("k", key)))) },
		"group name":        func(l *slog.Logger) { l.WithGroup(key).Info("m", "k", 1) },
		"with":              func(l *slog.Logger) { l.With("k", key).Info("m") },
		"struct":            func(l *slog.Logger) { l.Info("m", "k", credentials{Key: key, Nested: map[string][]string{key: {key}}}) },
		"pointer":           func(l *slog.Logger) { l.Info("m", "k", &credentials{Key: key}) },
		"bytes":             func(l *slog.Logger) { l.Info("m", "k", []byte(key)) },
		"stringer":          func(l *slog.Logger) { l.Info("m", "k", stringer{key}) },
		"valuer":            func(l *slog.Logger) { l.Info("m", "k", valuer{key}) },
		"raw json":          func(l *slog.Logger) { l.Info("m", "k", json.RawMessage(`"`+key+`"`)) },
		"escaped around":    func(l *slog.Logger) { l.Info("m", "k", "\n\""+key+"\"\t<") },
	}
	for name, log := range cases {
		for _, format := range []string{"text", "json"} {
			t.Run(name+"/"+format, func(t *testing.T) {
				var out bytes.Buffer
				log(Logger(&out, "debug", format))
				if out.Len() == 0 {
					t.Fatal("nothing was logged")
				}
				if strings.Contains(out.String(), hidden) {
					t.Errorf("key in log: %s", &out)
				}
			})
		}
	}
}

func TestRedactKeepsThePublicPrefix(t *testing.T) {
	cases := []struct{ in, want string }{
		{key, prefix + "_[redacted]"},
		{"a " + key + ", b " + key + ".", "a " + prefix + "_[redacted], b " + prefix + "_[redacted]."},
		{"prefix alone: " + prefix, "prefix alone: " + prefix},
		{prefix + "_" + hidden[:37], prefix + "_" + hidden[:37]},
		{"", ""},
	}
	for _, c := range cases {
		if got := Redact(c.in); got != c.want {
			t.Errorf("Redact(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestLoggerLevels(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, "info": 3, "warn": 2, "error": 1, "": 3} {
		var out bytes.Buffer
		log := Logger(&out, level, "json")
		log.Debug("m")
		log.Info("m")
		log.Warn("m")
		log.Error("m")
		if got := strings.Count(out.String(), "\n"); got != want {
			t.Errorf("level %q wrote %d lines, want %d", level, got, want)
		}
	}
}

func TestLoggerFormat(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	Logger(file, "info", "").Info("hello")
	written, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(written) {
		t.Errorf("a file that is no terminal should get JSON, got %s", written)
	}

	var out bytes.Buffer
	Logger(&out, "info", "text").Info("hello")
	if !strings.Contains(out.String(), "msg=hello") {
		t.Errorf("text format wrote %s", &out)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestRedactorReportsWriteErrors(t *testing.T) {
	if _, err := (redactor{brokenWriter{}}).Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("err = %v, want %v", err, os.ErrClosed)
	}
}

func TestEverySecretIsMasked(t *testing.T) {
	for secret, want := range map[string]string{
		key: prefix + "_[redacted]",
		"whsec_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO+/=": "whsec_[redacted]",
		"kclaim_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO-_": "kclaim_[redacted]",
	} {
		if got := Redact("a" + secret + " b, " + secret); got != "a"+want+" b, "+want {
			t.Errorf("%s", got)
		}
		for _, format := range []string{"text", "json"} {
			var out bytes.Buffer
			Logger(&out, "debug", format).Error("m", "err", errors.New(secret))
			if strings.Contains(out.String(), secret[len(secret)-30:]) || !strings.Contains(out.String(), want) {
				t.Errorf("%s: %s", format, out.String())
			}
		}
	}
	for _, other := range []string{"whsec_short", "kclaim_", prefix, prefix + "_"} {
		if got := Redact(other); got != other {
			t.Errorf("%s became %s", other, got)
		}
	}
}

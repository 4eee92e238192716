package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

func scrape(t *testing.T) string {
	t.Helper()
	w := httptest.NewRecorder()
	Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(w.Body)
	if err != nil || w.Code != 200 {
		t.Fatal(w.Code, err)
	}
	return string(text)
}

func TestCountingTakesNoMemory(t *testing.T) {
	Answers.Add(Answer{"viewerKey", "ok"})
	if n := testing.AllocsPerRun(100, func() { Answers.Add(Answer{"viewerKey", "ok"}) }); n != 0 {
		t.Errorf("%v objects", n)
	}
}

func TestCountersCountEverything(t *testing.T) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				Lookups.Add("memory")
				Lookups.Add("database")
			}
		})
	}
	all.Wait()
	text := scrape(t)
	for _, want := range []string{`keytag_key_lookups_total{from="memory"} 800`, `keytag_key_lookups_total{from="database"} 800`} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s", want)
		}
	}
}

func TestGaugesAreReadOnceAMinute(t *testing.T) {
	reads := 0
	g := &Gauges{Name: "test_read", Help: "h", Labels: []string{"l"}, Log: slog.New(slog.DiscardHandler), Read: func(context.Context) ([]Reading, error) {
		reads++
		return []Reading{{[]string{"a"}, 7}}, nil
	}}
	broken := &Gauges{Name: "test_broken", Help: "h", Log: slog.New(slog.DiscardHandler), Read: func(context.Context) ([]Reading, error) {
		return nil, errors.New("no database")
	}}
	if err := Register(g, broken); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if text := scrape(t); !strings.Contains(text, `keytag_test_read{l="a"} 7`) || strings.Contains(text, "keytag_test_broken ") {
			t.Error(text)
		}
	}
	if reads != 1 {
		t.Errorf("read %d times", reads)
	}
	if Register(g) == nil {
		t.Error("registered twice")
	}
}

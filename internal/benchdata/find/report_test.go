package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keytag/keytag/internal/benchdata/queries"
	"github.com/keytag/keytag/internal/benchdata/rig"
)

var beginMark, endMark = rig.Marks(tool)

func measured() *results {
	list := []queries.Query{{Name: "newest", What: "newest page"}, {Name: "deep", What: "page 200"}, {Name: "count", What: "total", Grows: true}}
	r := &results{plan: &plan{postgres: "postgres://u:hunter2@h", postgresSizes: []int{10_000, 10_000_000}, seed: 1, runs: 3}}
	for i, size := range r.plan.postgresSizes {
		r.targets = append(r.targets, &target{size: size, queries: list, settings: "PostgreSQL"})
		var timings []timing
		for q := range list {
			of := timing{p50s: []float64{4, float64(2 * (i + q + 1)), 1}, p99s: []float64{9, 9, 9}, floors: []float64{1, 1, .5}, rows: reading{61, 50}}
			of.finish()
			timings = append(timings, of)
		}
		r.timings = append(r.timings, timings)
	}
	return r
}

func TestResultsStandBetweenTheMarks(t *testing.T) {
	docs := t.TempDir()
	path := filepath.Join(docs, document)
	const before, after = "# Performance\n\nBy hand.\n\n", "\n\nBy hand too.\n"
	if err := os.WriteFile(path, []byte(before+beginMark+"\nstale\n"+endMark+after), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := measured().write(docs); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	if !strings.HasPrefix(text, before+beginMark) || !strings.HasSuffix(text, endMark+after) || strings.Contains(text, "stale") || strings.Count(text, beginMark) != 1 {
		t.Errorf("got %s", text)
	}
	// Of 4, 2 and 1 the median is 2, of 4, 4 and 1 it is 4; each run has its own floor.
	for _, want := range []string{
		"| p50 | 10⁴ | 10⁷ | growth 10⁴ → 10⁷ |",
		"| newest page | 2.00 (1.00–4.00) | 4.00 (1.00–4.00) | 2.00× |",
		"| p50 ÷ floor | 10⁴ | 10⁷ |\n|---|---|---|\n| newest page | 2.00 (2.00–4.00) | 4.00 (2.00–4.00) |",
		"| page 200 | 61 ÷ 50 | 61 ÷ 50 |",
		"whatever finds them:\n\n| p50 | 10⁴ | 10⁷ | growth 10⁴ → 10⁷ |\n|---|---|---|---|\n| total | ",
		"FIND_ARGS='--sizes 10000,10000000 --seed 1",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s", want)
		}
	}
	if strings.Contains(text, "hunter2") {
		t.Error("a password is told")
	}
}

func TestPageWithoutMarksIsLeftAlone(t *testing.T) {
	docs := t.TempDir()
	path := filepath.Join(docs, document)
	if err := os.WriteFile(path, []byte("by hand"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := measured().write(docs); err == nil {
		t.Error("no error")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "by hand" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestPlotHasAPanelForEachQuery(t *testing.T) {
	decoder, titles := xml.NewDecoder(strings.NewReader(measured().plot())), 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "text" && len(start.Attr) > 0 && start.Attr[0].Value == "title" {
			titles++
		}
	}
	if titles != 3 {
		t.Errorf("%d panels", titles)
	}
}

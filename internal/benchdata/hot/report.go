package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/keytag/keytag/internal/benchdata/rig"
)

// report is the text between the marks.
func (p plan) report(cases []*kase, list []allocated) string {
	var b strings.Builder
	fmt.Fprintf(&b, `Ratios to the handler of net/http right before and after: the median of %d runs of %g s, and the least and the most. Those of
the handler itself are of one run to the one before: what the machine changes by.
All are asked over %d connections by the same load, whose core never sleeps; viewerKey is asked for 10 fields. CPU is that of
the server's process a request; where PostgreSQL is asked, its own is not counted, though it takes part of the same two cores.

| | requests a second | CPU a request |
|---|---|---|
`, p.runs, p.seconds, p.connections)
	for _, c := range cases {
		if c.runs != nil {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", c.name, rig.SpreadOf(rig.Ratios(each(c.runs, rate), each(c.beside, rate))),
				rig.SpreadOf(rig.Ratios(each(c.runs, cpu), each(c.beside, cpu))))
		}
	}
	b.WriteString("\n| | requests a second | p50, ms | p99, ms | CPU a request, µs | resident, MiB |\n|---|---|---|---|---|---|\n")
	for _, c := range cases {
		if c.runs != nil {
			median := func(of func(figures) float64) float64 { return rig.SpreadOf(each(c.runs, of)).Median }
			fmt.Fprintf(&b, "| %s | %.0f | %.3f | %.3f | %.1f | %.0f |\n", c.name, median(rate), median(p50), median(p99), median(cpu), c.resident)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", asides(cases))
	b.WriteString("\nAllocated for a request by the handler alone, in one process with the load:\n\n| | objects | bytes |\n|---|---|---|\n")
	for _, a := range list {
		fmt.Fprintf(&b, "| %s | %.0f | %.0f |\n", a.name, a.objects, a.bytes)
	}
	fmt.Fprintf(&b, "\n- machine: %d cores, %s; the server on core %d, the load on core %s; %s\n", runtime.NumCPU(), rig.Processor(), serverCore, loadCore, runtime.Version())
	fmt.Fprintf(&b, "- measured on %s by\n\n<!-- not run: takes a quarter of an hour, and the machine to itself -->\n```sh\nmake bench-hot HOT_ARGS='--keys %d --in-turn %d --runs %d --seconds %g --connections %d'\n```\n",
		time.Now().UTC().Format(time.DateOnly), p.most, p.inTurn, p.runs, p.seconds, p.connections)
	return b.String()
}

func rate(f figures) float64 { return f.rate }
func cpu(f figures) float64  { return f.cpu }
func p50(f figures) float64  { return f.p50 }
func p99(f figures) float64  { return f.p99 }

// each is one figure of all runs.
func each(runs []figures, of func(figures) float64) []float64 {
	list := make([]float64, len(runs))
	for i, r := range runs {
		list[i] = of(r)
	}
	return list
}

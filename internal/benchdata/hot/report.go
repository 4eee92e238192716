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
	var bare *kase
	for _, c := range cases {
		if c.name == bareName {
			bare = c
		}
	}
	fmt.Fprintf(&b, `Ratios to the handler of net/http, of runs beside each other: the median of %d runs of %g s, and the least and the most.
All are asked over %d connections by the same load, whose core never sleeps; viewerKey is asked for 10 fields. CPU is that of
the server's process a request; where PostgreSQL is asked, its own is not counted, though it takes part of the same two cores.

| | requests a second | CPU a request |
|---|---|---|
`, p.runs, p.seconds, p.connections)
	for _, c := range cases {
		if c.rates != nil {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", c.name, rig.SpreadOf(rig.Ratios(c.rates, bare.rates)), rig.SpreadOf(rig.Ratios(c.cpus, bare.cpus)))
		}
	}
	b.WriteString("\n| | requests a second | p50, ms | p99, ms | CPU a request, µs | resident, MiB |\n|---|---|---|---|---|---|\n")
	for _, c := range cases {
		if c.rates != nil {
			fmt.Fprintf(&b, "| %s | %.0f | %.3f | %.3f | %.1f | %.0f |\n", c.name, rig.SpreadOf(c.rates).Median,
				rig.SpreadOf(c.p50s).Median, rig.SpreadOf(c.p99s).Median, rig.SpreadOf(c.cpus).Median, c.resident)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", asides(cases))
	b.WriteString("\nAllocated for a request by the handler alone, in one process with the load:\n\n| | objects | bytes |\n|---|---|---|\n")
	for _, a := range list {
		fmt.Fprintf(&b, "| %s | %.0f | %.0f |\n", a.name, a.objects, a.bytes)
	}
	fmt.Fprintf(&b, "\n- machine: %d cores, %s; the server on core %d, the load on core %s; %s\n", runtime.NumCPU(), rig.Processor(), serverCore, loadCore, runtime.Version())
	fmt.Fprintf(&b, "- measured on %s by\n\n<!-- not run: takes hours -->\n```sh\nmake bench-hot HOT_ARGS='--keys %d --in-turn %d --runs %d --seconds %g --connections %d'\n```\n",
		time.Now().UTC().Format(time.DateOnly), p.most, p.inTurn, p.runs, p.seconds, p.connections)
	return b.String()
}

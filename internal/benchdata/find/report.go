package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/keytag/keytag/internal/benchdata/queries"
	"github.com/keytag/keytag/internal/benchdata/rig"
)

const (
	tool     = "bench-find"
	document = "performance.md"
	picture  = "performance-find.svg"
)

// write puts the results into the page of a directory.
func (r *results) write(docs string) error {
	if err := os.MkdirAll(docs, 0o755); err != nil {
		return err
	}
	path := filepath.Join(docs, document)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		begin, end := rig.Marks(tool)
		if err := os.WriteFile(path, []byte("# Performance\n\n## Finding keys\n\n"+begin+"\n"+end+"\n"), 0o644); err != nil {
			return err
		}
	}
	if err := rig.Replace(path, tool, r.markdown()); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(docs, picture), []byte(r.plot()), 0o644); err != nil {
		return err
	}
	fmt.Println("written to", path)
	return nil
}

func (r *results) markdown() string {
	var b strings.Builder
	p := r.plan
	fmt.Fprintf(&b, `Times are milliseconds of the whole HTTP request over one connection that is kept alive, seen by the client: a page of 50
keys with 15 fields each. Of each of %d runs of %d requests, after %d that do not count, the p50 and the p99 are taken;
the tables show the median of the runs, and the least and the most. The runs of all queries and sizes are interleaved.

The floor is the least SQL that the page needs, written by hand, prepared, with LIMIT bound, sent through the same driver
from a process on the server's core, and read into 15 columns; on PostgreSQL with the settings of the planner under which
it is fastest. It was compared with the server's answer first. Its p50 is measured in the same rounds.

Where a list has fewer pages than are to be passed over, it is its last page that is asked for.

`, p.runs, p.requests, p.warmUp)
	b.WriteString(r.machine())
	fmt.Fprintf(&b, "\n![p50 by number of keys, one panel for each query](%s)\n", picture)
	for _, sqlite := range []bool{false, true} {
		if columns := r.of(sqlite); len(columns) > 0 {
			r.tables(&b, columns, sqlite)
		}
	}
	return b.String()
}

// of are the places of the targets of one kind of database.
func (r *results) of(sqlite bool) (columns []int) {
	for i, t := range r.targets {
		if t.sqlite == sqlite {
			columns = append(columns, i)
		}
	}
	return columns
}

func (r *results) machine() string {
	p := r.plan
	var b strings.Builder
	fmt.Fprintf(&b, "- machine: %d cores, %s; the server on core %d, the load on core %s\n", runtime.NumCPU(), rig.Processor(), serverCore, loadCore)
	fmt.Fprintf(&b, "- %s, %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	filled := map[bool][]string{}
	for _, sqlite := range []bool{false, true} {
		for _, i := range r.of(sqlite) {
			t := r.targets[i]
			filled[sqlite] = append(filled[sqlite], fmt.Sprintf("%s on %s", rig.Power(t.size), t.filled.UTC().Format(time.DateOnly)))
		}
		if columns := r.of(sqlite); len(columns) > 0 {
			fmt.Fprintf(&b, "- %s; filled with seed %d: %s\n", r.targets[columns[0]].settings, p.seed, strings.Join(filled[sqlite], ", "))
		}
	}
	fmt.Fprintf(&b, "- measured on %s by\n\n<!-- not run: takes hours -->\n```sh\n%s\n```\n", time.Now().UTC().Format(time.DateOnly), p.command())
	return b.String()
}

// command repeats the measurement, given a server and a directory.
func (p *plan) command() string {
	list := func(sizes []int) string { return strings.Trim(strings.ReplaceAll(fmt.Sprint(sizes), " ", ","), "[]") }
	c := "make bench-find"
	var arguments []string
	if p.postgres != "" {
		c += " POSTGRES=postgres://…"
		arguments = append(arguments, "--sizes "+list(p.postgresSizes))
	}
	if p.sqlite != "" {
		c += " SQLITE=DIRECTORY"
		arguments = append(arguments, "--sqlite-sizes "+list(p.fileSizes))
	}
	if len(p.queries) > 0 {
		arguments = append(arguments, "--queries "+strings.Join(p.queries, ","))
	}
	arguments = append(arguments, fmt.Sprintf("--seed %d --runs %d --warm-up %d --requests %d --concurrently %d", p.seed, p.runs, p.warmUp, p.requests, p.concurrently))
	return c + " FIND_ARGS='" + strings.Join(arguments, " ") + "'"
}

func (r *results) tables(b *strings.Builder, columns []int, sqlite bool) {
	name := "PostgreSQL"
	if sqlite {
		name = "SQLite"
	}
	first, last := columns[0], columns[len(columns)-1]
	for _, i := range columns {
		if r.targets[i].size <= growthFrom {
			first = i
		}
	}
	growth := func(figure func(*timing) rig.Spread) (title string, of func(query int) string) {
		if first == last {
			return "", nil
		}
		return "growth " + rig.Power(r.targets[first].size) + " → " + rig.Power(r.targets[last].size), func(q int) string {
			return fmt.Sprintf("%.2f×", figure(&r.timings[last][q]).Median/figure(&r.timings[first][q]).Median)
		}
	}
	fmt.Fprintf(b, "\n### %s\n\n", name)
	for _, looksAtMore := range []bool{false, true} {
		if looksAtMore {
			if !slices.ContainsFunc(r.targets[first].queries, func(q queries.Query) bool { return q.Grows }) {
				break
			}
			b.WriteString("Searches that look at more the more keys there are, whatever finds them:\n\n")
		}
		for _, t := range []struct {
			title  string
			growth bool
			figure func(*timing) rig.Spread
		}{
			{"p50", true, func(t *timing) rig.Spread { return t.p50 }},
			{"p99", false, func(t *timing) rig.Spread { return t.p99 }},
			{"floor, p50", true, func(t *timing) rig.Spread { return t.floor }},
			{"p50 ÷ floor", false, func(t *timing) rig.Spread { return t.ratio }},
		} {
			var title string
			var of func(int) string
			if t.growth {
				title, of = growth(t.figure)
			}
			r.table(b, t.title, columns, looksAtMore, title, t.figure, of)
		}
	}
	if !sqlite {
		r.rows(b, columns)
	}
	r.rates(b, sqlite)
}

const growthFrom = 10_000 // keys; growth is told from the largest size up to it

// table shows one figure by size of the queries that look at more the more keys there are, or of the others, and
// after it something of the query if told.
func (r *results) table(b *strings.Builder, title string, columns []int, looksAtMore bool, more string, figure func(*timing) rig.Spread, of func(query int) string) {
	r.head(b, title, columns, more)
	for q, query := range r.targets[columns[0]].queries {
		if query.Grows != looksAtMore {
			continue
		}
		fmt.Fprintf(b, "| %s |", query.What)
		for _, i := range columns {
			fmt.Fprintf(b, " %s |", figure(&r.timings[i][q]))
		}
		if of != nil {
			b.WriteString(" " + of(q) + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

func (r *results) head(b *strings.Builder, title string, columns []int, more string) {
	fmt.Fprintf(b, "| %s |", title)
	line := "|---|"
	for _, i := range columns {
		fmt.Fprintf(b, " %s |", rig.Power(r.targets[i].size))
		line += "---|"
	}
	if more != "" {
		b.WriteString(" " + more + " |")
		line += "---|"
	}
	b.WriteString("\n" + line + "\n")
}

func (r *results) rows(b *strings.Builder, columns []int) {
	b.WriteString("Rows and index entries that the scans of the server's statements read, by `EXPLAIN ANALYZE` in a session like its own,\n" +
		"those that tell who asks left out, ÷ keys on the page. Where the session leaves it to PostgreSQL to plan for the values or\nfor all values, the worse counts.\n\n")
	r.head(b, "read ÷ returned", columns, "")
	for q := range r.targets[columns[0]].queries {
		fmt.Fprintf(b, "| %s |", r.targets[columns[0]].queries[q].What)
		for _, i := range columns {
			rows := r.timings[i][q].rows
			fmt.Fprintf(b, " %d ÷ %d |", rows.read, rows.returned)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

// rates shows the server beside the handler by hand.
func (r *results) rates(b *strings.Builder, sqlite bool) {
	for _, a := range r.against {
		if a.target.sqlite != sqlite {
			continue
		}
		fmt.Fprintf(b, "The newest page in a project of %s keys, beside a `net/http` handler that runs the SQL of the floor and writes the same\nJSON with encoding/json, in a process of its own on the server's core, in turn:\n\n", rig.Power(a.target.size))
		b.WriteString("| | handler by hand | keytag | keytag ÷ handler |\n|---|---|---|---|\n")
		fmt.Fprintf(b, "| p50 over one connection, ms | %s | %s | %.2f |\n", a.bareP50, a.serverP50, a.serverP50.Median/a.bareP50.Median)
		fmt.Fprintf(b, "| requests a second over %d connections | %.0f (%.0f–%.0f) | %.0f (%.0f–%.0f) | %s |\n", bareConnections,
			a.bareRate.Median, a.bareRate.Least, a.bareRate.Most, a.serverRate.Median, a.serverRate.Least, a.serverRate.Most, a.share)
	}
}

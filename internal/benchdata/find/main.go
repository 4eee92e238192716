// Command find measures how long finding keys takes: the named queries of package queries, asked of
// the real program over HTTP, on databases of several sizes at once, beside the floor, which is the
// least SQL that such a page needs.
//
// The server, and whatever it is compared with, runs on the first core, the load on the second, and
// PostgreSQL wherever it likes. Before anything is measured, every answer is compared with that of the
// floor. The results are written into docs/performance.md between two marks, and as a plot.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/keytag/keytag/internal/benchdata/rig"
)

const (
	serverCore rig.Core = 0
	loadCore            = "1"
)

// plan is what is measured, and how often.
type plan struct {
	postgres, sqlite         string
	postgresSizes, fileSizes []int
	queries                  []string // empty: all
	seed                     uint64
	runs, warmUp, requests   int
	concurrently             int
	docs                     string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := measure
	if len(os.Args) == 2 && os.Args[1] == bareArgument {
		run = serveBare
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench-find:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context) error {
	p, err := parsePlan()
	if err != nil {
		return err
	}
	program, err := rig.Build(ctx)
	if err != nil {
		return err
	}
	defer program.Remove()
	targets, err := p.open(ctx, program)
	defer func() {
		for _, t := range targets {
			t.close()
		}
	}()
	if err != nil {
		return err
	}
	if err := stayOnLoadCore(ctx); err != nil {
		return err
	}
	results, err := p.measure(ctx, targets)
	if err != nil {
		return err
	}
	return results.write(p.docs)
}

func parsePlan() (p plan, err error) {
	postgresSizes := flag.String("sizes", "1000,10000,100000,1000000,10000000", "numbers of keys on PostgreSQL")
	fileSizes := flag.String("sqlite-sizes", "1000,10000,100000,1000000", "numbers of keys on SQLite")
	names := flag.String("queries", "", "names of the queries (default all)")
	flag.StringVar(&p.postgres, "postgres", os.Getenv("KEYTAG_TEST_POSTGRES_URL"), "a server whose databases find_<keys> are filled, or used again; empty: no PostgreSQL")
	flag.StringVar(&p.sqlite, "sqlite", "", "a directory whose files find_<keys>.db are filled, or used again; empty: no SQLite")
	flag.Uint64Var(&p.seed, "seed", 1, "that of the data")
	flag.IntVar(&p.runs, "runs", 7, "how often each query is measured; the median counts")
	flag.IntVar(&p.warmUp, "warm-up", 50, "requests before each run that do not count")
	flag.IntVar(&p.requests, "requests", 200, "requests of a run")
	flag.IntVar(&p.concurrently, "concurrently", 2000, "requests of a run over 16 connections")
	flag.StringVar(&p.docs, "docs", "docs", "directory of performance.md")
	flag.Parse()
	if p.postgres != "" {
		if p.postgresSizes, err = sizes(*postgresSizes); err != nil {
			return p, err
		}
	}
	if p.sqlite != "" {
		if p.fileSizes, err = sizes(*fileSizes); err != nil {
			return p, err
		}
	}
	if *names != "" {
		p.queries = strings.Split(*names, ",")
	}
	switch {
	case p.postgres == "" && p.sqlite == "":
		return p, errors.New("neither --postgres nor --sqlite is given")
	case min(p.runs, p.requests, p.concurrently) < 1 || p.warmUp < 0:
		return p, errors.New("--runs, --requests and --concurrently must be positive, --warm-up at least 0")
	case runtime.NumCPU() < 2:
		return p, errors.New("the server and the load need a core each")
	}
	return p, nil
}

func sizes(list string) (numbers []int, err error) {
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || len(numbers) > 0 && n <= numbers[len(numbers)-1] {
			return nil, fmt.Errorf("%q: sizes must be positive numbers, ascending and separated by commas", list)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// stayOnLoadCore moves all threads of this process to the core of the load; later ones follow.
func stayOnLoadCore(ctx context.Context) error {
	runtime.GOMAXPROCS(1)
	if out, err := exec.CommandContext(ctx, "taskset", "--all-tasks", "--cpu-list", "--pid", loadCore, strconv.Itoa(os.Getpid())).CombinedOutput(); err != nil {
		return fmt.Errorf("taskset: %w: %s", err, out)
	}
	return nil
}

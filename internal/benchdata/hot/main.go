// Command hot measures how fast a key in hand is answered: viewerKey and verifyApiKey of the real program over
// HTTP, beside a handler of net/http and gqlgen as it comes, both over a map.
//
// Every server runs on the first core in turn, the load on the second, and PostgreSQL wherever it likes. Before
// anything is measured, the answers are compared. The results are written into docs/performance.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/keytag/keytag/internal/benchdata/rig"
)

const (
	serverCore rig.Core = 0
	loadCore            = "1"
	tool                = "bench-hot"
	// seed is that of the data.
	seed = 1
)

// plan is how much is measured.
type plan struct {
	postgres, sqlite string
	most             int // keys of the largest database
	inTurn           int // keys that are presented in turn, more than are remembered
	runs             int
	seconds          float64 // of a run
	connections      int
	docs             string
	only             *regexp.Regexp
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := measure
	if len(os.Args) == 2 && (os.Args[1] == byHand || os.Args[1] == byGqlgen) {
		run = servePlain
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, tool+":", err)
		os.Exit(1)
	}
}

func parsePlan() (p plan, err error) {
	flag.StringVar(&p.postgres, "postgres", os.Getenv("KEYTAG_TEST_POSTGRES_URL"), "a server whose databases hot_<keys> are filled, or used again")
	flag.StringVar(&p.sqlite, "sqlite", "bench", "a directory whose file hot.db is filled, or used again")
	flag.IntVar(&p.most, "keys", 1_000_000, "keys of the largest database on PostgreSQL")
	flag.IntVar(&p.inTurn, "in-turn", 100_000, "keys that are presented in turn where none is remembered")
	flag.IntVar(&p.runs, "runs", 7, "how often each case is measured; the median counts")
	flag.Float64Var(&p.seconds, "seconds", 2, "of a run, after a quarter of it that does not count")
	flag.IntVar(&p.connections, "connections", 16, "over which requests are sent")
	flag.StringVar(&p.docs, "docs", "docs", "directory of performance.md")
	only := flag.String("only", "", "a pattern of the cases that are measured; then the results are only printed")
	flag.Parse()
	if p.only, err = regexp.Compile(*only); err != nil {
		return p, fmt.Errorf("--only: %w", err)
	}
	switch {
	case p.postgres == "" || p.sqlite == "":
		return p, errors.New("--postgres and --sqlite are needed")
	case min(p.most, p.inTurn, p.runs, p.connections) < 1 || p.seconds <= 0:
		return p, errors.New("--keys, --in-turn, --runs, --connections and --seconds must be positive")
	case runtime.NumCPU() < 2:
		return p, errors.New("the server and the load need a core each")
	}
	return p, nil
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
	cases, allocated, err := p.cases(ctx, program)
	defer func() {
		for _, c := range cases {
			c.close()
		}
	}()
	if err != nil {
		return err
	}
	if err := stayOnLoadCore(ctx); err != nil {
		return err
	}
	var bare *kase
	var asked []*kase
	for _, c := range cases {
		switch {
		case c.name == bareName:
			bare = c
		case c.requests != nil && p.only.MatchString(c.name):
			asked = append(asked, c)
		}
	}
	for round := range p.runs {
		fmt.Printf("round %d of %d\n", round+1, p.runs)
		if err := p.measure(ctx, bare, asked); err != nil {
			return err
		}
	}
	if p.only.String() != "" {
		fmt.Println(p.report(cases, allocated))
		return nil
	}
	return rig.Replace(filepath.Join(p.docs, "performance.md"), tool, p.report(cases, allocated))
}

// stayOnLoadCore moves all threads of this process to the core of the load; later ones follow.
func stayOnLoadCore(ctx context.Context) error {
	runtime.GOMAXPROCS(2) // the load, which does not rest, and the rest
	if out, err := exec.CommandContext(ctx, "taskset", "--all-tasks", "--cpu-list", "--pid", loadCore, strconv.Itoa(os.Getpid())).CombinedOutput(); err != nil {
		return fmt.Errorf("taskset: %w: %s", err, out)
	}
	return nil
}

func (p plan) span() time.Duration { return time.Duration(p.seconds * float64(time.Second)) }

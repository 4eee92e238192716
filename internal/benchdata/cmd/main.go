// Command cmd fills an empty database with data for benchmarks; see package benchdata. Two runs with
// equal --keys, --organizations, --seed and --now make equal rows.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/keytag/keytag/internal/benchdata"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench-data:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	database := flag.String("database", "sqlite://bench.db", "sqlite://PATH or postgres://…, without keys in it")
	keys := flag.Int("keys", 1_000_000, "number of keys")
	organizations := flag.Int("organizations", 0, "number of organizations (default one for every ten keys, at most 1000)")
	seed := flag.Uint64("seed", 1, "what everything follows from")
	at := flag.String("now", "", "instant of which the states are, RFC 3339 (default the present)")
	flag.Parse()
	now := time.Now()
	if *at != "" {
		var err error
		if now, err = time.Parse(time.RFC3339Nano, *at); err != nil {
			return fmt.Errorf("--now: %w", err)
		}
	}
	began := time.Now()
	say := func(what string) { fmt.Printf("%6.1fs  %s\n", time.Since(began).Seconds(), what) }
	report, err := benchdata.Load(ctx, *database, benchdata.Options{Keys: *keys, Organizations: *organizations, Seed: *seed, Now: now}, say)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d keys with %d scopes of %d users in %d organizations\n", report.Keys, report.Scopes, report.Users, report.Organizations)
	for _, state := range benchdata.States() {
		fmt.Printf("%12d  %s\n", report.States[state], state)
	}
	fmt.Printf("rows %.1fs (%.0f keys/s), indexes %.1fs, statistics %.1fs\n", report.Rows.Seconds(),
		float64(report.Keys)/report.Rows.Seconds(), report.Indexes.Seconds(), report.Statistics.Seconds())
	fmt.Printf("an administrator's key of the largest organization: %s\n", benchdata.AdminKeyText(*seed, 0))
	return nil
}

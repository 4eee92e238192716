// Command policy measures a change of policy over many keys of one organization, with the real
// program: how long it takes, how much memory, and how long requests wait meanwhile; then how the
// change goes on after the server was killed. It ends with 1 if a key does not follow the policy.
//
// The database is empty, and is filled first, or was filled within the last two weeks by
// `make bench-data` with one organization; it is to be thrown away afterwards.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/keytag/keytag/internal/benchdata"
	"github.com/keytag/keytag/internal/benchdata/rig"
	"github.com/keytag/keytag/internal/lifecycle"
)

// periods are what a change sets. benchdata's organizations begin with P3Y and, for disuse, P6M or
// longer; the administrator's key, two years and six weeks old, survives both changes.
type periods struct{ life, disuse string }

var (
	measured    = periods{"P2Y3M", "P5M"}
	interrupted = periods{"P2Y2M", "P4M"}
)

const quiet = 5 * time.Second // what the waits during a change are compared with

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench-policy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	url := flag.String("database", "", "sqlite://PATH or postgres://… (default: a database of its own on the server of $KEYTAG_TEST_POSTGRES_URL)")
	keys := flag.Int("keys", 1_000_000, "number of keys to fill an empty database with")
	seed := flag.Uint64("seed", 1, "that of the data")
	flag.Parse()
	if *url == "" {
		own, drop, err := ownDatabase(ctx, os.Getenv("KEYTAG_TEST_POSTGRES_URL"))
		if err != nil {
			return err
		}
		defer drop()
		*url = own
	}
	if err := rig.Fill(ctx, *url, benchdata.Options{Keys: *keys, Organizations: 1, Seed: *seed, Now: time.Now()}); err != nil {
		return err
	}
	opened, err := rig.Open(*url)
	if err != nil {
		return err
	}
	defer opened.Close()
	d := &database{opened}
	facts, err := d.facts(ctx)
	if err != nil {
		return err
	}
	program, err := rig.Build(ctx)
	if err != nil {
		return err
	}
	defer program.Remove()
	b := &bench{database: d, program: program, url: *url, seed: *seed, keys: facts.keys}
	fmt.Printf("%s\n\n", facts)
	if err := b.measure(ctx); err != nil {
		return fmt.Errorf("measure a change: %w", err)
	}
	if err := b.interrupt(ctx); err != nil {
		return fmt.Errorf("interrupt a change: %w", err)
	}
	return nil
}

type bench struct {
	database *database
	program  *rig.Program
	url      string
	seed     uint64
	keys     int
}

// measure changes the policy while others ask.
func (b *bench) measure(ctx context.Context) error {
	s, err := b.program.Serve(ctx, rig.AnyCore, b.url)
	if err != nil {
		return err
	}
	defer s.Kill()
	crowd, err := b.crowd(ctx, s.URL())
	if err != nil {
		return err
	}
	watched := watchOver(s, crowd)
	time.Sleep(quiet)
	before := watched.stop()

	began := time.Now()
	watched = watchOver(s, crowd)
	err = b.change(ctx, s.URL(), measured)
	took := time.Since(began)
	during := watched.stop()
	if err != nil {
		return err
	}
	changed, err := b.database.changedSince(ctx, began)
	if err != nil {
		return err
	}
	fmt.Printf("A change over %d keys, of which it ended %d earlier: %.1f s, %.0f keys/s\n\n", b.keys, changed, took.Seconds(), float64(b.keys)/took.Seconds())
	if err := compare(before, during); err != nil {
		return err
	}
	return b.followed(ctx, measured)
}

// interrupt kills the server after a third of the keys and starts it again.
func (b *bench) interrupt(ctx context.Context) error {
	s, err := b.program.Serve(ctx, rig.AnyCore, b.url)
	if err != nil {
		return err
	}
	defer s.Kill()
	third, err := b.database.liveKey(ctx, time.Now(), 1./3)
	if err != nil {
		return err
	}
	began := time.Now()
	answered := make(chan error, 1)
	go func() { answered <- b.change(ctx, s.URL(), interrupted) }()
	for at := ""; at < third; time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-answered:
			return errors.Join(errors.New("answered before a third was done"), err)
		default:
		}
		if at, err = b.database.cursor(ctx); err != nil {
			return err
		}
	}
	s.Kill()
	fmt.Printf("\nkilled %.1f s after the change was sent, at a third of the keys that live", time.Since(began).Seconds())
	if err := <-answered; err == nil {
		return errors.New("the change was answered all the same")
	}

	began = time.Now()
	if s, err = b.program.Serve(ctx, rig.AnyCore, b.url); err != nil {
		return err
	}
	defer s.Kill()
	listening := time.Since(began)
	for sweeps := 1; sweeps > 0; time.Sleep(20 * time.Millisecond) {
		if sweeps, err = b.database.sweeps(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("; started again, it listened after %.1f s and every key followed after %.1f s\n", listening.Seconds(), time.Since(began).Seconds())
	return b.followed(ctx, interrupted)
}

// followed fails if a live key ends later than the policy says.
func (b *bench) followed(ctx context.Context, p periods) error {
	late, live, err := b.database.late(ctx, lifecycle.MustPeriod(p.life), lifecycle.MustPeriod(p.disuse))
	if err == nil && late > 0 {
		err = fmt.Errorf("%d of %d live keys end later than the policy says", late, live)
	}
	if err == nil {
		fmt.Printf("\nall of the %d keys that still live end when the policy says, or earlier\n", live)
	}
	return err
}

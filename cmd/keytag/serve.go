package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/keytag/keytag/graph"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/auth"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/ratelimit"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/server"
	"github.com/keytag/keytag/internal/telemetry"
	"github.com/keytag/keytag/internal/web"
)

func (p *program) serveCommand() *cobra.Command {
	var migrate, printKey, work bool
	c := p.configured("serve", "Serve GraphQL over HTTP", func(ctx context.Context) error {
		return p.serve(ctx, migrate, printKey, work)
	})
	c.Flags().BoolVar(&work, "worker", true, "do what is due too: alerts, reminders, rotations, webhooks")
	c.Flags().BoolVar(&migrate, "migrate", true, "apply pending migrations first")
	c.Flags().BoolVar(&printKey, "print-key", false, "print the first administrator's key, on the first start, also when standard output is not a terminal")
	return c
}

// starting is the outcome of a step of the start: being told to end meanwhile is no failure.
func starting(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// garbage is how much the heap may grow between collections, in percent of what lives: requests leave much
// behind and little alive. GOGC overrides it.
const garbage = 400

func (p *program) serve(ctx context.Context, migrate, printKey, work bool) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	lines := telemetry.NewLines(p.stderr)
	defer lines.Flush()
	p.log = telemetry.Logger(lines, p.config.LogLevel, p.config.LogFormat)
	core, err := p.start(ctx, migrate)
	if err != nil {
		return starting(ctx, err)
	}
	defer core.store.Close()
	listener, err := net.Listen("tcp", p.config.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	untraced, err := p.traces(ctx)
	if err != nil {
		return err
	}
	defer untraced()
	if err := p.watch(core); err != nil {
		return err
	}
	server := p.server(core)
	unwatched, err := p.serveAdmin(ctx, server)
	if err != nil {
		return err
	}
	defer unwatched()
	if err := p.firstStart(ctx, core.directory, p.baseURL(listener.Addr()), printKey || isTerminal(p.stdout)); err != nil {
		return starting(ctx, err)
	}
	p.log.Info("listening", "address", listener.Addr().String(), "version", programVersion())
	if err := core.keys.Start(ctx); err != nil {
		return starting(ctx, fmt.Errorf("make up for downtime: %w", err))
	}
	background, stop := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer stop()
	tasks.Go(func() { core.store.Follow(background, p.log) })
	tasks.Go(func() { core.keys.KeepUses(background) })
	tasks.Go(func() { p.every(background, "heartbeat", core.keys.Beat) })
	tasks.Go(func() { p.every(background, "changes of policy", core.keys.ResumeSweeps) })
	if work {
		tasks.Go(func() { core.worker(p.log).Run(background) })
	}
	return server.Run(ctx, listener)
}

// strangers is how many requests a second one network may send without a key that works.
const strangers = 50

// server wires the doors to the store.
func (p *program) server(c *core) *server.Server {
	authenticator := &auth.Authenticator{
		Keys: c.keys, Log: p.log,
		PerKey:     ratelimit.New[string](p.config.RateLimit, 2*p.config.RateLimit, time.Now),
		PerNetwork: ratelimit.New[netip.Prefix](strangers, 10*strangers, time.Now),
	}
	var playground http.Handler
	if p.config.Playground {
		playground = web.Playground()
	}
	return server.New(server.Options{
		Logger: p.log,
		GraphQL: graph.NewHandler(
			&graph.Resolver{Keys: c.keys, Directory: c.directory, Alerts: c.alerts, Trail: &audit.Trail{Store: c.store, Clock: time.Now}, Clock: time.Now, Version: programVersion()},
			graph.Options{Authenticate: authenticator.Authenticate, Afford: authenticator.Afford, Introspection: p.config.Introspection, Log: p.log},
		),
		Origins:    p.config.Origins(),
		Playground: playground,
		Metrics:    telemetry.Metrics(),
		Elsewhere:  p.config.AdminListen != "",
		Proxies:    p.config.Proxies(),
		Ready:      c.ready,
	})
}

// every does something once a minute: telling that this replica lives, finishing changes of policy that
// a stop interrupted. Neither waits for the other.
func (p *program) every(ctx context.Context, what string, do func(context.Context) error) {
	for {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			p.log.Warn("background", "task", what, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(keys.BeatInterval):
		}
	}
}

// firstStart initialises an empty server, if there is a safe place to show the key.
func (p *program) firstStart(ctx context.Context, d *directory.Directory, url string, show bool) error {
	done, err := d.Initialised(ctx)
	if err != nil || done {
		return err
	}
	file := p.config.BootstrapKeyFile
	if file == "" && !show {
		p.log.Warn("no organization yet: run `keytag init`, or set KEYTAG_BOOTSTRAP_KEY_FILE and start again")
		return nil
	}
	key, err := p.bootstrap(ctx, d)
	switch {
	case errors.Is(err, directory.ErrInitialised): // another replica won
		return nil
	case err != nil:
		return err
	case file != "":
		p.log.Info("initialised; the first administrator's key is in the file", "file", file)
		return nil
	}
	welcome(p.stdout, url, key)
	return nil
}

func welcome(w io.Writer, url string, key secret.Secret) {
	fmt.Fprintf(w, `
keytag is ready at %[1]s, with a playground at %[1]s/playground

The first administrator's key, shown this once:

  %[2]s

Let it ask about itself:

  curl -s %[1]s/graphql -H 'Authorization: Bearer %[2]s' -H 'Content-Type: application/json' -d '{"query":"{ viewerKey { name status scopes effectiveExpiresAt endsBecause details { message } } }"}'

`, url, key.Reveal())
}

// baseURL is where users reach the server: as configured, else where it listens.
func (p *program) baseURL(address net.Addr) string {
	if p.config.Origin("KEYTAG_PUBLIC_URL") != "default" {
		return p.config.PublicURL
	}
	host, port, _ := net.SplitHostPort(address.String())
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() || ip.IsLoopback() && !strings.Contains(host, ":") {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/server"
	"github.com/keytag/keytag/internal/telemetry"
)

// maxBacklog is up to how many jobs that are due are counted.
const maxBacklog = 10_000

// watch adds to the metrics what is read from the server when they are scraped.
func (p *program) watch(c *core) error {
	telemetry.Version(programVersion())
	all := []prometheus.Collector{
		telemetry.Flag("memory_trusted", "1 while keys are answered from memory.", func() bool { _, ok := c.store.Epoch.Now(); return ok }),
		&telemetry.Gauges{
			Name: "keys_ending", Help: "Keys that end within so many days, over all clocks, by organization; counted up to 100000, once a minute.",
			Labels: []string{"organization", "days"}, Log: p.log,
			Read: func(ctx context.Context) (readings []telemetry.Reading, err error) {
				endings, err := c.keys.EndingWithin(ctx, 7, 30)
				for _, e := range endings {
					readings = append(readings, telemetry.Reading{Labels: []string{e.OrganizationID, strconv.Itoa(e.Days)}, Value: float64(e.Keys)})
				}
				return readings, err
			},
		},
		&telemetry.Gauges{
			Name: "jobs_due", Help: "Jobs that are due and not done, counted up to 10000, once a minute.", Log: p.log,
			Read: func(ctx context.Context) ([]telemetry.Reading, error) {
				n, err := queue.Backlog(ctx, c.store, time.Now(), maxBacklog)
				return []telemetry.Reading{{Value: float64(n)}}, err
			},
		},
	}
	pools := c.store.Pools()
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		all = append(all, telemetry.Pool(name, pools[name]))
	}
	return telemetry.Register(all...)
}

// traces are sent if the standard variables of OpenTelemetry say where, until end is called.
func (p *program) traces(ctx context.Context) (end func(), err error) {
	if !slices.ContainsFunc(p.environ, func(entry string) bool {
		name, value, _ := strings.Cut(entry, "=")
		return (name == "OTEL_EXPORTER_OTLP_ENDPOINT" || name == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") && value != ""
	}) || slices.Contains(p.environ, "OTEL_SDK_DISABLED=true") || slices.Contains(p.environ, "OTEL_TRACES_EXPORTER=none") {
		return func() {}, nil
	}
	for _, entry := range p.environ {
		name, value, _ := strings.Cut(entry, "=")
		if name != "OTEL_EXPORTER_OTLP_ENDPOINT" && name != "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" || value == "" {
			continue
		}
		// The exporter would log one that it cannot read, with a password in it, and go on without.
		if at, err := url.Parse(value); err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
			return nil, errUsage{fmt.Errorf("%s: must be an http or https URL", name)}
		}
	}
	stop, err := telemetry.Traces(ctx, programVersion(), p.log)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_…: %w", err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := stop(ctx); err != nil {
			p.log.Warn("the last traces are lost", "error", err)
		}
	}, nil
}

// readiness is what was last found out about the database, by one look at a time: anybody may ask.
type readiness struct {
	looking singleflight.Group
	last    atomic.Pointer[found]
}

type found struct {
	at     time.Time
	reason string
	err    error
}

const (
	readyFor    = time.Second // that what was found counts
	lookAtReady = 2 * time.Second
)

// ready tells why requests cannot be served now, or a second ago.
func (c *core) ready(ctx context.Context) (string, error) {
	looked := c.readiness.looking.DoChan("", func() (any, error) {
		if last := c.readiness.last.Load(); last != nil && time.Since(last.at) < readyFor {
			return last, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookAtReady) // others wait for it, too
		defer cancel()
		now := &found{}
		pending, err := c.store.Pending(ctx)
		switch {
		case err != nil:
			now.reason, now.err = "database unreachable", err
		case pending > 0:
			now.reason = "migrations pending"
		}
		now.at = time.Now()
		c.readiness.last.Store(now)
		return now, nil
	})
	select {
	case l := <-looked:
		return l.Val.(*found).reason, l.Val.(*found).err
	case <-ctx.Done():
		return "database unreachable", ctx.Err()
	}
}

// serveAdmin serves what watches over s on a listener of its own, if one is configured, until end is called.
func (p *program) serveAdmin(ctx context.Context, s *server.Server) (end func(), err error) {
	if p.config.AdminListen == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", p.config.AdminListen)
	if err != nil {
		return nil, err
	}
	p.log.Info("listening for telemetry", "admin_address", listener.Addr().String())
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var served sync.WaitGroup
	served.Go(func() {
		if err := s.RunAdmin(ctx, listener); err != nil {
			p.log.Error("telemetry", "error", err)
		}
	})
	return func() { cancel(); served.Wait() }, nil
}

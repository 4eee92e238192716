package telemetry

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Reading is one value of a metric by its labels.
type Reading struct {
	Labels []string
	Value  float64
}

// Gauges are a metric that is read from the database when it is scraped, at most once a minute.
type Gauges struct {
	Name, Help string
	Labels     []string
	Read       func(context.Context) ([]Reading, error)
	Log        *slog.Logger

	mu      sync.Mutex
	read    time.Time
	current []Reading
}

const (
	readEvery = time.Minute
	readFor   = 5 * time.Second
)

func (g *Gauges) description() *prometheus.Desc {
	return prometheus.NewDesc("keytag_"+g.Name, g.Help, g.Labels, nil)
}

// Describe is that of prometheus.Collector.
func (g *Gauges) Describe(to chan<- *prometheus.Desc) { to <- g.description() }

// Collect is that of prometheus.Collector. What cannot be read is left out.
func (g *Gauges) Collect(to chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.read) >= readEvery {
		ctx, cancel := context.WithTimeout(context.Background(), readFor)
		defer cancel()
		current, err := g.Read(ctx)
		if err != nil {
			g.Log.Warn("a metric cannot be read", "metric", g.Name, "error", err)
		}
		g.read, g.current = time.Now(), current
	}
	for _, r := range g.current {
		to <- prometheus.MustNewConstMetric(g.description(), prometheus.GaugeValue, r.Value, r.Labels...)
	}
}

var (
	ownMu sync.Mutex
	own   []prometheus.Collector // of keytag, beside those of Go and the process
)

// Register adds metrics of keytag's own.
func Register(all ...prometheus.Collector) error {
	ownMu.Lock()
	defer ownMu.Unlock()
	for _, c := range all {
		if err := Registry.Register(c); err != nil {
			return err
		}
		own = append(own, c)
	}
	return nil
}

// Descriptions are those of keytag's own metrics that are registered by now.
func Descriptions() (all []*prometheus.Desc) {
	ownMu.Lock()
	defer ownMu.Unlock()
	for _, c := range own {
		descriptions := make(chan *prometheus.Desc)
		go func() { c.Describe(descriptions); close(descriptions) }()
		for d := range descriptions {
			all = append(all, d)
		}
	}
	return all
}

// Pool tells of the connections of a pool.
func Pool(name string, pool *sql.DB) prometheus.Collector {
	return collectors.NewDBStatsCollector(pool, name)
}

// Flag is a metric that is 1 while something is so.
func Flag(name, help string, is func() bool) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "keytag", Name: name, Help: help}, func() float64 {
		if is() {
			return 1
		}
		return 0
	})
}

package telemetry

import (
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Registry has all metrics of the process, in the names of Prometheus
// (https://prometheus.io/docs/practices/naming/). No label has a value that a client chose, or is the id of a key.
var Registry = prometheus.NewRegistry()

func init() {
	Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

// Counters are one metric by its labels. To count what was counted before takes neither a lock nor memory.
type Counters[L comparable] struct {
	vector *prometheus.CounterVec
	values func(L) []string

	known atomic.Pointer[map[L]prometheus.Counter]
	mu    sync.Mutex // of whoever adds to known
}

func newCounters[L comparable](name, help string, values func(L) []string, labels ...string) *Counters[L] {
	c := &Counters[L]{vector: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "keytag", Name: name, Help: help}, labels), values: values}
	c.known.Store(&map[L]prometheus.Counter{})
	must(Register(c.vector))
	return c
}

func one(value string) []string { return []string{value} }

// Add counts one.
func (c *Counters[L]) Add(labels L) {
	counter, known := (*c.known.Load())[labels]
	if !known {
		counter = c.learn(labels)
	}
	counter.Inc()
}

func (c *Counters[L]) learn(labels L) prometheus.Counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	counter := c.vector.WithLabelValues(c.values(labels)...)
	more := maps.Clone(*c.known.Load())
	more[labels] = counter
	c.known.Store(&more)
	return counter
}

// Answer is a GraphQL request by what it asked for and what came of it.
type Answer struct {
	Operation string // the one field of the root that was asked for, `several`, or `none` of what did not run
	Code      string // of the first error; `ok` of none
}

// JobAttempt is an attempt of a job by its kind and what came of it.
type JobAttempt struct{ Kind, Outcome string }

// What is counted.
var (
	Answers = newCounters("requests_total", "GraphQL requests, by the field of the root that they ask for and the code of the first error.",
		func(a Answer) []string { return []string{a.Operation, a.Code} }, "operation", "code")
	Authentications = newCounters("authentications_total", "Requests by what became of the key that they carry: ok, none, or the code of its refusal.", one, "code")
	Verifications   = newCounters("verifications_total", "Keys that were verified, by the answer.", one, "code")
	Lookups         = newCounters("key_lookups_total", "Keys that were presented or verified, by where the answer came from: memory, unknown (remembered to be none) or database.", one, "from")
	Jobs            = newCounters("job_attempts_total", "Attempts of jobs, by kind and outcome: completed, retried, error, canceled, failed (a fault of the server) or lost (another replica has taken the job).",
		func(j JobAttempt) []string { return []string{j.Kind, j.Outcome} }, "kind", "outcome")
	Webhooks = newCounters("webhook_deliveries_total", "Attempts to deliver a webhook: delivered, gone, refused by its receiver, or unreached.", one, "outcome")

	durations = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "keytag", Name: "request_duration_seconds", Help: "How long GraphQL requests took, from their first byte to the last of the answer.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	})
	waits = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "keytag", Name: "change_wait_seconds",
		Help:    "How long changes of what replicas remember waited until no other one answers from before them; a good second where one does not look.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, .9, 1.1, 2},
	})
	build = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "keytag", Name: "build_info", Help: "1, with the version of the program."}, []string{"version"})
)

func init() { must(Register(durations, waits, build)) }

func must(err error) {
	if err != nil {
		panic(err) // two metrics of a name
	}
}

// Took notes how long a GraphQL request took.
func Took(d time.Duration) { durations.Observe(d.Seconds()) }

// Waited notes how long a change waited for the other replicas.
func Waited(d time.Duration) { waits.Observe(d.Seconds()) }

// Version tells the version of the program.
func Version(version string) { build.WithLabelValues(version).Set(1) }

// Metrics answers a scrape.
func Metrics() http.Handler {
	return promhttp.HandlerFor(Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

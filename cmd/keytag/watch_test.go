package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/keytag/keytag/internal/config"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

// metrics are the values of a scrape by name and labels, as in `name{a="b"}`.
func metrics(t *testing.T, url string) map[string]float64 {
	t.Helper()
	response, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			full := name
			if len(labels) > 0 {
				full += "{" + strings.Join(labels, ",") + "}"
			}
			values[full] = cmp.Or(m.GetCounter().GetValue(), m.GetGauge().GetValue(), float64(m.GetHistogram().GetSampleCount()))
		}
	}
	return values
}

func adminAddress(t *testing.T, r *running) string {
	t.Helper()
	for lines := bufio.NewScanner(strings.NewReader(r.logged())); lines.Scan(); {
		var line struct {
			Address string `json:"admin_address"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Address != "" {
			return "http://" + line.Address
		}
	}
	t.Fatal("no second listener")
	return ""
}

// What a server does moves its metrics, by names that clients cannot choose.
func TestMetrics(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		t.Parallel()
		s := newShell(t, dialect)
		s.make("ci", "--scope", "deploy:write", "--expires-in", "P20D")
		s.run(0, s.as("ci", "whoami"))
		c := s.as("admin", "keys", "verify", "--scope", "nothing:like-it")
		c.Stdin = strings.NewReader(s.read("ci"))
		s.run(exitNotAllowed, c)
		for _, body := range []string{`{"query": "query EvilName { viewerKey { id } }"}`, `{"query": "{ evil_field }"}`, `{"query": "{ a: serverInfo { version } b: serverInfo { version } }"}`} {
			response, err := http.Post(s.url+"/graphql", "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
		}
		values := metrics(t, s.url)
		for name, least := range map[string]float64{
			`keytag_requests_total{code="ok",operation="createApiKey"}`:                1,
			`keytag_requests_total{code="ok",operation="viewerKey"}`:                   2,
			`keytag_requests_total{code="ok",operation="several"}`:                     1,
			`keytag_requests_total{code="graphql.validation_failed",operation="none"}`: 1,
			`keytag_authentications_total{code="ok"}`:                                  3,
			`keytag_authentications_total{code="none"}`:                                3,
			`keytag_verifications_total{code="INSUFFICIENT_SCOPE"}`:                    1,
			`keytag_key_lookups_total{from="database"}`:                                1,
			`keytag_request_duration_seconds`:                                          6,
			`go_sql_max_open_connections{db_name="read"}`:                              1,
			`go_goroutines`: 1,
		} {
			if got, there := values[name]; least > 0 && (!there || got < least) {
				t.Errorf("%s is %v, want at least %v", name, got, least)
			}
		}
		ending := 0.0
		for name, value := range values {
			if strings.Contains(strings.ToLower(name), "evil") {
				t.Errorf("a client chose %s", name)
			}
			if strings.HasPrefix(name, `keytag_keys_ending{days="30"`) {
				ending += value
			}
		}
		if ending != 1 {
			t.Errorf("%v keys end within 30 days", ending)
		}
	})
}

// With a listener of their own metrics are there alone; and readiness tells of the shutdown there as long as requests
// are answered.
func TestAdminListener(t *testing.T) {
	t.Parallel()
	r := serve(t, storetest.Migrated(t, "sqlite3"), []string{"KEYTAG_ADMIN_LISTEN=127.0.0.1:0"})
	admin := adminAddress(t, r)
	if values := metrics(t, admin); values["go_goroutines"] == 0 {
		t.Error("no metrics")
	}
	for url, want := range map[string]int{admin + "/healthz": 200, admin + "/readyz": 200, admin + "/graphql": 404, r.url + "/metrics": 404, r.url + "/readyz": 200} {
		if code, body := get(t, url); code != want {
			t.Errorf("%s: %d %s", url, code, body)
		}
	}
	// A request that is under way holds the server up.
	pipe, send := io.Pipe()
	request, err := http.NewRequest(http.MethodPost, r.url+"/graphql", pipe)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answered := make(chan error, 1)
	go func() {
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			response.Body.Close()
		}
		answered <- err
	}()
	if _, err := send.Write([]byte(`{"query":`)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	if err := r.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the shutdown is told of", func() bool {
		code, body := get(t, admin+"/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "shutting down")
	})
	if _, err := send.Write([]byte(`"{ serverInfo { version } }"}`)); err != nil {
		t.Fatal(err)
	}
	send.Close()
	if err := <-answered; err != nil {
		t.Error(err)
	}
	<-r.done
}

// A worker without a server is watched too.
func TestAWorkerIsWatched(t *testing.T) {
	t.Parallel()
	database := storetest.Migrated(t, "sqlite3")
	r := startCommand(t, command(t, database, []string{"KEYTAG_ADMIN_LISTEN=127.0.0.1:0"}, "work"))
	eventually(t, 10*time.Second, "it works", func() bool { return strings.Contains(r.logged(), "working") })
	admin := adminAddress(t, r)
	if _, there := metrics(t, admin)["keytag_jobs_due"]; !there {
		t.Error("no metrics")
	}
	if code, body := get(t, admin+"/readyz"); code != http.StatusOK {
		t.Errorf("%d %s", code, body)
	}
	r.stop(t, syscall.SIGTERM)
}

var description = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: "((?:[^"\\]|\\.)*)".*variableLabels: \{([^}]*)\}\}$`)

// docs/metrics.md has every metric of keytag's own. `go test ./cmd/keytag -run MetricsPage -update` writes it.
func TestMetricsPage(t *testing.T) {
	p := &program{config: config.Config{DatabaseURL: config.DatabaseURL(storetest.Migrated(t, "sqlite3"))}, log: slog.New(slog.DiscardHandler), stderr: io.Discard}
	c, err := p.start(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.store.Close()
	if err := p.watch(c); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, d := range telemetry.Descriptions() {
		parts := description.FindStringSubmatch(d.String())
		if parts == nil {
			t.Fatalf("cannot read %s", d)
		}
		if strings.HasPrefix(parts[1], "keytag_") {
			lines = append(lines, fmt.Sprintf("| `%s` | %s | %s |\n", parts[1], strings.ReplaceAll(parts[3], ",", ", "), parts[2]))
		}
	}
	slices.Sort(lines)
	const path, begin, end = "../../docs/metrics.md", "<!-- metrics begin -->\n", "<!-- metrics end -->\n"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(page), begin)
	_, after, found := strings.Cut(rest, end)
	if !found {
		t.Fatal("docs/metrics.md has lost its marks")
	}
	want := before + begin + "\n| metric | labels | |\n|---|---|---|\n" + strings.Join(lines, "") + "\n" + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Error("docs/metrics.md is not what the code has: go test ./cmd/keytag -run MetricsPage -update")
	}
}

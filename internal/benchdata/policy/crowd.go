package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keytag/keytag/internal/benchdata"
	"github.com/keytag/keytag/internal/benchdata/rig"
)

// ask asks the server as a key and answers the body.
func ask(ctx context.Context, url, key, query string, probe bool) (status int, answer string, err error) {
	body, _ := json.Marshal(map[string]string{"query": query}) // strings always marshal
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	if probe {
		request.Header.Set("Keytag-Probe", "1")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// change changes the organization's policy and returns when it is answered.
func (b *bench) change(ctx context.Context, url string, p periods) error {
	_, answer, err := ask(ctx, url, benchdata.AdminKeyText(b.seed, 0), fmt.Sprintf(
		`mutation { updateApiKeyPolicy(input: {maxExpirationPeriod: %q, notAccessedExpirationPeriod: %q}) { apiKeyPolicy { maxExpirationPeriod } userErrors { message } } }`,
		p.life, p.disuse), false)
	if err == nil && !strings.Contains(answer, `"maxExpirationPeriod":"`+p.life+`"`) {
		err = fmt.Errorf("updateApiKeyPolicy: %s", answer)
	}
	return err
}

// member of a crowd asks for viewerKey again and again, with the key that next names.
type member struct {
	name  string
	probe bool
	next  func() string
	// strict members have a key that works; the others' may have ended.
	strict bool
}

const pace = 5 * time.Millisecond // between two requests of a member; a late answer delays the next

const viewerKey = "{ viewerKey { status } }"

// crowd is a key in use, one that probes, and all keys in turn, of which every live one counts as
// used and is written.
func (b *bench) crowd(ctx context.Context, url string) ([]member, error) {
	r := rand.New(rand.NewPCG(b.seed, 0))
	another := func() string { return benchdata.KeyText(b.seed, r.IntN(b.keys-1)) }
	var working []string
	for tries := 0; len(working) < 2; tries++ {
		if tries == 1000 {
			return nil, fmt.Errorf("of 1000 keys with the seed %d not two work", b.seed)
		}
		text := another()
		// A use, so that it is not disuse that ends it.
		status, answer, err := ask(ctx, url, text, viewerKey, false)
		if err != nil {
			return nil, err
		}
		if status == http.StatusOK && strings.Contains(answer, "ACTIVE") {
			working = append(working, text)
		}
	}
	always := func(text string) func() string { return func() string { return text } }
	return []member{
		{name: "one key in use", next: always(working[0]), strict: true},
		{name: "one key, probing", probe: true, next: always(working[1]), strict: true},
		{name: "another key each time, written", next: another},
	}, nil
}

// seen is what was watched for a while: latencies by member, sorted, and the most memory.
type seen struct {
	members   []member
	latencies [][]time.Duration
	failures  []string
	resident  float64
}

type watch struct {
	end  chan struct{}
	done sync.WaitGroup
	seen seen
	mu   sync.Mutex
}

// watchOver lets a crowd ask a server, and looks at its memory, until stop.
func watchOver(s *rig.Server, crowd []member) *watch {
	w := &watch{end: make(chan struct{}), seen: seen{members: crowd, latencies: make([][]time.Duration, len(crowd))}}
	every := func(pace time.Duration, do func()) {
		w.done.Go(func() {
			for tick := time.NewTicker(pace); ; {
				do()
				select {
				case <-w.end:
					return
				case <-tick.C:
				}
			}
		})
	}
	for i, m := range crowd {
		every(pace, func() {
			began := time.Now()
			status, answer, err := ask(context.Background(), s.URL(), m.next(), viewerKey, m.probe)
			took := time.Since(began)
			switch {
			case status == http.StatusOK:
				w.seen.latencies[i] = append(w.seen.latencies[i], took)
			case err != nil || m.strict || status >= 500:
				w.mu.Lock()
				w.seen.failures = append(w.seen.failures, fmt.Sprint(m.name, ": ", status, " ", answer, err))
				w.mu.Unlock()
			}
		})
	}
	every(100*time.Millisecond, func() { w.seen.resident = max(w.seen.resident, s.Resident()) })
	return w
}

func (w *watch) stop() seen {
	close(w.end)
	w.done.Wait()
	for _, latencies := range w.seen.latencies {
		slices.Sort(latencies)
	}
	return w.seen
}

// compare prints what was seen before and during a change, as a table. That a request failed is an
// error.
func compare(before, during seen) error {
	fmt.Println("| | without a change | during the change |\n|---|---|---|")
	fmt.Printf("| memory of the server, at most | %.0f MiB | %.0f MiB |\n", before.resident, during.resident)
	for i, m := range before.members {
		fmt.Printf("| `viewerKey`, %s: p50 / p99 / longest | %s | %s |\n", m.name, waits(before.latencies[i]), waits(during.latencies[i]))
	}
	for _, s := range []seen{before, during} {
		for i, failure := range s.failures {
			if i < 5 {
				fmt.Println("failed:", failure)
			}
		}
	}
	if n := len(before.failures) + len(during.failures); n > 0 {
		return fmt.Errorf("%d requests failed", n)
	}
	return nil
}

func waits(sorted []time.Duration) string {
	if len(sorted) == 0 {
		return "none"
	}
	ms := func(part float64) float64 {
		return float64(sorted[min(int(part*float64(len(sorted))), len(sorted)-1)].Microseconds()) / 1000
	}
	return fmt.Sprintf("%.1f / %.1f / %.1f ms, of %d", ms(.5), ms(.99), ms(1), len(sorted))
}

package main

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Without a database a warm key is answered for a second at most, then 503 with Retry-After; and it is
// answered again within two seconds of the return.
func TestTheDatabaseGoesAndComesBack(t *testing.T) {
	for name, outage := range map[string]struct{ begin, end func(*way) }{
		"connections break":         {func(w *way) { w.enable(t, false) }, func(w *way) { w.enable(t, true) }},
		"nothing is heard any more": {func(w *way) { w.swallow(t) }, func(w *way) { w.restore(t) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 1)
			ask := func() *http.Response {
				t.Helper()
				request, err := http.NewRequest(http.MethodPost, c.replicas[0].url+"/graphql", strings.NewReader(`{"query":"{ viewerKey { id } }"}`))
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Authorization", "Bearer "+c.admin)
				request.Header.Set("Content-Type", "application/json")
				response, err := c.client.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				return response
			}
			eventually(t, 5*time.Second, "the key is warm", func() bool { return ask().StatusCode == http.StatusOK })
			for range 2 {
				time.Sleep(time.Second)
				outage.begin(c.ways[0])
				gone := time.Now()
				var last time.Time // that it was answered
				for time.Since(gone) < 4*time.Second {
					asked := time.Now()
					response := ask()
					switch response.StatusCode {
					case http.StatusOK:
						last = asked
					case http.StatusServiceUnavailable:
						if got := response.Header.Get("Retry-After"); got != "1" {
							t.Fatalf("Retry-After: %q", got)
						}
					default:
						t.Fatal(response.Status)
					}
					time.Sleep(5 * time.Millisecond)
				}
				if served := last.Sub(gone); served < 400*time.Millisecond || served > time.Second {
					t.Errorf("served for %v", served)
				}
				outage.end(c.ways[0])
				back := time.Now()
				for ask().StatusCode != http.StatusOK {
					time.Sleep(5 * time.Millisecond)
				}
				if took := time.Since(back); took > 2*time.Second {
					t.Errorf("back after %v", took)
				} else {
					t.Logf("served for %v, back after %v", last.Sub(gone), took)
				}
			}
		})
	}
}

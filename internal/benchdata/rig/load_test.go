package rig

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) == "bad" {
			http.Error(w, "no", http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Length", "6")
		_, _ = io.WriteString(w, "abc")
		if string(body) == "slow" {
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Millisecond)
		}
		_, _ = io.WriteString(w, "def")
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	run := func(status int, bodies ...string) (int, error) {
		t.Helper()
		l, err := NewLoad(address, 3)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		next := 0
		l.Statuses, l.Next = []int{status}, func() []byte {
			body := bodies[next%len(bodies)]
			next++
			seen[body]++
			return Post("/", "key", body)
		}
		took, err := l.Run(100*time.Millisecond, nil)
		if err == nil && len(took) != next {
			t.Errorf("%d answers to %d requests", len(took), next)
		}
		return len(took), err
	}
	if n, err := run(200, "quick", "slow"); err != nil || n < 10 || seen["slow"] < 3 {
		t.Error(n, seen, err)
	}
	if _, err := run(200, "quick", "bad"); err == nil || !strings.Contains(err.Error(), "418") {
		t.Error(err)
	}
	if n, err := run(418, "bad"); err != nil || n == 0 {
		t.Error(n, err)
	}
}

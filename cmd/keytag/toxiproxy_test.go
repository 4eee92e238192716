package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// toxiproxy is a server of https://github.com/Shopify/toxiproxy.
type toxiproxy struct {
	api  string
	ways int
}

var toxiproxyBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(built, "toxiproxy")
	out, err := exec.Command("go", "build", "-C", "../../tools", "-o", path, "github.com/Shopify/toxiproxy/v2/cmd/server").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func startToxiproxy(t testing.TB) *toxiproxy {
	t.Helper()
	path, err := toxiproxyBinary()
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	free.Close()
	c := exec.Command(path, "-host", "127.0.0.1", "-port", port)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	p := &toxiproxy{api: "http://127.0.0.1:" + port}
	eventually(t, 10*time.Second, "toxiproxy listens", func() bool {
		response, err := http.Get(p.api + "/version")
		if err == nil {
			response.Body.Close()
		}
		return err == nil
	})
	return p
}

// way is a proxied way to a database.
type way struct {
	*toxiproxy
	name, database string
}

// to makes a way to a PostgreSQL database.
func (p *toxiproxy) to(t testing.TB, database string) *way {
	t.Helper()
	at, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	p.ways++
	w := &way{toxiproxy: p, name: fmt.Sprint("way", p.ways)}
	var made struct{ Listen string }
	w.call(t, http.MethodPost, "/proxies", map[string]any{"name": w.name, "listen": "127.0.0.1:0", "upstream": at.Host, "enabled": true}, &made)
	at.Host = made.Listen
	w.database = at.String()
	return w
}

func (p *toxiproxy) call(t testing.TB, method, path string, body, answer any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(method, p.api+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return
	}
	defer response.Body.Close()
	told, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= http.StatusBadRequest {
		t.Errorf("toxiproxy: %s %s: %s %v", path, response.Status, told, err)
		return
	}
	if answer != nil {
		if err := json.Unmarshal(told, answer); err != nil {
			t.Error(err)
		}
	}
}

var directions = []string{"upstream", "downstream"}

// swallow lets nothing through, without a word to either side.
func (w *way) swallow(t testing.TB) {
	for _, d := range directions {
		w.call(t, http.MethodPost, "/proxies/"+w.name+"/toxics",
			map[string]any{"name": d, "type": "timeout", "stream": d, "attributes": map[string]int{"timeout": 0}}, nil)
	}
}

// restore ends swallow.
func (w *way) restore(t testing.TB) {
	for _, d := range directions {
		w.call(t, http.MethodDelete, "/proxies/"+w.name+"/toxics/"+d, nil, nil)
	}
}

// enable opens the way, or closes it so that connections break and are refused.
func (w *way) enable(t testing.TB, on bool) {
	w.call(t, http.MethodPost, "/proxies/"+w.name, map[string]any{"enabled": on}, nil)
}

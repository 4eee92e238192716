package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/store/storetest"
)

// withHooks is the program with what epoch's hooks break, which notes the secrets that it mints.
var withHooks = sync.OnceValues(func() (string, error) {
	return build("keytag-with-hooks", "-tags", "keytaghooks")
})

// cluster is several replicas on one PostgreSQL, each with a way of its own to it.
type cluster struct {
	t        testing.TB
	database string
	admin    string
	project  string
	replicas []*running
	ways     []*way
	began    time.Time
	client   http.Client
	paused   atomic.Int32 // the replica that is, or was the last to be
}

func newCluster(t testing.TB, replicas int) *cluster {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return newClusterOf(t, path, replicas)
}

// newClusterOf is newCluster with another build of the program.
func newClusterOf(t testing.TB, path string, replicas int, env ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, database: storetest.Migrated(t, "postgres"), began: time.Now()}
	c.paused.Store(-1)
	c.client = http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	t.Cleanup(c.client.CloseIdleConnections)
	proxy := startToxiproxy(t)
	file := filepath.Join(t.TempDir(), "key")
	for range replicas {
		w := proxy.to(t, c.database)
		r := startCommand(t, commandOf(t, path, w.database, append(env, "KEYTAG_BOOTSTRAP_KEY_FILE="+file), "serve"))
		r.await(t)
		c.ways, c.replicas = append(c.ways, w), append(c.replicas, r)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c.admin = strings.TrimSpace(string(text))
	var answer struct {
		ViewerKey struct{ Project struct{ ID string } }
	}
	if err := c.ask(0, c.admin, `{ viewerKey { project { id } } }`, nil, &answer); err != nil {
		t.Fatal(err)
	}
	c.project = answer.ViewerKey.Project.ID
	return c
}

// refusal is what GraphQL or the caller's rights say against a request; any other error leaves open whether
// it was carried out.
type refusal struct{ code string }

func (r refusal) Error() string { return r.code }

// ask has a replica answer into data. A request that was refused is a refusal.
func (c *cluster) ask(replica int, key, document string, variables map[string]any, data any) error {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodPost, c.replicas[replica].url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	evidence.Answer(response, text)
	var answer struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	if len(answer.Errors) > 0 {
		code := answer.Errors[0].Extensions.Code
		if response.StatusCode >= http.StatusInternalServerError || code == "internal" || code == fault.CodeUnavailable {
			return fmt.Errorf("%s: %s", response.Status, text)
		}
		return refusal{code}
	}
	return json.Unmarshal(answer.Data, data)
}

func (c *cluster) pause(replica int, d time.Duration) {
	c.paused.Store(int32(replica))
	process := c.replicas[replica].Process
	if err := process.Signal(syscall.SIGSTOP); err != nil {
		c.t.Error(err)
	}
	time.Sleep(d)
	if err := process.Signal(syscall.SIGCONT); err != nil {
		c.t.Error(err)
	}
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/keytag/keytag/internal/store/storetest"
)

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
		if response.StatusCode >= http.StatusInternalServerError || answer.Errors[0].Extensions.Code == "internal" {
			return fmt.Errorf("%s: %s", response.Status, text)
		}
		return refusal{answer.Errors[0].Extensions.Code}
	}
	return json.Unmarshal(answer.Data, data)
}

// history is a short life of a few keys, as clients of several replicas see it.
type history struct {
	*cluster
	keys   []historyKey
	owners []string

	mu         sync.Mutex
	operations []porcupine.Operation
	names      int
	revoked    []time.Duration // how long revocations took that were acknowledged by a replica that was not paused
}

type historyKey struct {
	id, text string
	owner    int
}

func (c *cluster) newHistory(random *rand.Rand) *history {
	c.paused.Store(-1)
	h := &history{cluster: c}
	for owner := range 2 {
		var made struct {
			CreateUser struct{ User struct{ ID string } }
		}
		login := fmt.Sprintf("u%x", random.Uint64())
		if err := c.ask(0, c.admin, `mutation ($l: String!) { createUser(input: {login: $l}) { user { id } } }`, map[string]any{"l": login}, &made); err != nil {
			c.t.Fatal(err)
		}
		h.owners = append(h.owners, made.CreateUser.User.ID)
		for range 1 + owner {
			h.create(owner)
		}
	}
	return h
}

func (h *history) create(owner int) {
	var made struct {
		CreateAPIKey struct {
			APIKey struct{ ID string }
			Secret string
		}
	}
	variables := map[string]any{"p": h.project, "o": h.owners[owner], "d": fmt.Sprint("key ", len(h.keys))}
	if err := h.ask(0, h.admin, `mutation ($p: ID!, $o: ID!, $d: String!) {
		createApiKey(input: {projectId: $p, ownerId: $o, name: "n0", description: $d}) { apiKey { id } secret }
	}`, variables, &made); err != nil || made.CreateAPIKey.Secret == "" {
		h.t.Fatal("no key is made", err)
	}
	h.keys = append(h.keys, historyKey{made.CreateAPIKey.APIKey.ID, made.CreateAPIKey.Secret, owner})
}

// play has clients do as they like until a time has passed.
func (h *history) play(random *rand.Rand, length time.Duration) {
	over := time.Now().Add(length)
	var clients sync.WaitGroup
	for client := range 8 {
		own := rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
		clients.Go(func() {
			for time.Now().Before(over) {
				h.do(client, h.choose(own, client < 2))
				time.Sleep(upTo(own, 15*time.Millisecond))
			}
		})
	}
	clients.Wait()
}

func upTo(random *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(most)))
}

// choose has changes come from a few clients, so that most read at any time.
func (h *history) choose(random *rand.Rand, changes bool) step {
	key := random.IntN(len(h.keys))
	s := step{act: read, key: key, owner: h.keys[key].owner, replica: random.IntN(len(h.replicas))}
	switch n := random.IntN(20); {
	case !changes && n < 14:
	case !changes:
		s.act = verify
	case n < 9:
		s.act = rename
	case n < 12:
		s.act = suspend
	case n < 15:
		s.act = resume
	case n < 17:
		s.act = disable
	case n < 18:
		s.act = enable
	case n < 19:
		s.act = revoke
	default:
		s.act = rotate
	}
	if s.act == rename {
		h.mu.Lock()
		h.names++
		s.name = h.names
		h.mu.Unlock()
	}
	return s
}

// do carries a step out and notes it. A read without an answer tells nothing.
func (h *history) do(client int, s step) {
	call := time.Since(h.began)
	result, err := h.carryOut(s)
	end := int64(time.Since(h.began))
	if _, refused := err.(refusal); err != nil && !refused {
		if s.act == read || s.act == verify {
			return
		}
		end = noReturn
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, porcupine.Operation{ClientId: client, Input: s, Call: int64(call), Output: result, Return: end})
	if s.act == revoke && err == nil && !result.refused && s.replica != int(h.paused.Load()) {
		h.revoked = append(h.revoked, time.Duration(end)-call)
	}
}

// words are those of the errors that a key is refused with.
var words = map[string]string{
	"api_keys.revoked": revoked, "api_keys.grace_ended": ended, "api_keys.suspended": suspended, "auth.owner_disabled": disabled,
	"REVOKED": revoked, "GRACE_ENDED": ended, "SUSPENDED": suspended, "OWNER_DISABLED": disabled, "VALID": valid,
}

var changes = map[act]string{
	rename:  `updateApiKey(input: {id: $id, name: $name})`,
	revoke:  `revokeApiKey(input: {id: $id})`,
	rotate:  `rotateApiKey(input: {id: $id, gracePeriod: "PT0S"})`,
	suspend: `suspendApiKey(input: {id: $id})`,
	resume:  `resumeApiKey(input: {id: $id})`,
	disable: `updateUser(input: {id: $id, disabled: true})`,
	enable:  `updateUser(input: {id: $id, disabled: false})`,
}

func (h *history) carryOut(s step) (seen, error) {
	key := h.keys[s.key]
	named := func(word, name string) (o seen, err error) {
		o.word = word
		if word == valid {
			_, err = fmt.Sscanf(name, "n%d", &o.name)
		}
		return o, err
	}
	switch s.act {
	case read:
		var answer struct{ ViewerKey struct{ Name string } }
		err := h.ask(s.replica, key.text, `{ viewerKey { name } }`, nil, &answer)
		if refused, ok := err.(refusal); ok {
			word, known := words[refused.code]
			if !known {
				word = refused.code // which the model will not know either
			}
			return seen{word: word}, nil
		}
		if err != nil {
			return seen{}, err
		}
		return named(valid, answer.ViewerKey.Name)
	case verify:
		var answer struct {
			VerifyAPIKey struct {
				Code   string
				APIKey *struct{ Name string }
			}
		}
		err := h.ask(s.replica, h.admin, `mutation ($s: String!) { verifyApiKey(input: {secret: $s}) { code apiKey { name } } }`, map[string]any{"s": key.text}, &answer)
		if err != nil {
			return seen{}, err
		}
		if answer.VerifyAPIKey.APIKey == nil {
			return seen{word: answer.VerifyAPIKey.Code}, nil
		}
		return named(words[answer.VerifyAPIKey.Code], answer.VerifyAPIKey.APIKey.Name)
	}
	variables := map[string]any{"id": key.id}
	declared := "$id: ID!"
	if s.onOwner() {
		variables["id"] = h.owners[s.owner]
	}
	if s.act == rename {
		declared += ", $name: String"
		variables["name"] = fmt.Sprint("n", s.name)
	}
	var answer struct {
		Changed struct{ UserErrors []struct{ Code string } }
	}
	err := h.ask(s.replica, h.admin, "mutation ("+declared+") { changed: "+changes[s.act]+" { userErrors { code } } }", variables, &answer)
	_, refused := err.(refusal)
	return seen{refused: refused || len(answer.Changed.UserErrors) > 0}, err
}

// check fails when no order of the operations explains what was seen, and shows where.
func (h *history) check() error {
	for number, key := range h.keys {
		operations := ofKey(h.operations, number, key.owner)
		result, info := porcupine.CheckOperationsVerbose(lives, operations, time.Minute)
		if result == porcupine.Ok {
			continue
		}
		path := filepath.Join(os.TempDir(), fmt.Sprintf("keytag-history-%d.html", time.Now().UnixNano()))
		if err := porcupine.VisualizePath(lives, info, path); err != nil {
			return err
		}
		return fmt.Errorf("%s; shown in %s; up to the first answer that nothing explains:\n%s", result, path, tell(unexplained(operations)))
	}
	return nil
}

// unexplained are the operations up to the first answer that makes them illegal, those included that were
// under way.
func unexplained(operations []porcupine.Operation) []porcupine.Operation {
	slices.SortFunc(operations, func(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) })
	until := func(n int) []porcupine.Operation {
		list := slices.Clone(operations[:n])
		for _, o := range operations[n:] {
			if s := o.Input.(step); n > 0 && o.Call < operations[n-1].Return && s.act != read && s.act != verify {
				o.Return = noReturn
				list = append(list, o)
			}
		}
		return list
	}
	return until(sort.Search(len(operations), func(n int) bool {
		return porcupine.CheckOperationsTimeout(lives, until(n), time.Minute) != porcupine.Ok
	}))
}

const told = 30 // operations that are shown in words

func tell(operations []porcupine.Operation) string {
	var text strings.Builder
	for _, o := range operations[max(0, len(operations)-told):] {
		fmt.Fprintf(&text, "%9.3f–%9.3f ms  %s\n", float64(o.Call)/1e6, float64(o.Return)/1e6, describe(o.Input.(step), o.Output.(seen)))
	}
	return text.String()
}

// shapes are what happens beside a history.
var shapes = []struct {
	name   string
	length time.Duration
	beside func(c *cluster, ctx context.Context, random *rand.Rand)
}{
	{"quiet", time.Second, func(*cluster, context.Context, *rand.Rand) {}},
	{"no notifications", time.Second, (*cluster).losesNotifications},
	{"a replica is paused", 2 * time.Second, func(c *cluster, _ context.Context, random *rand.Rand) {
		time.Sleep(upTo(random, 500*time.Millisecond))
		c.pause(random.IntN(len(c.replicas)), 300*time.Millisecond+upTo(random, 1200*time.Millisecond))
	}},
	{"a replica loses the database", 3 * time.Second, func(c *cluster, _ context.Context, random *rand.Rand) {
		time.Sleep(upTo(random, 500*time.Millisecond))
		w := c.ways[random.IntN(len(c.ways))]
		w.swallow(c.t)
		time.Sleep(time.Second + upTo(random, time.Second))
		w.restore(c.t)
	}},
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

// losesNotifications breaks the connections on which replicas are told of changes, again and again.
func (c *cluster) losesNotifications(ctx context.Context, _ *rand.Rand) {
	db, err := sql.Open("postgres", c.database)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer db.Close()
	for ctx.Err() == nil {
		if _, err := db.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'`); err != nil {
			c.t.Error(err)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// record plays one history and checks it.
func (c *cluster) record(random *rand.Rand, shape int) (*history, error) {
	h := c.newHistory(random)
	ctx, over := context.WithCancel(context.Background())
	var beside sync.WaitGroup
	beside.Go(func() { shapes[shape].beside(c, ctx, random) })
	h.play(rand.New(rand.NewPCG(random.Uint64(), random.Uint64())), shapes[shape].length)
	over()
	beside.Wait()
	return h, h.check()
}

// KEYTAG_TEST_HISTORIES says how many histories of three replicas are checked, KEYTAG_TEST_SEED repeats what
// clients choose.
func TestHistoriesAreLinearizable(t *testing.T) {
	histories := number(t, "KEYTAG_TEST_HISTORIES", 8)
	seed := uint64(number(t, "KEYTAG_TEST_SEED", rand.Int()))
	t.Logf("KEYTAG_TEST_HISTORIES=%d KEYTAG_TEST_SEED=%d", histories, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	c := newCluster(t, 3)
	operations := map[string]int{}
	took := map[string][]time.Duration{}
	for i := range histories {
		shape := i % len(shapes)
		h, err := c.record(random, shape)
		name := shapes[shape].name
		if err != nil {
			t.Errorf("history %d, %s: %v", i, name, err)
		}
		operations[name] += len(h.operations)
		took[name] = append(took[name], h.revoked...)
	}
	for _, s := range shapes {
		if operations[s.name] == 0 {
			t.Errorf("%s: no operations", s.name)
		}
		t.Logf("%s: %d operations; revocations: %s", s.name, operations[s.name], quantiles(took[s.name]))
	}
	for _, d := range took["a replica is paused"] {
		if d > 2*time.Second { // 1.5 on a machine with nothing else to do
			t.Errorf("a revocation took %v beside a replica that was paused", d)
		}
	}
}

// What the histories are there to find is found: replicas that do not wait for each other, and that forget
// too late.
func TestHistoriesThatAreNotLinearizable(t *testing.T) {
	const most = 20 // histories until one is to be found out
	path := filepath.Join(built, "keytag-with-hooks")
	if out, err := exec.Command("go", "build", "-tags", "keytaghooks", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, flaw := range []struct {
		env   string
		shape int
	}{{"KEYTAG_HOOK_NO_BARRIER=1", 1}, {"KEYTAG_HOOK_STALE=50ms", 0}} {
		t.Run(flaw.env, func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(number(t, "KEYTAG_TEST_SEED", rand.Int())), 0))
			c := newClusterOf(t, path, 3, flaw.env)
			for i := range most {
				if _, err := c.record(random, flaw.shape); err != nil {
					first, _, _ := strings.Cut(err.Error(), "\n")
					t.Logf("found by history %d: %s", i+1, first)
					return
				}
			}
			t.Errorf("not found by %d histories", most)
		})
	}
}

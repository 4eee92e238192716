package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// history is a short life of a few keys, as clients of several replicas see it.
type history struct {
	*cluster
	owners []string

	mu         sync.Mutex
	keys       []historyKey
	operations []porcupine.Operation
	names      int
	asked      map[act]int
	unanswered map[act]int
	revoked    []time.Duration // how long revocations took that were acknowledged by a replica that was not paused
}

type historyKey struct {
	id, text string
	owner    int
}

// mostKeys is how many keys a history has at most: the fewer, the more meet at one.
const mostKeys = 12

func (c *cluster) newHistory(random *rand.Rand) *history {
	c.paused.Store(-1)
	h := &history{cluster: c, asked: map[act]int{}, unanswered: map[act]int{}}
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
			h.do(0, step{act: create, owner: owner})
		}
	}
	if len(h.keys) != 3 {
		c.t.Fatalf("%d keys were made to begin with", len(h.keys))
	}
	return h
}

// play has clients do as they like until a time has passed.
func (h *history) play(random *rand.Rand, length time.Duration) {
	over := time.Now().Add(length)
	var clients sync.WaitGroup
	for client := range 8 {
		own := rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
		clients.Go(func() {
			for time.Now().Before(over) {
				s := h.choose(own, client < 2)
				born, also := h.do(client, s)
				for replica := range h.replicas {
					// Who has a new key in hand presents it at once, and wherever they like.
					if born >= 0 {
						h.do(client, step{act: oneOf(own, read, verify), key: born, owner: s.owner, replica: replica})
					}
					if also {
						h.do(client, step{act: oneOf(own, read, verify), key: s.key, owner: s.owner, replica: replica})
					}
				}
				time.Sleep(upTo(own, 15*time.Millisecond))
			}
		})
	}
	clients.Wait()
}

func oneOf[T any](random *rand.Rand, of ...T) T { return of[random.IntN(len(of))] }

func upTo(random *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(most)))
}

// choose has changes come from a few clients, so that most read at any time.
func (h *history) choose(random *rand.Rand, changes bool) step {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := random.IntN(len(h.keys))
	s := step{act: read, key: key, owner: h.keys[key].owner, replica: random.IntN(len(h.replicas))}
	switch n := random.IntN(20); {
	case !changes && n < 14:
	case !changes:
		s.act = verify
	case n < 8:
		s.act = rename
	case n < 11:
		s.act = suspend
	case n < 14:
		s.act = resume
	case n < 16:
		s.act = disable
	case n < 17:
		s.act = enable
	case n < 18:
		s.act = revoke
	case len(h.keys) >= mostKeys:
		s.act = rename
	case n < 19:
		s.act = create
	default:
		s.act = rotate
	}
	if s.act == rename {
		h.names++
		s.name = h.names
	}
	return s
}

// do carries a step out and notes it. A read without an answer tells nothing. born is the number of the key that
// came of it, -1 for none; also reports that the key of the step was rotated.
func (h *history) do(client int, s step) (born int, also bool) {
	call := time.Since(h.began)
	result, made, err := h.carryOut(s)
	end := int64(time.Since(h.began))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked[s.act]++
	note := func(s step, o seen) {
		h.operations = append(h.operations, porcupine.Operation{ClientId: client, Input: s, Call: int64(call), Output: o, Return: end})
	}
	if _, refused := err.(refusal); err != nil && !refused {
		h.unanswered[s.act]++
		if s.isRead() {
			return -1, false
		}
		end = noReturn
	}
	if s.act != create {
		note(s, result)
	}
	if s.act == revoke && err == nil && !result.refused && s.replica != int(h.paused.Load()) {
		h.revoked = append(h.revoked, time.Duration(end)-call)
	}
	if made == nil {
		return -1, false
	}
	born = len(h.keys)
	h.keys = append(h.keys, historyKey{made.APIKey.ID, made.Secret, s.owner})
	note(step{act: create, key: born, owner: s.owner, replica: s.replica}, seen{name: nameOf(made.APIKey.Name)})
	return born, s.act == rotate
}

// madeKey is a key with its secret.
type madeKey struct {
	APIKey struct{ ID, Name string }
	Secret string
}

func nameOf(text string) (n int) {
	if _, err := fmt.Sscanf(text, "n%d", &n); err != nil {
		return -1
	}
	return n
}

// words are those of the errors that a key is refused with.
var words = map[string]string{
	"api_keys.revoked": revoked, "api_keys.grace_ended": ended, "api_keys.suspended": suspended, "auth.owner_disabled": disabled,
	"REVOKED": revoked, "GRACE_ENDED": ended, "SUSPENDED": suspended, "OWNER_DISABLED": disabled, "VALID": valid,
	"api_keys.invalid": unknown, "NOT_FOUND": unknown,
}

// wordOf leaves what is not among words as it is: the model will not know it either.
func wordOf(code string) string {
	if word, known := words[code]; known {
		return word
	}
	return code
}

var changes = map[act]string{
	rename:  `updateApiKey(input: {id: $id, name: $name})`,
	revoke:  `revokeApiKey(input: {id: $id})`,
	suspend: `suspendApiKey(input: {id: $id})`,
	resume:  `resumeApiKey(input: {id: $id})`,
	disable: `updateUser(input: {id: $id, disabled: true})`,
	enable:  `updateUser(input: {id: $id, disabled: false})`,
}

// carryOut asks a replica. made is the key that came of it, if any.
func (h *history) carryOut(s step) (o seen, made *madeKey, err error) {
	h.mu.Lock()
	var key historyKey
	if s.act != create {
		key = h.keys[s.key]
	}
	h.mu.Unlock()
	switch s.act {
	case read:
		o, err = h.look(s.replica, key.text)
		return o, nil, err
	case verify:
		o, err = h.haveVerified(s.replica, key.text)
		return o, nil, err
	case create, rotate:
		return h.bring(s, key)
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
	err = h.ask(s.replica, h.admin, "mutation ("+declared+") { changed: "+changes[s.act]+" { userErrors { code } } }", variables, &answer)
	_, refused := err.(refusal)
	return seen{refused: refused || len(answer.Changed.UserErrors) > 0}, nil, err
}

// look has a key ask about itself.
func (h *history) look(replica int, text string) (seen, error) {
	var answer struct{ ViewerKey struct{ Name string } }
	err := h.ask(replica, text, `{ viewerKey { name } }`, nil, &answer)
	if refused, ok := err.(refusal); ok {
		return seen{word: wordOf(refused.code)}, nil
	}
	return seen{word: valid, name: nameOf(answer.ViewerKey.Name)}, err
}

func (h *history) haveVerified(replica int, text string) (seen, error) {
	var answer struct {
		VerifyAPIKey struct {
			Code   string
			APIKey *struct{ Name string }
		}
	}
	err := h.ask(replica, h.admin, `mutation ($s: String!) { verifyApiKey(input: {secret: $s}) { code apiKey { name } } }`, map[string]any{"s": text}, &answer)
	o := seen{word: wordOf(answer.VerifyAPIKey.Code)}
	if o.word == valid && answer.VerifyAPIKey.APIKey != nil {
		o.name = nameOf(answer.VerifyAPIKey.APIKey.Name)
	}
	return o, err
}

// bring makes a key, or rotates one without grace.
func (h *history) bring(s step, key historyKey) (seen, *madeKey, error) {
	document := `mutation ($p: ID!, $o: ID!, $d: String!) { made: createApiKey(input: {projectId: $p, ownerId: $o, name: "n0", description: $d}) {
		apiKey { id name } secret userErrors { code } } }`
	variables := map[string]any{"p": h.project, "o": h.owners[s.owner], "d": fmt.Sprint("key ", h.count())}
	if s.act == rotate {
		document = `mutation ($id: ID!) { made: rotateApiKey(input: {id: $id, gracePeriod: "PT0S"}) { apiKey: newKey { id name } secret userErrors { code } } }`
		variables = map[string]any{"id": key.id}
	}
	var answer struct {
		Made struct {
			madeKey
			UserErrors []struct{ Code string }
		}
	}
	err := h.ask(s.replica, h.admin, document, variables, &answer)
	if answer.Made.Secret == "" {
		_, refused := err.(refusal)
		return seen{refused: refused || err == nil}, nil, err
	}
	return seen{}, &answer.Made.madeKey, err
}

// count is another number each time.
func (h *history) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names++
	return h.names
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
			if s := o.Input.(step); n > 0 && o.Call < operations[n-1].Return && !s.isRead() {
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

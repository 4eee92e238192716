package graph_test

import (
	"bytes"
	cryptorand "crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/secret"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
	"github.com/keytag/keytag/internal/typeid"
)

// An organization gets the same bytes whether or not another one is there. Both sites draw the same
// ids and secrets and stand at the same time, so that nothing has to be left out of the comparison.
func TestNonInterference(t *testing.T) {
	operations := 1500
	if text := os.Getenv("KEYTAG_TEST_OPERATIONS"); text != "" {
		var err error
		if operations, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		seed := rand.Uint64()
		if text := os.Getenv("KEYTAG_TEST_SEED"); text != "" {
			var err error
			if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("KEYTAG_TEST_SEED=%d", seed)
		stores := []*store.Store{storetest.Open(t, dialect), storetest.Open(t, dialect)}
		draws := predictable(t)
		var sites []*site
		for _, st := range stores {
			draws.restart(seed)
			sites = append(sites, newSite(t, st))
		}
		a := newParty(t, "default", draws, seed, sites...)
		a.root = sites[0].admin
		b := newParty(t, "acme", draws, ^seed, sites[1])
		a.other, b.other = b, a
		receiver := newReceiver(t)
		for _, p := range []*party{a, b} {
			p.receiver = receiver
			p.elapse = func(d time.Duration) { elapse(draws, seed, d, sites...) }
		}
		draws.restart(b.seed)
		b.found()
		b.settle()
		pause := func() { a.elapse(pauses[a.rng.IntN(len(pauses))]) }
		for range operations / 10 {
			pause()
			b.act()
		}
		a.settle()
		for range operations {
			pause()
			a.act()
			if a.rng.IntN(4) == 0 {
				a.elapse(time.Millisecond) // what the two make does not fall due together
				b.act()
			}
		}
		for _, p := range []*party{a, b} {
			p.insist(pause)
		}
		a.isVaried(operations)
		b.isVaried(min(operations/4, 999))
		a.isHiddenFrom(b)
		b.isHiddenFrom(a)

		// The comparison notices one user more.
		count := `{ users { totalCount } }`
		alone := sites[0].ask(a.root, count, nil)
		sites[1].ask(a.root, `mutation { createUser(input: {login: "one more"}) { user { id } } }`, nil)
		if difference(alone, sites[1].ask(a.root, count, nil)) == "" {
			t.Errorf("no difference seen after a change on one site")
		}
	})
}

var pauses = []time.Duration{time.Millisecond, time.Millisecond, 20 * time.Millisecond, time.Second, time.Second, 45 * time.Second, time.Minute, 15 * time.Minute}

// draws is a source of randomness that can be drawn from again. Draws of one length do not depend on
// those of another, such as the nonces of connections to the database.
type draws struct {
	mu   sync.Mutex
	seed uint64
	made map[int]uint64
}

func predictable(t *testing.T) *draws {
	d, before := &draws{}, cryptorand.Reader
	cryptorand.Reader = d
	t.Cleanup(func() { cryptorand.Reader = before })
	return d
}

func (d *draws) restart(seed uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seed, d.made = seed, map[int]uint64{}
}

func (d *draws) Read(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var key [32]byte
	for i, part := range []uint64{d.seed, uint64(len(p)), d.made[len(p)]} {
		binary.LittleEndian.PutUint64(key[8*i:], part)
	}
	d.made[len(p)]++
	return rand.NewChaCha8(key).Read(p)
}

// party is an organization that does things at random, on every site where it exists.
type party struct {
	t            *testing.T
	sites        []*site
	draws        *draws
	rng          *rand.Rand
	organization string
	seed         uint64
	asked        uint64
	other        *party

	root    string   // text of a key that gives the holders theirs
	project string   // where root's key is
	source  string   // an alert source that stays
	spared  []string // ids that root depends on
	careful bool     // the request in the making is meant to succeed
	holders []*holder
	known   map[string][]string // what answers held, the last seen last: ids and cursors by kind, secrets
	last    func() answer       // a request to be sent again

	elapse   func(time.Duration) // lets time pass on every site
	receiver string              // the URL of one that takes every webhook
	token    string              // announces the rotation that the request in the making is to claim
	wrote    bool                // since work was done

	tried, went map[string]int // calls of each root field, and those that made no errors
	foreign     int            // values of the other party that were used
}

// holder is a user, what its key is to hold, and the key it has.
type holder struct{ role, scopes, user, key string }

func newParty(t *testing.T, organization string, draws *draws, seed uint64, sites ...*site) *party {
	return &party{
		t: t, sites: sites, draws: draws, rng: rand.New(rand.NewPCG(seed, 0)), organization: organization, seed: seed,
		known: map[string][]string{}, tried: map[string]int{}, went: map[string]int{},
	}
}

// found makes the organization on the site where it is to be.
func (p *party) found() {
	p.administer(func(d *directory.Directory, publish func(secret.Secret) error) error {
		return d.AddOrganization(p.t.Context(), p.organization, "admin", publish)
	})
}

// administer does what the operator does, on every site, and takes the key that comes of it.
func (p *party) administer(do func(*directory.Directory, func(secret.Secret) error) error) {
	p.asked++
	for _, s := range p.sites {
		p.draws.restart(p.seed + p.asked)
		d := directory.New(s.store, keys.New(s.store, s.clock, telemetry.Logger(io.Discard, "error", "json")), s.clock)
		if err := do(d, func(k secret.Secret) error { p.root = k.Reveal(); return nil }); err != nil {
			p.t.Fatal(err)
		}
	}
}

// settle makes the users and their keys.
func (p *party) settle() {
	p.rely()
	for i, h := range []*holder{
		{role: "ADMIN", scopes: `"*"`},
		{role: "ADMIN", scopes: `"*"`},
		{role: "ADMIN", scopes: `"keytag:keys:*", "keytag:directory:*"`},
		{role: "MEMBER", scopes: `"keytag:keys:*", "keytag:directory:read", "keytag:audit:read", "order:*"`},
		{role: "MEMBER", scopes: `"keytag:keys:verify"`},
		{role: "MEMBER", scopes: ``},
	} {
		a := p.ask(p.root, fmt.Sprintf(`mutation { createUser(input: {login: "caller-%d", role: %s}) { user { id } } }`, i, h.role))
		h.user = a.str(p.t, "createUser", "user", "id")
		p.holders = append(p.holders, h)
		p.revive(h)
	}
	p.source = p.ask(p.root, `mutation { createOperatorMessageAlertSource(input: {name: "kept"}) { alertSource { id } } }`).
		str(p.t, "createOperatorMessageAlertSource", "alertSource", "id")
	p.rely()
}

// revive gives a user a working key.
func (p *party) revive(h *holder) {
	give := func() answer {
		return p.ask(p.root, fmt.Sprintf(`mutation {
			updateUser(input: {id: %q, role: %s, mayUseApiKeys: true, disabled: false}) { user { id } }
			createApiKey(input: {projectId: %q, ownerId: %[1]q, name: "key %[4]d", scopes: [%[5]s]}) { secret }
		}`, h.user, h.role, p.project, p.asked, h.scopes))
	}
	a := give()
	if a.status != http.StatusOK {
		p.administer(func(d *directory.Directory, publish func(secret.Secret) error) error {
			return d.ResetAdministrator(p.t.Context(), p.organization, "admin", publish)
		})
		p.rely()
		a = give()
	}
	h.key = a.str(p.t, "createApiKey", "secret")
}

// rely notes what the root key is and stands on.
func (p *party) rely() {
	a := p.ask(p.root, `{ viewer { id } viewerKey { id project { id } } }`)
	p.project = a.str(p.t, "viewerKey", "project", "id")
	p.spared = []string{a.str(p.t, "viewer", "id"), a.str(p.t, "viewerKey", "id"), p.project, p.source}
}

// act asks for a random root field as one of the holders. Some requests are sent twice.
func (p *party) act() {
	fields := schema.Query.Fields
	if p.rng.IntN(2) == 0 {
		fields = schema.Mutation.Fields
	}
	field := fields[p.rng.IntN(len(fields))]
	if p.rng.IntN(4) == 0 { // what keeps the others supplied
		field = schema.Mutation.Fields.ForName([]string{"createApiKey", "createApiKey", "createEnvironment", "setApiKeyNotification"}[p.rng.IntN(4)])
	}
	if !strings.HasPrefix(field.Name, "__") {
		p.try(field)
	}
}

// try asks for a root field.
func (p *party) try(field *ast.FieldDefinition) {
	h := p.holders[p.rng.IntN(len(p.holders))]
	if p.careful = p.rng.IntN(4) > 0; p.careful {
		h = p.holders[p.rng.IntN(2)]
	}
	key := h.key
	if p.token = ""; field.Name == "claimRotation" && p.careful {
		if key, p.token = p.announced(); key == "" {
			return
		}
	}
	document := p.document(field)
	if p.rng.IntN(50) == 0 {
		key = ""
	}
	send := func() answer { return p.ask(key, document) }
	a := send()
	if p.rng.IntN(20) == 0 {
		p.last = send
	}
	p.tried[field.Name]++
	if a.status == http.StatusOK && len(a.Errors) == 0 && !strings.Contains(a.text, `"userErrors":[{`) {
		p.went[field.Name]++
	}
	demoted := h.scopes == `"*"` && strings.Contains(a.text, `"auth.forbidden"`)
	if key == h.key && (a.status != http.StatusOK || demoted) {
		p.revive(h)
	}
	if p.last != nil && p.rng.IntN(10) == 0 {
		p.last()
	}
	p.work()
}

// insist tries on what chance has not let work yet.
func (p *party) insist(pause func()) {
	for _, f := range rootFields() {
		for range 60 {
			if p.went[f.Name] > 0 || strings.HasPrefix(f.Name, "__") {
				break
			}
			pause()
			p.try(f)
		}
	}
}

// ask sends a document to every site and requires the same answer of all.
func (p *party) ask(key, document string) answer {
	p.t.Helper()
	p.asked++
	p.wrote = p.wrote || strings.HasPrefix(document, "mutation")
	query, variables := hidden(document)
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		p.t.Fatal(err)
	}
	var first answer
	for i, s := range p.sites {
		p.draws.restart(p.seed + p.asked)
		a := s.post(string(body), func(h http.Header) {
			switch {
			case key != "" && p.asked%5 == 0:
				h.Set("X-Api-Key", key)
			case key != "":
				h.Set("Authorization", "Bearer "+key)
			}
			if p.asked%31 == 0 && strings.HasPrefix(document, "query") {
				h.Set("Keytag-Probe", "1")
			}
		})
		if i == 0 {
			first = a
		} else if d := difference(first, a); d != "" {
			p.t.Fatalf("request %d, %s\n%s", p.asked, document, d)
		}
	}
	p.learn(first.text)
	return first
}

// difference shows where two answers differ; empty when all is equal but the clock of HTTP and the
// order of errors, which fields that are resolved side by side leave open (GraphQL §6.4.4).
func difference(a, b answer) string {
	a, b = settled(a), settled(b)
	if a.status == b.status && a.text == b.text && maps.EqualFunc(a.header, b.header, slices.Equal) {
		return ""
	}
	return fmt.Sprintf("%d %v\n%s\n%d %v\n%s", a.status, a.header, a.text, b.status, b.header, b.text)
}

func settled(a answer) answer {
	a.header = a.header.Clone()
	a.header.Del("Date")
	if len(a.Errors) < 2 {
		return a
	}
	codes := strings.Split(a.header.Get("X-Cloud-Error-Codes"), ",")
	slices.Sort(codes)
	a.header.Set("X-Cloud-Error-Codes", strings.Join(codes, ","))
	var body struct{ Errors, Data json.RawMessage }
	var errors []json.RawMessage
	if json.Unmarshal([]byte(a.text), &body) == nil && json.Unmarshal(body.Errors, &errors) == nil {
		slices.SortFunc(errors, func(x, y json.RawMessage) int { return bytes.Compare(x, y) })
		a.text = fmt.Sprintf("%s\n%s", errors, body.Data)
	}
	return a
}

// isVaried requires that every root field was reached and worked, in so many operations, and that
// two fifths of the mutations did.
func (p *party) isVaried(operations int) {
	mutations, went := 0, 0
	for _, f := range rootFields() {
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		if p.went[f.Name] == 0 && operations >= 1000 {
			p.t.Errorf("%s: %s worked in none of %d calls", p.organization, f.Name, p.tried[f.Name])
		}
		if schema.Mutation.Fields.ForName(f.Name) != nil {
			mutations, went = mutations+p.tried[f.Name], went+p.went[f.Name]
		}
	}
	p.t.Logf("%s: %d requests, %d of %d mutations without errors, %d foreign values", p.organization, p.asked, went, mutations, p.foreign)
	if went*5 < mutations*2 {
		p.t.Errorf("%s: only %d of %d mutations worked: %v of %v", p.organization, went, mutations, p.went, p.tried)
	}
	if p.foreign*40 < operations {
		p.t.Errorf("%s: only %d values of the other organization were used", p.organization, p.foreign)
	}
}

// isHiddenFrom requires that the newest of what the party has is there for itself, by id and by
// secret, and nothing for the other.
func (p *party) isHiddenFrom(other *party) {
	p.revive(p.holders[0])
	other.revive(other.holders[0])
	list := p.ask(p.root, `{
		organization { id } users(last: 12) { nodes { id } } projects(last: 12) { nodes { id environments { id } } }
		apiKeys(first: 12) { nodes { id } } auditEvents(last: 12) { nodes { id } }
		alertSources(first: 12) { nodes { id } } operatorMessages(first: 12) { nodes { id } }
	}`)
	var ids []string
	for _, kind := range []string{typeid.Organization, typeid.User, typeid.Project, typeid.Environment, typeid.APIKey, typeid.AuditEvent, typeid.AlertSource, typeid.Message} {
		found := regexp.MustCompile(kind+`_[0-9a-z]{26}`).FindAllString(list.text, 12)
		if len(found) == 0 {
			p.t.Errorf("%s: no %s in %s", p.organization, kind, list.text)
		}
		ids = append(ids, found...)
	}
	document := fmt.Sprintf(`mutation { verifyApiKey(input: {secret: %q}) { code } }`, p.holders[0].key)
	for viewer, code := range map[*party]string{p: "VALID", other: "NOT_FOUND"} {
		if a := viewer.ask(viewer.root, document); a.str(p.t, "verifyApiKey", "code") != code {
			p.t.Errorf("%s asks about %s: %s", viewer.organization, p.organization, a.text)
		}
		a := viewer.ask(viewer.root, fmt.Sprintf(`{ nodes(ids: ["%s"]) { id } }`, strings.Join(ids, `", "`)))
		for i, id := range ids {
			if (a.at(p.t, "nodes", i) != nil) != (viewer == p) {
				p.t.Errorf("%s asks for %s of %s: %s", viewer.organization, id, p.organization, a.text)
			}
		}
	}
}

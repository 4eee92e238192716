package graph_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/seal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/telemetry"
)

// world is a site with an organization whose key "$key" has lived through everything, and another
// organization.
type world struct {
	*site
	// things are what documents call $word; fresh are the words of the cell being tested.
	things map[string]string
	fresh  []string
	// theirs is the project of the other organization, elsewhere the key of its administrator.
	theirs, elsewhere string
	texts             map[string]string // of callers' keys
	scopes            []string          // every scope that the schema asks for
	n                 int
	caller            string       // the text of the key that asks in the cell being tested
	received          atomic.Int64 // webhooks
}

func newWorld(s *site) *world {
	s.t.Helper()
	w := &world{site: s, things: map[string]string{}, texts: map[string]string{}}
	receiver := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		w.received.Add(1)
		if r.URL.Path == "/failing" {
			answer.WriteHeader(http.StatusInternalServerError)
		}
	}))
	s.t.Cleanup(receiver.Close)
	w.things["receiver"] = receiver.URL
	for _, f := range objectFields {
		if d := f.Directives.ForName("hasScope"); d != nil && !slices.Contains(w.scopes, d.Arguments.ForName("scope").Value.Raw) {
			w.scopes = append(w.scopes, d.Arguments.ForName("scope").Value.Raw)
		}
	}
	log := telemetry.Logger(s.log, "debug", "json")
	other := directory.New(s.store, keys.New(s.store, s.clock, log), s.clock)
	if err := other.AddOrganization(s.t.Context(), "Elsewhere", "eve", func(k secret.Secret) error { w.elsewhere = k.Reveal(); return nil }); err != nil {
		s.t.Fatal(err)
	}
	w.theirs = s.ask(w.elsewhere, `{ viewerKey { project { id } } }`, nil).str(s.t, "viewerKey", "project", "id")

	a := w.do(`mutation {
		owner: createUser(input: {login: "olive", email: "olive@example.org"}) { user { id organization { id } } }
		member: createUser(input: {login: "mia"}) { user { id } }
		project: createProject(input: {name: "shop", environments: ["live"], scopeCatalogue: [
			{name: "deploy:write", description: "Deploys.", deprecationReason: "Nobody deploys."}, {name: "keytag:*"}]}) { project { id environments { id } } }
	}`)
	w.things["owner"], w.things["member"] = a.str(s.t, "owner", "user", "id"), a.str(s.t, "member", "user", "id")
	w.things["organization"] = a.str(s.t, "owner", "user", "organization", "id")
	w.things["project"] = a.str(s.t, "project", "project", "id")
	w.things["environment"] = a.str(s.t, "project", "project", "environments", 0, "id")
	w.things["admin"] = w.do(`{ viewer { id } }`).str(s.t, "viewer", "id")
	w.do(`mutation { updateApiKeyPolicy(input: {projectId: "$project", maxGracePeriod: "P3D"}) { userErrors { message } } }`)

	w.tell()
	w.things["first"], _ = w.key("owner", map[string]any{"description": "the subject", "scopes": []string{keysRead}, "allowedIps": []string{"127.0.0.0/8", "::1/128"}})
	rotated := w.do(`mutation { rotateApiKey(input: {id: "$first"}) { newKey { id } secret } }`)
	w.things["key"] = rotated.str(s.t, "rotateApiKey", "newKey", "id")
	s.ask(rotated.str(s.t, "rotateApiKey", "secret"), `{ viewerKey { id } }`, nil)
	a = w.do(`mutation {
		rotateApiKey(input: {id: "$key"}) { newKey { id } }
		updateApiKey(input: {id: "$key", name: "a late name"}) { apiKey { id } }
		suspendApiKey(input: {id: "$key"}) { apiKey { id } }
		revokeApiKey(input: {id: "$key", reason: SUPERSEDED, note: "enough"}) { apiKey { id } }
	}`)
	w.things["successor"] = a.str(s.t, "rotateApiKey", "newKey", "id")
	a = w.do(`{ event: auditEvents(filter: {subjectId: "$key", actions: ["api_key.revoked"]}) { nodes { id } }
		renaming: auditEvents(filter: {subjectId: "$key", actions: ["api_key.updated"]}) { nodes { id } } }`)
	w.things["event"], w.things["renaming"] = a.str(s.t, "event", "nodes", 0, "id"), a.str(s.t, "renaming", "nodes", 0, "id")
	return w
}

// tell lets time do its part with the key "$told": it was told of through an operator message that was
// replied to, is being told of through a webhook that fails, and its rotation has been announced.
func (w *world) tell() {
	w.t.Helper()
	w.things["told"], _ = w.key("owner", map[string]any{})
	a := w.do(`mutation {
		source: createOperatorMessageAlertSource(input: {name: "messages"}) { alertSource { id } }
		mailer: createEmailAlertSource(input: {name: "mails", recipients: ["ops@example.org"]}) { alertSource { id } }
		poster: createWebhookAlertSource(input: {name: "webhooks", url: "$receiver/failing"}) { alertSource { id } }
		setRotationSchedule(input: {id: "$told", schedule: {intervalDays: 1, webhookUrl: "$receiver/failing"}}) { userErrors { message } }
	}`)
	for _, name := range []string{"source", "mailer", "poster"} {
		w.things[name] = a.str(w.t, name, "alertSource", "id")
	}
	notify := func(source string) {
		w.do(fmt.Sprintf(`mutation { setApiKeyNotification(input: {apiKeyId: "$told", notifyAt: %q, alertSourceId: "$%s"}) { userErrors { message } } }`,
			w.clock().Add(12*time.Hour).Format(time.RFC3339), source))
		w.pass(12 * time.Hour)
		w.work()
	}
	notify("source")
	w.things["message"] = w.do(`{ operatorMessages { nodes { id } } }`).str(w.t, "operatorMessages", "nodes", 0, "id")
	w.do(`mutation { replyOperatorMessage(input: {id: "$message", reply: "Acknowledge"}) { userErrors { message } } }`)
	notify("poster")
	a = w.do(`{ apiKey(id: "$told") { lastRotation { id } notification { id job { id } } } }`)
	w.things["rotation"] = a.str(w.t, "apiKey", "lastRotation", "id")
	w.things["notification"] = a.str(w.t, "apiKey", "notification", "id")
	w.things["failing"] = a.str(w.t, "apiKey", "notification", "job", "id")
}

// announce lets a rotation of the caller's key be announced, and answers the token to claim it with.
func (w *world) announce() string {
	w.t.Helper()
	if w.caller == "" {
		return "kclaim_none"
	}
	id := w.ask(w.caller, `{ viewerKey { id } }`, nil).str(w.t, "viewerKey", "id")
	set := fmt.Sprintf(`mutation { setRotationSchedule(input: {id: %q, schedule: {intervalDays: 1}}) { apiKey { id } } }`, id)
	for _, administrator := range []string{w.admin, w.elsewhere} {
		w.ask(administrator, set, nil) // one of them does
	}
	w.pass(24 * time.Hour)
	w.work()
	sealer, err := seal.Parse(encryptionKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return sealer.ClaimToken(w.ask(w.caller, `{ viewerKey { lastRotation { id } } }`, nil).str(w.t, "viewerKey", "lastRotation", "id"))
}

// do asks as the administrator for something that must succeed.
func (w *world) do(text string) answer {
	w.t.Helper()
	a := w.ask(w.admin, w.fill(text), nil)
	if len(a.Errors) > 0 {
		w.t.Fatal(a.text)
	}
	return a
}

// key makes a key in the project of the subject.
func (w *world) key(of string, input map[string]any) (id, text string) {
	w.t.Helper()
	w.n++
	if input["description"] == nil {
		input["description"] = fmt.Sprint("key ", w.n)
	}
	input["ownerId"], input["projectId"], input["environmentId"] = w.things[of], w.things["project"], w.things["environment"]
	return w.create(w.admin, input)
}

// keyOf is the key with which a caller asks for what a row is about; it has been used.
func (w *world) keyOf(c caller, r row) string {
	w.t.Helper()
	name := fmt.Sprint(c, r.needs, r.isAdmins)
	if c == anonymous || w.texts[name] != "" {
		return w.texts[name]
	}
	of, members := "owner", []string{keysRead, keysWrite, directoryRead, auditRead}
	if r.isAdmins {
		of = "admin"
	}
	var text string
	switch c {
	case outsider:
		w.n++
		_, text = w.create(w.elsewhere, map[string]any{"name": fmt.Sprint("key ", w.n), "projectId": w.theirs, "scopes": []string{"*"}})
	case member:
		_, text = w.key("member", map[string]any{"scopes": members})
	case owner:
		if r.isAdmins { // what an administrator put on a member's key gives the member nothing
			members = append(members, r.needs...)
		}
		_, text = w.key("owner", map[string]any{"scopes": members})
	case admin:
		w.n++
		_, text = w.create(w.admin, map[string]any{"name": fmt.Sprint("key ", w.n), "scopes": []string{"*"}})
	case lacking:
		var scopes []string
		if len(r.needs) > 0 {
			scopes = slices.DeleteFunc(slices.Clone(w.scopes), func(s string) bool { return s == r.needs[len(r.needs)-1] })
		}
		_, text = w.key(of, map[string]any{"scopes": scopes})
	case holding:
		_, text = w.key(of, map[string]any{"scopes": r.needs})
	}
	w.ask(text, `{ viewerKey { id } }`, nil)
	w.texts[name] = text
	return text
}

// make makes one of the things that every cell gets afresh.
func (w *world) make(name string) string {
	w.t.Helper()
	switch name {
	case "n":
		w.n++
		return fmt.Sprint(w.n)
	case "live":
		id, _ := w.key("owner", map[string]any{"scopes": []string{keysRead}})
		return id
	case "suspended":
		id, _ := w.key("owner", map[string]any{})
		w.ask(w.keyOf(owner, row{}), fmt.Sprintf(`mutation { suspendApiKey(input: {id: %q}) { apiKey { id } } }`, id), nil)
		return id
	case "rotated":
		id, _ := w.key("owner", map[string]any{})
		w.do(fmt.Sprintf(`mutation { rotateApiKey(input: {id: %q}) { newKey { id } } }`, id))
		return id
	case "secret":
		_, text := w.key("owner", map[string]any{})
		return text
	case "spare":
		made := w.do(`mutation { createEnvironment(input: {projectId: "$project", name: "spare $n"}) { environment { id } } }`)
		return made.str(w.t, "createEnvironment", "environment", "id")
	case "hooked":
		id, _ := w.key("owner", map[string]any{"rotation": map[string]any{"intervalDays": 30, "webhookUrl": w.things["receiver"]}})
		return id
	case "notified":
		id, _ := w.key("owner", map[string]any{"notification": map[string]any{"notifyAt": "2026-12-01T00:00:00Z", "alertSourceId": w.things["source"]}})
		return id
	case "job":
		return w.do(`{ apiKey(id: "$notified") { notification { job { id } } } }`).str(w.t, "apiKey", "notification", "job", "id")
	case "claim":
		return w.announce()
	case "unused":
		made := w.do(`mutation { createOperatorMessageAlertSource(input: {name: "unused $n"}) { alertSource { id } } }`)
		return made.str(w.t, "createOperatorMessageAlertSource", "alertSource", "id")
	case "waiting":
		w.do(fmt.Sprintf(`mutation { setApiKeyNotification(input: {apiKeyId: "$live", notifyAt: %q, alertSourceId: "$source"}) { userErrors { message } } }`,
			w.clock().Add(time.Second).Format(time.RFC3339)))
		w.pass(time.Second)
		w.work()
		return w.do(`{ operatorMessages(status: WAITING_FOR_REPLY) { nodes { id } } }`).str(w.t, "operatorMessages", "nodes", 0, "id")
	}
	w.t.Fatalf("a document asks for $%s, which world.make cannot make", name)
	return ""
}

var word = regexp.MustCompile(`\$[a-z]+`)

// fill puts the things of the world into a document, and makes what is not there yet.
func (w *world) fill(document string) string {
	return word.ReplaceAllStringFunc(document, func(name string) string {
		name = name[1:]
		if w.things[name] == "" {
			w.things[name] = w.make(name)
			w.fresh = append(w.fresh, name)
		}
		return w.things[name]
	})
}

// begin forgets what the last cell used.
func (w *world) begin() {
	for _, name := range w.fresh {
		delete(w.things, name)
	}
	w.fresh, w.texts = nil, map[string]string{}
}

// tellsNothing asserts that an answer names nothing of the organization.
func (w *world) tellsNothing(t *testing.T, field string, c caller, a answer) {
	t.Helper()
	for name, thing := range w.things {
		if name != "n" && strings.Contains(a.text, thing) {
			t.Errorf("%s, %s: tells of $%s\n%.600s", field, callers[c], name, a.text)
		}
	}
}

// dump is what the administrator sees of the organization: its things, and how many of each there are.
func (w *world) dump() string {
	w.t.Helper()
	text := `{ apiKeys(first: 6) { totalCount nodes {` + plain("ApiKey", 0) + ` } } users { totalCount } projects { totalCount } organization {` + plain("Organization", 1) + ` } project(id: "$project") {` + plain("Project", 1) + ` }
		alertSources { totalCount nodes { id name enabled } } operatorMessages { totalCount nodes { id reply } }
		auditEvents(filter: {actions: ["api_key.webhook_secret_rotated"]}) { totalCount }`
	for _, name := range slices.Concat(w.fresh, []string{"owner", "member", "admin"}) {
		switch id := w.things[name]; {
		case strings.HasPrefix(id, "key_"):
			text += fmt.Sprintf(" %s: apiKey(id: %q) {%s }", name, id, plain("ApiKey", 1))
		case strings.HasPrefix(id, "usr_"):
			text += fmt.Sprintf(" %s: user(id: %q) {%s }", name, id, plain("User", 0))
		}
	}
	a := w.do(text + " }")
	before, _, _ := strings.Cut(a.text, `"requestId"`)
	return fmt.Sprint(before, w.received.Load())
}

// plain selects all fields of a type that need no argument, to a depth, but for pages.
func plain(object string, depth int) string {
	var text strings.Builder
	for _, f := range schema.Types[object].Fields {
		d := schema.Types[f.Type.Name()]
		switch {
		case strings.HasPrefix(f.Name, "__") || strings.HasSuffix(d.Name, "Connection") || slices.ContainsFunc(f.Arguments, func(a *ast.ArgumentDefinition) bool { return a.Type.NonNull }):
		case !d.IsCompositeType():
			text.WriteString(" " + f.Name)
		case depth > 0 && d.Kind == ast.Object:
			text.WriteString(" " + f.Name + " {" + plain(d.Name, depth-1) + " }")
		}
	}
	return text.String() + " __typename"
}

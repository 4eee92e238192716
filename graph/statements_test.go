package graph_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/store"
)

// statements are those that do sends to the database, over all requests it makes.
func (s *site) statements(do func()) []string {
	var mu sync.Mutex
	var sent []string
	observe := func(see func(store.Statement)) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.observe = see
	}
	observe(func(statement store.Statement) {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, statement.Text)
	})
	defer observe(nil)
	do()
	mu.Lock()
	defer mu.Unlock()
	return sent
}

// town is a desk with 100 keys of 12 owners in 12 projects, each with something of everything beside it.
type town struct {
	*desk
	keys, projects []string
}

const (
	townKeys   = 80 // of which every fourth is rotated
	townPlaces = 12
)

func newTown(t *testing.T, d *desk) *town {
	w := &town{desk: d}
	var owners, environments, sources, alerted []string
	for i := range townPlaces {
		owners = append(owners, d.do(`mutation { createUser(input: {login: "user%d", displayName: "User %d"}) { user { id } `+refusals+` } }`, i, i).str(t, "createUser", "user", "id"))
		a := d.do(`mutation { createProject(input: {name: "project %d", environments: ["live", "test"]}) { project { id environments { id } } `+refusals+` } }`, i)
		w.projects = append(w.projects, a.str(t, "createProject", "project", "id"))
		environments = append(environments, a.str(t, "createProject", "project", "environments", 0, "id"))
	}
	for i := range 3 {
		sources = append(sources, d.messageSource(fmt.Sprintf(`name: "source %d"`, i)))
	}
	for i := range townKeys {
		input := map[string]any{"name": fmt.Sprint("key ", i), "ownerId": owners[i%townPlaces], "projectId": w.projects[i%townPlaces], "scopes": []string{"a"}}
		if i%2 == 0 {
			input["rotation"] = map[string]any{"intervalDays": 30}
		}
		if i%3 == 0 {
			input["environmentId"] = environments[i%townPlaces]
		}
		if i%4 >= 2 {
			input["notification"] = map[string]any{"notifyAt": d.clock().Add(time.Hour), "alertSourceId": sources[i%len(sources)]}
		}
		id, _ := d.create(d.admin, input)
		w.keys = append(w.keys, id)
		switch i % 4 {
		case 0:
			w.keys = append(w.keys, d.do(`mutation { rotateApiKey(input: {id: %q}) { newKey { id } `+refusals+` } }`, id).str(t, "rotateApiKey", "newKey", "id"))
		case 1:
			d.do(`mutation { revokeApiKey(input: {id: %q}) { apiKey { id } `+refusals+` } }`, id)
		default:
			alerted = append(alerted, id)
		}
	}
	d.pass(2 * time.Hour)
	d.work() // the alerts go out, and their jobs become previous ones
	for i, id := range alerted {
		d.do(`mutation { `+setNotification+` }`, id, d.clock().Add(time.Hour).Format(time.RFC3339Nano), sources[(i+1)%len(sources)])
	}
	for _, m := range d.messages(d.admin) {
		d.do(`mutation { replyOperatorMessage(input: {id: %q, reply: "Acknowledge"}) { operatorMessage { id } `+refusals+` } }`, m.ID)
	}
	return w
}

const wholeKey = `id
	owner { login organization { name } }
	createdBy { login organization { name } }
	organization { name policy { maxExpirationPeriod sources { setBy { id } } } }
	project { name organization { name } environments { name project { name } } policy { maxExpirationPeriod } scopeCatalogue { name } }
	environment { name project { name } }
	revocation { by { user { login } apiKey { name owner { login } } } }
	replaces { name owner { login } environment { name } lastRotation { status } }
	replacedBy { name owner { login } project { name } notification { id } rotation { gracePeriod } can(scopes: ["a"]) { allowed } }
	rotation { gracePeriod nextRotationAt }
	lastRotation { status completedAt attempts oldKey { name } newKey { name project { name } } }
	notification { apiKey { name } alertSource { name } job { status apiKey { name } alertSource { name } } previousJobs { status apiKey { name } alertSource { name } } }
	can(scopes: ["a"], environmentId: $environment) { allowed code }`

// The number of statements of a page depends on what is asked of a row, not on the number of rows.
func TestStatementsOfAPage(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		w := newTown(t, d)
		environment := w.do(`{ project(id: %q) { environments { id } } }`, w.projects[0]).str(t, "project", "environments", 0, "id")
		subject := `subject { __typename id ... on ApiKey { name owner { login } } ... on Project { environments { name } } ... on User { organization { name } } ... on OperatorMessage { apiKey { name } } ... on AlertSource { name } }`
		for _, c := range []struct {
			name, list, ask string
			few, many, most int
		}{
			{"five objects", `apiKeys(first: $n) { nodes { id %s } }`, `owner { login } project { name } environment { name } replacedBy { name } notification { notifyAt }`, 10, 100, 8},
			{"five objects by edges", `apiKeys(first: $n) { edges { node { id %s } } }`, `createdBy { login } organization { name } rotation { gracePeriod } replaces { name } lastRotation { status oldKey { name } }`, 10, 100, 9},
			{"every object", `apiKeys(first: $n) { nodes { %s } }`, wholeKey, 10, 100, 32},
			{"users", `users(first: $n) { nodes { %s } }`, `login organization { name policy { maxGracePeriod } }`, 3, townPlaces, 4},
			{"projects", `projects(first: $n) { nodes { %s } }`, `name organization { name } policy { maxGracePeriod } environments { name project { name } }`, 3, townPlaces, 7},
			{"events", `auditEvents(first: $n) { nodes { %s } }`, `action actor { user { login organization { name } } apiKey { name owner { login } } } ` + subject, 10, 100, 16},
			{"messages", `operatorMessages(first: $n) { nodes { %s } }`, `text apiKey { name owner { login } } job { status apiKey { name } alertSource { name } } repliedBy { login }`, 5, 40, 9},
			{"nodes", `nodes(ids: $ids) { %s }`, `id ... on ApiKey { owner { login } project { name } lastRotation { status } }`, 10, 100, 8},
		} {
			counts := map[int]int{}
			for _, n := range []int{c.few, c.many} {
				query := strings.NewReplacer("$n", fmt.Sprint(n), "$ids", fmt.Sprintf("%q", w.keys[:n]), "$environment", fmt.Sprintf("%q", environment)).
					Replace(fmt.Sprintf(`{ `+c.list+` }`, c.ask))
				var a answer
				sent := w.statements(func() { a = w.ask(w.admin, query, nil) })
				if len(a.Errors) > 0 || rows(t, a) != n {
					t.Fatalf("%s: %d rows of %d: %s", c.name, rows(t, a), n, a.text)
				}
				counts[n] = len(sent)
				if len(sent) > c.most {
					slices.Sort(sent)
					t.Errorf("%s: %d rows cost %d statements, more than %d:\n%s", c.name, n, len(sent), c.most, strings.Join(sent, "\n"))
				}
			}
			t.Logf("%s: %v", c.name, counts)
		}
	})
}

// rows is how many rows the one list of an answer has.
func rows(t *testing.T, a answer) int {
	t.Helper()
	var list []any
	for _, field := range a.Data {
		text, _ := json.Marshal(field)
		var page struct{ Nodes, Edges []any }
		if json.Unmarshal(text, &list) != nil && json.Unmarshal(text, &page) == nil {
			list = append(page.Nodes, page.Edges...)
		}
	}
	return len(list)
}

// What a mutation answers shows what was changed in the same request, though it was loaded before.
func TestPayloadsShowWhatWasChanged(t *testing.T) {
	eachDesk(t, func(t *testing.T, d *desk) {
		project := d.project()
		at := d.clock().Add(time.Hour)
		a := d.do(`mutation {
			before: suspendApiKey(input: {id: %[1]q}) { apiKey { project { name } owner { displayName } notification { id } } }
			updateProject(input: {id: %[2]q, name: "renamed"}) { project { name } }
			updateUser(input: {id: %[3]q, displayName: "Mia N."}) { user { displayName } }
			setApiKeyNotification(input: {apiKeyId: %[1]q, notifyAt: %[4]q, alertSourceId: %[5]q}) { apiKey { notification { notifyAt job { scheduledFor } } } }
			later: setApiKeyNotification(input: {apiKeyId: %[1]q, notifyAt: %[6]q, alertSourceId: %[5]q}) { apiKey { notification { notifyAt job { scheduledFor } } } }
			after: resumeApiKey(input: {id: %[1]q}) { apiKey { status project { name } owner { displayName } notification { notifyAt } } }
			rotateApiKey(input: {id: %[1]q}) { oldKey { notification { id } replacedBy { generation } lastRotation { status newKey { generation } } } }
		}`, d.key, project, d.mia, at.Format(time.RFC3339), d.source, at.Add(time.Hour).Format(time.RFC3339))
		for want, path := range map[string][]any{
			"Mia M.":                               {"before", "apiKey", "owner", "displayName"},
			"Mia N.":                               {"after", "apiKey", "owner", "displayName"},
			"renamed":                              {"after", "apiKey", "project", "name"},
			at.Format(time.RFC3339):                {"setApiKeyNotification", "apiKey", "notification", "job", "scheduledFor"},
			at.Add(time.Hour).Format(time.RFC3339): {"later", "apiKey", "notification", "job", "scheduledFor"},
			"IN_GRACE":                             {"rotateApiKey", "oldKey", "lastRotation", "status"},
		} {
			if got := a.str(t, path...); got != want {
				t.Errorf("%v is %s, not %s", path, got, want)
			}
		}
		if a.at(t, "rotateApiKey", "oldKey", "notification") != nil || a.at(t, "rotateApiKey", "oldKey", "replacedBy", "generation") != 2.0 {
			t.Error(a.text)
		}
	})
}

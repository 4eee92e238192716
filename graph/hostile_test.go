package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/keytag/keytag/ent/db/migrate"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
)

// everywhere are values, as JSON, that are put at every place of every input; KEY is the text of an
// API key that works. particular are more for places of one type.
var (
	everywhere = []string{
		`"a\u0000b"`, `"key_\u00001m82x0gdhfgyr9ssgp87fptxy"`, `"key_01m82x0gdhfgyr9ssgp87fptxy"`, `"a\udfff\ud800b"`, `""`, `"😀"`,
		`"x KEY y"`, `"KEY@example.org"`, `"` + strings.Repeat("x", 20_000) + `"`,
		`null`, `-1`, `2147483648`, `{}`, `{"KEY": "KEY"}`, `[[]]`, `[null]`,
	}
	particular = map[string][]string{
		"String":   {`"KEY"`, `"\u202e\ufeff"`, `" \t "`, `"' OR 1=1 --"`, `"%s%n%x"`, `"10.0.0.0/99"`, `1.5`, `[]`, `["KEY"]`},
		"ID":       {`"KEY"`, `0`, `1.5`, `[]`, `["KEY"]`},
		"Int":      {`0`, `101`, `9223372036854775808`, `1e400`, `1.5`, `"1"`},
		"DateTime": {`"2026-13-45T99:99:99Z"`, `"9999-12-31T23:59:59.999999999Z"`, `"0000-01-01T00:00:00Z"`, `"10000-01-01T00:00:00Z"`, `0`},
		"Duration": {`"P-1Y"`, `"P99999999999999999999Y"`, `"P0D"`, `"P"`, `"PT0.5S"`, `0`},
		"Boolean":  {`0`, `"true"`},
	}
)

// target is what the calls of a mutation are aimed at, made anew once one of them succeeded.
type target struct {
	key, text, project, environment, user string
	// sources are alert sources by their kind; source is the one to change. The key's notification
	// goes through one of them, by job.
	sources     map[string]string
	source, job string
	message     string // waits for a reply
}

func (s *site) target(n int) target {
	s.t.Helper()
	suffix := fmt.Sprint(n)
	a := s.ask(s.admin, `mutation($p: CreateProjectInput!, $u: CreateUserInput!) {
		createProject(input: $p) { project { id environments { id } } } createUser(input: $u) { user { id } } }`,
		map[string]any{"p": map[string]any{"name": "target " + suffix, "environments": []string{"live"}}, "u": map[string]any{"login": "target " + suffix}})
	t := target{
		project:     a.str(s.t, "createProject", "project", "id"),
		environment: a.str(s.t, "createProject", "project", "environments", 0, "id"),
		user:        a.str(s.t, "createUser", "user", "id"),
	}
	t.key, t.text = s.create(s.admin, map[string]any{"name": "target " + suffix, "scopes": []string{"keytag:*"}})
	t.sources = s.sources(suffix)
	t.source = t.sources["message"]
	a = s.ask(s.admin, `mutation($i: SetApiKeyNotificationInput!) { setApiKeyNotification(input: $i) { notification { job { id } } } }`,
		map[string]any{"i": map[string]any{"apiKeyId": t.key, "notifyAt": "2026-12-01T00:00:00Z", "alertSourceId": t.source}})
	t.job = a.str(s.t, "setApiKeyNotification", "notification", "job", "id")
	return t
}

// sources makes an alert source of each kind.
func (s *site) sources(suffix string) map[string]string {
	s.t.Helper()
	a := s.ask(s.admin, `mutation($m: String!, $e: String!, $w: String!) {
		message: createOperatorMessageAlertSource(input: {name: $m}) { alertSource { id } }
		email: createEmailAlertSource(input: {name: $e}) { alertSource { id } }
		webhook: createWebhookAlertSource(input: {name: $w, url: "http://127.0.0.1:9/"}) { alertSource { id } } }`,
		map[string]any{"m": "message " + suffix, "e": "email " + suffix, "w": "webhook " + suffix})
	made := map[string]string{}
	for _, kind := range []string{"message", "email", "webhook"} {
		made[kind] = a.str(s.t, kind, "alertSource", "id")
	}
	return made
}

// raised is an operator message that waits for a reply.
func (s *site) raised() string {
	s.t.Helper()
	s.create(s.admin, map[string]any{"name": "told of", "notification": map[string]any{
		"notifyAt": s.clock().Add(time.Minute).Format(time.RFC3339), "alertSourceId": s.sources("raised")["message"]}})
	s.pass(time.Minute)
	s.work()
	return s.ask(s.admin, `{ operatorMessages { nodes { id } } }`, nil).str(s.t, "operatorMessages", "nodes", 0, "id")
}

// kindWith is the kind of alert source that has a member of UpdateAlertSourceInput; the others have
// only messages.
var kindWith = map[string]string{"recipients": "email", "subjectTemplate": "email", "bodyTemplate": "email", "url": "webhook"}

// sane are arguments with which a field works; what is not there is left out.
func (t target) sane(field string) map[string]any {
	return map[string]map[string]any{
		"apiKey":         {"id": t.key},
		"node":           {"id": t.key},
		"nodes":          {"ids": []any{t.key}},
		"user":           {"id": t.user},
		"project":        {"id": t.project},
		"expiryForecast": {"within": "P30D"},
		"state":          {"at": "2026-12-01T00:00:00Z"},
		"can":            {"scope": "a", "scopes": []any{"a"}},
		"createApiKey": {"input": map[string]any{"projectId": t.project, "name": "made of " + t.key,
			"rotation":     map[string]any{"intervalDays": 30, "webhookUrl": "http://127.0.0.1:9/"},
			"notification": map[string]any{"notifyAt": "2026-12-01T00:00:00Z", "alertSourceId": t.source}}},
		"updateApiKey":       {"input": map[string]any{"id": t.key}},
		"suspendApiKey":      {"input": map[string]any{"id": t.key}},
		"resumeApiKey":       {"input": map[string]any{"id": t.key}},
		"revokeApiKey":       {"input": map[string]any{"id": t.key}},
		"removeApiKey":       {"input": map[string]any{"id": t.key}},
		"rotateApiKey":       {"input": map[string]any{"id": t.key}},
		"completeRotation":   {"input": map[string]any{"id": t.key}},
		"rotateViewerKey":    {"input": map[string]any{}},
		"revokeViewerKey":    {"input": map[string]any{}},
		"updateViewer":       {"input": map[string]any{}},
		"verifyApiKey":       {"input": map[string]any{"secret": t.text}},
		"createProject":      {"input": map[string]any{"name": "made of " + t.key}},
		"updateProject":      {"input": map[string]any{"id": t.project}},
		"createEnvironment":  {"input": map[string]any{"projectId": t.project, "name": "made of " + t.key}},
		"deleteEnvironment":  {"input": map[string]any{"id": t.environment}},
		"createUser":         {"input": map[string]any{"login": "made of " + t.key}},
		"updateUser":         {"input": map[string]any{"id": t.user}},
		"updateApiKeyPolicy": {"input": map[string]any{"projectId": t.project}},

		"claimRotation":       {"input": map[string]any{"claimToken": "kclaim_0123456789012345678901234567890123456789012"}},
		"setRotationSchedule": {"input": map[string]any{"id": t.key, "schedule": map[string]any{"intervalDays": 30, "webhookUrl": "http://127.0.0.1:9/"}}},
		"testRotationWebhook": {"input": map[string]any{"id": t.key}},
		"rotateWebhookSecret": {"input": map[string]any{"id": t.sources["webhook"]}},

		"setApiKeyNotification":            {"input": map[string]any{"apiKeyId": t.key, "notifyAt": "2026-12-01T00:00:00Z", "alertSourceId": t.source}},
		"cancelApiKeyNotification":         {"input": map[string]any{"apiKeyId": t.key}},
		"cancelAlertJob":                   {"input": map[string]any{"id": t.job}},
		"deleteAlertJob":                   {"input": map[string]any{"id": t.job}},
		"createOperatorMessageAlertSource": {"input": map[string]any{"name": "made of " + t.key}},
		"createEmailAlertSource":           {"input": map[string]any{"name": "made of " + t.key}},
		"createWebhookAlertSource":         {"input": map[string]any{"name": "made of " + t.key, "url": "http://127.0.0.1:9/"}},
		"updateAlertSource":                {"input": map[string]any{"id": t.source}},
		"setAlertSourceEnabled":            {"input": map[string]any{"id": t.source, "enabled": false}},
		"deleteAlertSource":                {"input": map[string]any{"id": t.sources["email"]}},
		"replyOperatorMessage":             {"input": map[string]any{"id": t.message, "reply": "Acknowledge"}},
	}[field]
}

var dotted = regexp.MustCompile(`^not_found$|^[a-z_]+(\.[a-z_]+)+$`)

// Whatever stands in whatever place of an input: no fault of ours, nobody else's words, the place is
// named, nothing is written by what is refused, no key is repeated or kept.
func TestHostileInput(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		_, bait := s.create(s.admin, map[string]any{"name": "bait"})
		attack := &attack{t: t, site: s, bait: bait, message: s.raised()}
		tried := map[string]bool{} // the same place of the same field of another type is tried once
		for _, object := range slices.Sorted(maps.Keys(schema.Types)) {
			d := schema.Types[object]
			if d.Kind != ast.Object || strings.HasPrefix(object, "__") {
				continue
			}
			for _, f := range d.Fields {
				if strings.HasPrefix(f.Name, "__") || len(f.Arguments) == 0 {
					continue
				}
				if attack.renew(); hosts[object] == "" || object == "Mutation" && attack.target.sane(f.Name) == nil {
					t.Fatalf("no way to call %s.%s: add it to hosts or to sane", object, f.Name)
				}
				for _, p := range placesOf(f) {
					if kind := p.String() + f.Type.String(); !tried[kind] {
						tried[kind] = true
						attack.place(object, p)
					}
				}
			}
		}
		s.absent(t, bait)
	})
}

// attack goes through the places with one target at a time.
type attack struct {
	t    *testing.T
	site *site
	bait string
	// message waits for a reply, and no hostile one is any.
	message string
	target  target
	made    int
	before  string // what was stored when the target was made, or last looked at
}

func (k *attack) renew() {
	k.made++
	k.target = k.site.target(k.made)
	k.target.message = k.message
	k.before = k.site.fingerprint()
}

// place tries every value at one place, as a variable and written out in the document.
func (k *attack) place(object string, p place) {
	for _, text := range slices.Concat(everywhere, particular[p.leaf.Name()]) {
		if kind := kindWith[p.path[len(p.path)-1]]; kind != "" {
			k.target.source = k.target.sources[kind]
		} else {
			k.target.source = k.target.sources["message"]
		}
		arguments := p.given(k.target.sane(p.field.Name), json.RawMessage(strings.ReplaceAll(text, "KEY", k.bait)))
		k.try(object, p, fmt.Sprintf("%s %.60s as a variable", p, text), document(object, p.field), arguments)
		if query, ok := inlined(object, p.field, arguments); ok {
			k.try(object, p, fmt.Sprintf("%s %.60s written out", p, text), query, nil)
		}
	}
}

func (k *attack) try(object string, p place, what, query string, variables map[string]any) {
	caller := k.site.admin
	if strings.HasSuffix(p.field.Name, "ViewerKey") {
		caller = k.target.text
	}
	a := k.site.ask(caller, query, variables)
	sound(k.t, what, a)
	codes, fields := a.faults(k.t, what)
	if len(codes) > 0 && variables != nil && !slices.ContainsFunc(fields, p.named) {
		k.t.Errorf("%s: is not named: %s", what, a.text)
	}
	switch {
	case object != "Mutation":
	case len(codes) == 0:
		k.renew()
	case slices.Contains(codes, "api_keys.scope_not_held") || slices.Contains(codes, "auth.forbidden"):
		k.before = k.site.fingerprint() // the denial is in the trail
	default:
		if after := k.site.fingerprint(); after != k.before {
			k.t.Errorf("%s: refused, and yet written: %s\n%s\n%s", what, a.text, k.before, after)
			k.before = after
		}
	}
}

// faults are the codes and the fields of all errors of an answer, each checked for its shape.
func (a answer) faults(t *testing.T, what string) (codes, fields []string) {
	t.Helper()
	check := func(code, message string, named []string) {
		if !dotted.MatchString(code) || message == "" {
			t.Errorf("%s: code %q, message %q: %s", what, code, message, a.text)
		}
		codes, fields = append(codes, code), append(fields, named...)
	}
	for _, e := range a.Errors {
		check(e.Extensions.Code, e.Message, e.Extensions.Fields)
	}
	var payload struct {
		UserErrors []struct {
			Code, Message string
			Fields        []string
		}
	}
	it, err := json.Marshal(a.Data["it"])
	if err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(it, &payload) // not every field answers a payload
	for _, e := range payload.UserErrors {
		check(e.Code, e.Message, e.Fields)
	}
	return codes, fields
}

// fingerprint counts the rows of every table.
func (s *site) fingerprint() string {
	s.t.Helper()
	var counts []string
	for _, table := range migrate.Tables {
		counts = append(counts, `SELECT '`+table.Name+`' AS name, count(*) AS n FROM "`+table.Name+`"`)
	}
	var all strings.Builder
	err := s.store.Write(principal.System(s.t.Context()), func(ctx context.Context, tx *store.Tx) error {
		all.Reset()
		rows, err := tx.QueryContext(ctx, strings.Join(counts, " UNION ALL ")+" ORDER BY name")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			var n int
			if err := rows.Scan(&name, &n); err != nil {
				return err
			}
			fmt.Fprintf(&all, "%s %d ", name, n)
		}
		return rows.Err()
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all.String()
}

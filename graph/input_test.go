package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/internal/principal"
)

// libraryWords would show that a text comes from a library or from the inside.
var libraryWords = []string{"strconv", "pq:", "sql", "json:", " ent: ", "\"ent: ", "\"db: ", "validator", "gqlgen", "panic", "Key: '", "goroutine", "internal error"}

func sound(t *testing.T, what string, a answer) {
	t.Helper()
	if a.status >= 500 {
		t.Errorf("%s: status %d: %s", what, a.status, a.text)
	}
	for _, word := range libraryWords {
		if strings.Contains(a.text, word) {
			t.Errorf("%s: %q in %s", what, word, a.text)
		}
	}
}

// rows counts what is stored, but for the trail of uses.
func (s *site) rows() string {
	s.t.Helper()
	ctx := principal.System(s.t.Context())
	c := s.store.Client
	var counts []string
	for _, count := range []func() (int, error){
		func() (int, error) { return c.APIKey.Query().Count(ctx) },
		func() (int, error) { return c.KeyFamily.Query().Count(ctx) },
		func() (int, error) { return c.KeyScope.Query().Count(ctx) },
		func() (int, error) { return c.User.Query().Count(ctx) },
		func() (int, error) { return c.Project.Query().Count(ctx) },
		func() (int, error) { return c.Environment.Query().Count(ctx) },
		func() (int, error) {
			return c.AuditEvent.Query().Where(func(q *sql.Selector) { q.Where(sql.NEQ(q.C("action"), "access.denied")) }).Count(ctx)
		},
		func() (int, error) { return c.IdempotentRequest.Query().Count(ctx) },
	} {
		n, err := count()
		if err != nil {
			s.t.Fatal(err)
		}
		counts = append(counts, fmt.Sprint(n))
	}
	return strings.Join(counts, " ")
}

// reject is an input and what has to come of it.
type reject struct {
	name, field, code string
	input             map[string]any
}

func TestBadMutations(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		project := s.project()
		key, _ := s.create(s.admin, map[string]any{"name": "taken"})
		other := s.ask(s.admin, `mutation { createProject(input: {name: "shop", environments: ["live"], scopeCatalogue: [{name: "order:read"}]}) { project { id environments { id } } } }`, nil)
		shop, live := other.str(t, "createProject", "project", "id"), other.str(t, "createProject", "project", "environments", 0, "id")
		unknownProject := "prj_01m82x0gdhfgyr9ssgp87fptxy"
		long := strings.Repeat("x", 201)
		before := s.rows()

		for mutation, cases := range map[string][]reject{
			"createApiKey": {
				{"malformed scope", "scopes", "api_keys.scope_malformed", map[string]any{"scopes": []string{"Deploy"}}},
				{"too many scopes", "scopes", "input.invalid", map[string]any{"scopes": slices.Repeat([]string{"a"}, 101)}},
				{"malformed period", "expiresIn", "input.invalid", map[string]any{"expiresIn": "6 months"}},
				{"months as a number", "expiresIn", "input.invalid", map[string]any{"expiresIn": 6}},
				{"malformed instant", "expiresAt", "input.invalid", map[string]any{"expiresAt": "tomorrow"}},
				{"an instant without offset", "expiresAt", "input.invalid", map[string]any{"expiresAt": "2026-12-01T00:00:00"}},
				{"too early", "expiresAt", "api_keys.expiry_out_of_range", map[string]any{"expiresAt": "2026-08-31T10:00:59Z"}},
				{"too long", "expiresIn", "api_keys.expiry_out_of_range", map[string]any{"expiresIn": "P7M"}},
				{"both ends", "expiresAt", "input.invalid", map[string]any{"expiresAt": "2026-12-01T00:00:00Z", "expiresIn": "P1M"}},
				{"description taken", "description", "api_keys.description_taken", map[string]any{"name": "taken"}},
				{"no name", "name", "input.invalid", map[string]any{"name": nil}},
				{"blank name", "name", "input.invalid", map[string]any{"name": " \t"}},
				{"long name", "name", "input.invalid", map[string]any{"name": long}},
				{"NUL in a name", "name", "input.invalid", map[string]any{"name": "a\x00b"}},
				{"unknown project", "projectId", "not_found", map[string]any{"projectId": unknownProject}},
				{"an id of another type", "projectId", "input.invalid", map[string]any{"projectId": key}},
				{"garbage for an id", "projectId", "input.invalid", map[string]any{"projectId": "\x00"}},
				{"an environment of another project", "environmentId", "not_found", map[string]any{"environmentId": live}},
				{"a scope outside the catalogue", "scopes", "api_keys.scope_unknown", map[string]any{"projectId": shop, "scopes": []string{"order:write"}}},
				{"an unknown owner", "ownerId", "not_found", map[string]any{"ownerId": "usr_01m82x0gdhfgyr9ssgp87fptxy"}},
				{"a short idempotency key", "idempotencyKey", "input.invalid", map[string]any{"idempotencyKey": "short"}},
				{"NUL in an idempotency key", "idempotencyKey", "input.invalid", map[string]any{"idempotencyKey": strings.Repeat("\x00", 20)}},
			},
			"updateApiKey": {
				{"an id of another type", "id", "input.invalid", map[string]any{"id": project}},
				{"an unknown key", "id", "not_found", map[string]any{"id": "key_01m82x0gdhfgyr9ssgp87fptxy"}},
				{"null for a name", "name", "input.invalid", map[string]any{"id": key, "name": nil}},
				{"null for an end", "expiresAt", "input.invalid", map[string]any{"id": key, "expiresAt": nil}},
				{"a later end", "expiresAt", "api_keys.expiry_out_of_range", map[string]any{"id": key, "expiresAt": "2027-03-01T00:00:00Z"}},
			},
			"rotateApiKey": {
				{"a long grace", "gracePeriod", "api_keys.grace_out_of_range", map[string]any{"id": key, "gracePeriod": "P8D"}},
				{"a malformed grace", "gracePeriod", "input.invalid", map[string]any{"id": key, "gracePeriod": "-PT1H"}},
				{"wider scopes", "scopes", "api_keys.scope_not_held", map[string]any{"id": key, "scopes": []string{"a"}}},
			},
			"revokeApiKey": {
				{"NUL in a note", "note", "input.invalid", map[string]any{"id": key, "note": "\x00"}},
			},
			"createProject": {
				{"no name", "name", "input.invalid", map[string]any{"name": " "}},
				{"a name taken", "name", "directory.name_taken", map[string]any{"name": "shop"}},
				{"an environment twice", "environments", "directory.name_taken", map[string]any{"name": "x", "environments": []string{"a", " a"}}},
				{"a malformed scope", "scopeCatalogue[0].name", "input.invalid", map[string]any{"name": "x", "scopeCatalogue": []any{map[string]any{"name": "A"}}}},
				{"NUL in a description", "scopeCatalogue[0].description", "input.invalid", map[string]any{"name": "x", "scopeCatalogue": []any{map[string]any{"name": "a", "description": "\x00"}}}},
				{"a scope twice", "scopeCatalogue[1].name", "input.invalid", map[string]any{"name": "x", "scopeCatalogue": []any{map[string]any{"name": "a"}, map[string]any{"name": "a"}}}},
			},
			"createEnvironment": {
				{"a name taken", "name", "directory.name_taken", map[string]any{"projectId": shop, "name": "live"}},
				{"an unknown project", "projectId", "not_found", map[string]any{"projectId": unknownProject, "name": "x"}},
			},
			"createUser": {
				{"a login taken", "login", "directory.name_taken", map[string]any{"login": "admin"}},
				{"an unknown time zone", "timeZone", "input.invalid", map[string]any{"login": "x", "timeZone": "Mars/Base"}},
				{"the host's time zone", "timeZone", "input.invalid", map[string]any{"login": "x", "timeZone": "Local"}},
				{"a blank display name", "displayName", "input.invalid", map[string]any{"login": "x", "displayName": " "}},
				{"no e-mail address", "email", "input.invalid", map[string]any{"login": "x", "email": "nobody"}},
			},
		} {
			input := strings.ToUpper(mutation[:1]) + mutation[1:] + "Input"
			document := fmt.Sprintf(`mutation($i: %s!) { %s(input: $i) { userErrors { __typename code message fields
				... on ExpiryOutOfRangeError { minimum maximum } ... on DescriptionTakenError { existingKey { id } }
				... on ScopeError { scopes } ... on GraceOutOfRangeError { maximum: maximum } } } }`, input, mutation)
			document = strings.ReplaceAll(document, "... on GraceOutOfRangeError { maximum: maximum }", "... on GraceOutOfRangeError { longest: maximum }")
			for _, c := range cases {
				if mutation == "createApiKey" {
					full := map[string]any{"projectId": project, "name": "new"}
					for name, value := range c.input {
						full[name] = value
					}
					c.input = full
				}
				what := mutation + ": " + c.name
				a := s.ask(s.admin, document, map[string]any{"i": c.input})
				sound(t, what, a)
				code, fields := "", []string(nil)
				if len(a.Errors) > 0 {
					code, fields = a.Errors[0].Extensions.Code, a.Errors[0].Extensions.Fields
				} else {
					var first struct {
						Code, Message, Minimum, Maximum string
						Fields                          []string
						ExistingKey                     map[string]any
					}
					raw, _ := json.Marshal(a.at(t, mutation, "userErrors", 0))
					_ = json.Unmarshal(raw, &first)
					code, fields = first.Code, first.Fields
					if code == "api_keys.expiry_out_of_range" && mutation == "createApiKey" && (first.Minimum != "2026-08-31T10:01:00Z" || first.Maximum != "2027-02-28T10:00:00Z") {
						t.Errorf("%s: bounds %s to %s", what, first.Minimum, first.Maximum)
					}
					if code == "api_keys.description_taken" && first.ExistingKey["id"] != key {
						t.Errorf("%s: %s", what, a.text)
					}
				}
				if code != c.code || !slices.Contains(fields, c.field) {
					t.Errorf("%s: %s", what, a.text)
				}
			}
		}
		if after := s.rows(); after != before {
			t.Errorf("rows before %s, after %s", before, after)
		}
	})
}

func TestBadQueries(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		cursor := s.ask(s.admin, `{ apiKeys { edges { cursor } } }`, nil).str(t, "apiKeys", "edges", 0, "cursor")
		project := s.project()
		for query, want := range map[string]string{
			`{ apiKeys(first: 0) { nodes { id } } }`:                                                         "page.invalid first",
			`{ apiKeys(first: 101) { nodes { id } } }`:                                                       "page.invalid first",
			`{ apiKeys(last: -1) { nodes { id } } }`:                                                         "page.invalid last",
			`{ apiKeys(first: 1, last: 1) { nodes { id } } }`:                                                "page.invalid first last",
			`{ apiKeys(first: 1, before: "x") { nodes { id } } }`:                                            "page.invalid first before",
			`{ apiKeys(last: 1, after: "x") { nodes { id } } }`:                                              "page.invalid last after",
			`{ apiKeys(before: "x") { nodes { id } } }`:                                                      "page.invalid before last",
			`{ apiKeys(after: "garbage") { nodes { id } } }`:                                                 "cursor.invalid after",
			`{ apiKeys(after: "` + cursor + `", orderBy: {field: EFFECTIVE_EXPIRES_AT}) { nodes { id } } }`:  "cursor.invalid after",
			`{ projects(after: "` + cursor + `") { nodes { id } } }`:                                         "cursor.invalid after",
			`{ apiKeys(filter: {projectIds: ["x"]}) { nodes { id } } }`:                                      "input.invalid filter.projectIds",
			`{ apiKeys(filter: {ownerIds: ["` + project + `"]}) { nodes { id } } }`:                          "input.invalid filter.ownerIds",
			`{ apiKeys(filter: {keyPrefix: "ktg_"}) { nodes { id } } }`:                                      "input.invalid filter.keyPrefix",
			`{ apiKeys(filter: {scopes: {grants: ["A"]}}) { nodes { id } } }`:                                "api_keys.scope_malformed filter.scopes.grants",
			`{ apiKeys(filter: {scopes: {any: [` + strings.Repeat(`"a" `, 51) + `]}}) { nodes { id } } }`:    "input.invalid filter.scopes.any",
			`{ apiKeys(filter: {scopes: {all: [` + strings.Repeat(`"a" `, 51) + `]}}) { nodes { id } } }`:    "input.invalid filter.scopes.all",
			`{ apiKeys(filter: {scopes: {none: [` + strings.Repeat(`"a" `, 51) + `]}}) { nodes { id } } }`:   "input.invalid filter.scopes.none",
			`{ apiKeys(filter: {scopes: {grants: [` + strings.Repeat(`"a" `, 51) + `]}}) { nodes { id } } }`: "input.invalid filter.scopes.grants",
			`{ apiKey(id: "` + project + `") { id } }`:                                                       "input.invalid id",
			`{ project(id: "key_x") { id } }`:                                                                "input.invalid id",
			`{ user(id: "` + project + `") { id } }`:                                                         "api_keys.user_not_found id",
			`{ nodes(ids: [` + strings.Repeat(`"x" `, 101) + `]) { id } }`:                                   "input.invalid ids",
			`{ viewerKey { state(at: "2026-08-31T09:59:59Z") { status } } }`:                                 "input.invalid at",
			`{ viewerKey { state(at: "yesterday") { status } } }`:                                            "input.invalid at",
			`{ viewerKey { details(timeZone: "Nowhere") { message } } }`:                                     "input.invalid timeZone",
			`{ viewerKey { details(timeZone: "../../etc/passwd") { message } } }`:                            "input.invalid timeZone",
			`{ viewerKey { nonsense } }`:                                                                     "graphql.validation_failed",
			`{ viewerKey { `:                                                                                 "graphql.parse_failed",
			`{ apiKeys(first: {}) { nodes { id } } }`:                                                        "input.invalid first",
			`{ apiKeys(first: "one") { nodes { id } } }`:                                                     "graphql.validation_failed",
			`{ apiKeys(filter: {statuses: [DEAD]}) { nodes { id } } }`:                                       "graphql.validation_failed",
			`{ apiKeys(first: 99999999999999999999) { nodes { id } } }`:                                      "graphql.validation_failed",
			`mutation { createApiKey(input: {name: "x"}) { apiKey { id } } }`:                                "graphql.validation_failed",
			`{ a: apiKeys(filter: {keyPrefix: "` + s.admin + `"}) { nodes { id } } }`:                        "input.invalid filter.keyPrefix",
			`query($i: Int) { apiKeys(first: $i) { nodes { id } } } query Two { viewer { id } }`:             "graphql.validation_failed",
		} {
			a := s.ask(s.admin, query, nil)
			sound(t, query, a)
			if strings.Contains(a.text, s.admin) {
				t.Errorf("%s: echoes the key: %s", query, a.text)
			}
			got := ""
			if len(a.Errors) > 0 {
				got = strings.Join(append([]string{a.Errors[0].Extensions.Code}, a.Errors[0].Extensions.Fields...), " ")
			}
			if got != want {
				t.Errorf("%s:\n\tgot %s, want %s\n\t%s", query, got, want, a.text)
			}
		}
	})
}

func TestBadRequests(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		for body, want := range map[string]struct {
			status int
			code   string
		}{
			`{"query":"` + strings.Repeat("#", 1<<20) + `"}`:                 {413, "request.too_large"},
			`{"query": "{ viewer { id } }", "variables": "` + s.admin + `"}`: {400, "request.malformed"},
			`[{"query":"{ viewer { id } }"}]`:                                {400, "request.malformed"},
			s.admin:                                                          {400, "request.malformed"},
			``:                                                               {400, "request.malformed"},
		} {
			a := s.post(body, func(h http.Header) { h.Set("Authorization", "Bearer "+s.admin) })
			sound(t, body[:min(len(body), 60)], a)
			if a.status != want.status || a.Errors[0].Extensions.Code != want.code || strings.Contains(a.text, s.admin) {
				t.Errorf("%.60s: %d %s", body, a.status, a.text)
			}
		}
	})
}

// As many scopes as a filter may have, each as deep as a scope may be, find what they should.
func TestAsManyScopesAsAFilterMayHave(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		deep := func(letters string) (scopes []string) {
			for i := range 50 {
				scopes = append(scopes, fmt.Sprintf("%s%02d%s", letters, i, strings.Repeat(":a", 62)))
			}
			return scopes
		}
		held := deep("a")
		id, _ := s.create(s.admin, map[string]any{"name": "holds all", "scopes": held})
		s.create(s.admin, map[string]any{"name": "lacks one", "scopes": held[1:]})
		s.create(s.admin, map[string]any{"name": "holds none", "scopes": deep("b")})
		for _, order := range []string{"CREATED_AT", "NAME"} {
			a := s.ask(s.admin, `query ($filter: ApiKeyFilter, $by: ApiKeyOrderField!) { apiKeys(filter: $filter, orderBy: {field: $by, direction: ASC}) { totalCount nodes { id } } }`, map[string]any{
				"filter": map[string]any{"scopes": map[string]any{"any": held, "all": held, "none": deep("b"), "grants": held}, "statuses": []string{"ACTIVE"}}, "by": order})
			if len(a.Errors) > 0 || a.at(t, "apiKeys", "totalCount") != 1.0 || a.str(t, "apiKeys", "nodes", 0, "id") != id {
				t.Errorf("by %s: %s", order, a.text)
			}
		}
	})
}

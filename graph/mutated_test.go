package graph_test

import (
	"bufio"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/lexer"

	"github.com/keytag/keytag/internal/store/storetest"
)

// corpus is what documents are mutated from, along with one for each field of the roots.
var corpus = []string{
	`query Me($zone: String, $at: DateTime!) { viewerKey { ...Key details(timeZone: $zone) { kind message at } state(at: $at) { status } } }
	 fragment Key on ApiKey { id name status scopes owner { ...Person } replaces { id } }
	 fragment Person on User { id login role }`,
	`query Keys($first: Int = 20, $after: String, $filter: ApiKeyFilter, $with: Boolean!) {
	   apiKeys(first: $first, after: $after, filter: $filter, orderBy: {field: NAME, direction: ASC}) {
	     edges { cursor node { id ... on ApiKey @include(if: $with) { name status } } } pageInfo { hasNextPage endCursor } totalCount @skip(if: $with) } }`,
	`{ a: apiKeys(filter: {scopes: {any: ["a", "b"], grants: ["c"]}, statuses: [ACTIVE, EXPIRED], expiringWithin: "P7D"}) { nodes { id } }
	   b: apiKeys(filter: {createdAt: {from: "2026-01-01T00:00:00Z", isNull: false}, neverUsed: true, keyPrefix: """ktg"""}, last: 5) { nodes { id } } }`,
	`query Node($id: ID!, $ids: [ID!]!) { node(id: $id) { __typename id ... on ApiKey { name owner { login } } ... on User { name: login } ... on Project { name environments { name } } }
	   nodes(ids: $ids) { ...N } } fragment N on Node { id ... on AlertSource { name enabled ... on EmailAlertSource { recipients } ... on WebhookAlertSource { url } } }`,
	`mutation Make($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } secret userErrors { __typename code message fields ... on ScopeError { scopes } ... on ExpiryOutOfRangeError { maximum } } } }`,
	`mutation { one: createUser(input: {login: "a", kind: ROBOT, role: MEMBER}) { user { id } userErrors { code } } two: createUser(input: {login: "b"}) { user { id } } }`,
	`query A { viewer { id } } query B { viewer { login } viewerKey { id } }`,
	`query IntrospectionQuery { __schema { queryType { name } types { ...FullType } directives { name locations args(includeDeprecated: true) { ...InputValue } } } }
	 fragment FullType on __Type { kind name fields(includeDeprecated: true) { name args { ...InputValue } type { ...TypeRef } isDeprecated } enumValues(includeDeprecated: true) { name } possibleTypes { ...TypeRef } }
	 fragment InputValue on __InputValue { name type { ...TypeRef } defaultValue }
	 fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`,
}

// mutator makes documents out of others, token by token.
type mutator struct {
	*rand.Rand
	texts [][]string
	pool  []string // of tokens
}

func newMutator(seed uint64) *mutator {
	m := &mutator{Rand: rand.New(rand.NewPCG(seed, 0))}
	for _, text := range corpus {
		m.texts = append(m.texts, tokensOf(text))
	}
	for object, definition := range map[string]*ast.Definition{"Query": schema.Query, "Mutation": schema.Mutation} {
		for _, f := range definition.Fields {
			if !strings.HasPrefix(f.Name, "__") {
				m.texts = append(m.texts, tokensOf(document(object, f)))
			}
		}
	}
	m.pool = []string{"{", "}", "(", ")", "[", "]", ":", "!", "$", "=", "@", "...", "on", "fragment", "query", "mutation", "subscription", "true", "null",
		"0", "-1", "1.5", "2147483648", `""`, `"x"`, `"P1D"`, `"""block"""`, "__typename", "@include(if: true)", "@skip(if: false)", "@deprecated", "#\n", "\"", "\\", "😀", "&", "|",
		"1a", "0xF", "00", "-", "1.", ".5", "1e5", "1e", "..", "....", "\ufeff", "\u00a0", "\x00", "\r", `"\u{1F600}"`, `"\u{110000}"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\n"`, `"\x"`, "\"a\nb\"", `"""a"b"""`, `"""\""""""`,
		"extend", "type", "schema", "directive", "{x:1}", "[[1]]", "$id", "$a", "ID", "ID!", "[ID!]!"}
	for _, d := range schema.Types {
		m.pool = append(m.pool, d.Name)
		for _, f := range d.Fields {
			m.pool = append(m.pool, f.Name)
		}
		for _, v := range d.EnumValues {
			m.pool = append(m.pool, v.Name)
		}
	}
	slices.SortFunc(m.texts, slices.Compare)
	slices.Sort(m.pool)
	return m
}

func tokensOf(text string) []string {
	var tokens []string
	source := &ast.Source{Input: text}
	for lex := lexer.New(source); ; {
		token, err := lex.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return tokens
		}
		tokens = append(tokens, string([]rune(text)[token.Pos.Start:token.Pos.End]))
	}
}

// gentle is what may stand behind the brace that begins a selection.
var gentle = [][]string{
	{"__typename"}, {"x", ":", "__typename"}, {"y", ":", "__typename", "@include", "(", "if", ":", "false", ")"}, {"...", "@include", "(", "if", ":", "true", ")", "{", "z", ":", "__typename", "}"},
	{"...", "{", "...", "{", "__typename", "}", "}"}, {"id"}, {"name"}, {"x", ":", "id"}, {"id", "@include", "(", "if", ":", "true", ")"},
	{"...", "{", "__typename", "}"}, {"...", "on", "ApiKey", "{", "id", "}"}, {"...", "on", "Node", "{", "id", "}"}, {"...", "on", "UserError", "{", "code", "}"},
	{"...", "@skip", "(", "if", ":", "$with", ")", "{", "__typename", "}"}, {"x", ":", "viewerKey", "{", "x", ":", "name", "}"}, {"x", ":", "viewerKey", "{", "x", ":", "id", "}"},
}

// document is one of the corpus with up to four mutations, half of the time of those that harm little.
func (m *mutator) document() string {
	tokens := slices.Clone(m.texts[m.IntN(len(m.texts))])
	mild, times := m.IntN(2) == 0, 1+m.IntN(4)
	for range times {
		at := m.IntN(len(tokens))
		if mild {
			for (tokens[at] != "{" || at > 0 && tokens[at-1] == ":") && at > 0 {
				at--
			}
			if tokens[at] != "{" {
				at = slices.Index(tokens, "{")
			}
			tokens = slices.Insert(tokens, at+1, gentle[m.IntN(len(gentle))]...)
			continue
		}
		switch m.IntN(8) {
		case 0:
			tokens = slices.Delete(tokens, at, at+1)
		case 1:
			tokens = slices.Insert(tokens, at, tokens[at])
		case 2:
			tokens = slices.Insert(tokens, at, m.pool[m.IntN(len(m.pool))])
		case 3:
			tokens[at] = m.pool[m.IntN(len(m.pool))]
		case 4:
			other := m.IntN(len(tokens))
			tokens[at], tokens[other] = tokens[other], tokens[at]
		case 5: // one of the document's own tokens elsewhere
			tokens[at] = tokens[m.IntN(len(tokens))]
		case 6: // a part in braces out of any document, or twice
			from := tokens
			if m.IntN(2) == 0 {
				from = m.texts[m.IntN(len(m.texts))]
			}
			if part := m.part(from); len(tokens)+len(part) < 3_000 {
				tokens = slices.Insert(tokens, at, part...)
			}
		case 7: // without a part in braces
			if part := m.part(tokens[at:]); len(part) < len(tokens) {
				for i := range tokens {
					if len(part) > 0 && &tokens[i] == &part[0] {
						tokens = slices.Delete(tokens, i, i+len(part))
						break
					}
				}
			}
		}
		if len(tokens) == 0 {
			return ""
		}
	}
	return strings.Join(tokens, []string{" ", " ", " ", "\n", ",", "\t\r\n", ""}[m.IntN(7)])
}

// part is a piece that begins with a bracket and ends where that is closed, or with the text.
func (m *mutator) part(tokens []string) []string {
	if len(tokens) == 0 {
		return nil
	}
	begin := m.IntN(len(tokens))
	depth := 0
	for i := begin; i < len(tokens); i++ {
		switch tokens[i] {
		case "{", "(", "[":
			depth++
		case "}", ")", "]":
			depth--
		}
		if depth <= 0 {
			return tokens[begin : i+1]
		}
	}
	return tokens[begin:]
}

// Documents that were mutated, over HTTP: no fault of ours, and below our own limits the verdict of
// graphql-js, which KEYTAG_TEST_GRAPHQL_JS, a script that says it, is asked for. KEYTAG_TEST_DOCUMENTS is
// how many; KEYTAG_TEST_SEED makes other ones.
func TestMutatedDocuments(t *testing.T) {
	n, seed := 2_000, uint64(1)
	if text := os.Getenv("KEYTAG_TEST_DOCUMENTS"); text != "" {
		n, _ = strconv.Atoi(text)
	}
	if text := os.Getenv("KEYTAG_TEST_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	s := newSite(t, storetest.Open(t, "sqlite3"))
	reference := newReference(t)
	m := newMutator(seed)
	verdicts := map[string]int{}
	for i := range n {
		text := m.document()
		key := s.admin
		if strings.Contains(text, "mutation") {
			key = "" // the administrator's key shall live
		}
		a := s.ask(key, text, map[string]any{"id": "x", "ids": []string{"x"}, "with": true, "at": "2027-01-01T00:00:00Z"})
		verdict := verdictOf(a)
		verdicts[verdict]++
		if a.status >= 500 || strings.Contains(a.text, `"internal"`) {
			t.Errorf("document %d: %d %.300s\n%s", i, a.status, a.text, text)
		}
		if reference != nil && (verdict == "valid" || verdict == "invalid") {
			if theirs := reference.of(t, text); (theirs == "valid") != (verdict == "valid") {
				t.Errorf("document %d: %s here, and to graphql-js: %s\n%.400s\n%s", i, verdict, theirs, a.text, text)
			}
		}
		s.mu.Lock()
		s.spoken.Reset()
		s.mu.Unlock()
		s.log.Reset()
	}
	t.Logf("%d documents: %v", n, verdicts)
	if verdicts["valid"] < n/20 || verdicts["invalid"] < n/5 {
		t.Errorf("mutations are too wild or too tame: %v", verdicts)
	}
}

// verdictOf is whether a document was found valid: whether what was wrong, if anything was, lay not in it.
func verdictOf(a answer) string {
	if len(a.Errors) == 0 || a.Data != nil {
		return "valid"
	}
	for _, e := range a.Errors {
		switch e.Extensions.Code {
		case tooComplex:
			return "too complex"
		case "graphql.secret_in_document":
			return "secret"
		case invalid, unparsed:
			if !strings.HasPrefix(e.Message, "Variable `$") && !strings.HasPrefix(e.Message, "The document holds several") && !strings.HasPrefix(e.Message, "The document holds no operation with") {
				return "invalid"
			}
		}
	}
	return "valid"
}

// reference is graphql-js in a process of its own.
type reference struct {
	to   io.Writer
	from *bufio.Scanner
}

func newReference(t *testing.T) *reference {
	script := os.Getenv("KEYTAG_TEST_GRAPHQL_JS")
	if script == "" {
		return nil
	}
	node := exec.CommandContext(t.Context(), "node", script, "../schema.graphqls")
	node.Stderr = os.Stderr
	to, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	from, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { to.Close(); _ = node.Wait() })
	return &reference{to: to, from: bufio.NewScanner(from)}
}

// of is what graphql-js says of a document.
func (r *reference) of(t *testing.T, text string) (verdict string) {
	t.Helper()
	line, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.to.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	if !r.from.Scan() {
		t.Fatal("graphql-js has gone: ", r.from.Err())
	}
	if err := json.Unmarshal(r.from.Bytes(), &verdict); err != nil {
		t.Fatal(err)
	}
	return verdict
}

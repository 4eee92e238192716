package keytag_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/keytag/keytag/"

// Groups of packages that the table below speaks of.
var (
	// ground imports nothing of ours but other ground; which, stands in the table.
	ground  = []string{"internal/catalogue", "internal/change", "internal/fault", "internal/job", "internal/lifecycle", "internal/minted", "internal/page", "internal/principal", "internal/scope", "internal/seal", "internal/secret", "internal/telemetry", "internal/typeid"}
	storage = []string{"ent/db/...", "internal/store"}
)

// mayImport is who may import whom, tests aside. A package that is missing fails the test.
var mayImport = map[string][]string{
	"":                   {},
	"internal/lifecycle": {},
	"internal/scope":     {},
	"internal/minted":    {},
	"internal/secret":    {"internal/minted"},
	"internal/config":    {"internal/mail", "internal/seal"},
	"internal/job":       {},
	"internal/seal":      {"internal/minted"},
	"internal/telemetry": {},
	"internal/ratelimit": {},
	"internal/web":       {},
	"internal/change":    {},
	"internal/catalogue": {"internal/scope"},
	"internal/principal": {"internal/scope"},
	"internal/fault":     {"internal/lifecycle", "internal/scope", "internal/secret"},
	"internal/page":      {"internal/fault"},
	"internal/typeid":    {"internal/fault"},

	"ent":                     {},
	"ent/policy":              {"internal/principal"},
	"ent/schema":              join(ground, "ent/policy"),
	"ent/migrations":          {},
	"ent/migrations/generate": {"ent/...", "internal/store/..."},

	"internal/epoch":           {"internal/telemetry"},
	"internal/store":           join(ground, "ent/db/...", "ent/migrations", "internal/epoch"),
	"internal/store/storetest": {"internal/store/...", "ent/migrations", "internal/evidence"},
	"internal/audit":           join(ground, storage...),
	"internal/queue":           join(ground, storage...),
	"internal/keys":            join(ground, join(storage, "ent/policy", "internal/epoch", "internal/audit", "internal/queue", "internal/webhook")...),
	"internal/directory":       join(ground, join(storage, "internal/epoch", "internal/audit", "internal/keys")...),
	"internal/alert":           join(ground, join(storage, "internal/audit", "internal/keys", "internal/mail", "internal/queue", "internal/webhook")...),
	"internal/worker":          {"ent/db", "internal/alert", "internal/job", "internal/keys", "internal/queue", "internal/store", "internal/telemetry"},

	"internal/benchdata":           join(ground, "internal/store"),
	"internal/benchdata/cmd":       {"internal/benchdata"},
	"internal/benchdata/queries":   join(ground, "internal/store", "internal/benchdata", "graph", "internal/alert", "internal/audit", "internal/directory", "internal/keys"),
	"internal/benchdata/rig":       {"internal/benchdata"},
	"internal/benchdata/policy":    {"internal/benchdata", "internal/benchdata/rig", "internal/lifecycle"},
	"internal/benchdata/hot":       join(ground, "internal/benchdata/...", "internal/store", "graph", "internal/audit", "internal/auth", "internal/directory", "internal/keys", "internal/server"),
	"internal/benchdata/hot/plain": {},
	"internal/benchdata/find":      join(ground, "internal/benchdata/...", "internal/store"),
	"examples/receiver":            {},

	"internal/client":        {},
	"internal/webhook":       {"internal/minted", "internal/secret", "internal/telemetry"},
	"internal/mail":          {"internal/secret", "internal/telemetry"},
	"internal/mail/smtptest": {"internal/evidence"},

	"internal/httpgraphql": {"internal/telemetry"},
	"internal/server":      {"internal/telemetry"},
	"internal/auth":        join(ground, "internal/keys", "internal/ratelimit"),
	"graph/generate":       {},
	"graph/model":          join(ground, "ent/db", "internal/keys", "internal/directory", "internal/alert", "internal/audit"),
	"graph":                join(ground, "ent/db", "graph/...", "internal/keys", "internal/directory", "internal/alert", "internal/audit", "internal/httpgraphql"),
	"cmd/keytag":           {"..."},

	"internal/store/storetest/pgserver":     {},
	"internal/store/storetest/withpostgres": {"internal/store/storetest/pgserver", "internal/evidence"},

	"internal/evidence":              {},
	"internal/evidence/withevidence": {"internal/evidence"},
}

// generated is written by machines, and imports what it needs.
var generated = []string{"ent/db/...", "graph/generated"}

func join(list []string, more ...string) []string { return slices.Concat(list, more) }

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		prefix, wildcard := strings.CutSuffix(pattern, "...")
		return name == strings.TrimSuffix(prefix, "/") || wildcard && strings.HasPrefix(name, prefix)
	})
}

type goPackage struct {
	ImportPath string
	Dir        string
	Imports    []string
	GoFiles    []string

	IgnoredGoFiles, TestGoFiles, XTestGoFiles []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func local(path string) (string, bool) {
	if path+"/" == module {
		return "", true
	}
	return strings.CutPrefix(path, module)
}

func TestImportsGoOneWay(t *testing.T) {
	found := map[string]bool{}
	for _, p := range packages(t) {
		name, _ := local(p.ImportPath)
		found[name] = true
		if matches(generated, name) {
			continue
		}
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("%s is not in the table", name)
		}
		for _, path := range p.Imports {
			if imported, ours := local(path); ours && !matches(allowed, imported) {
				t.Errorf("%s must not import %s", name, imported)
			}
		}
	}
	for name := range mayImport {
		if !found[name] {
			t.Errorf("%s is in the table and is no package", name)
		}
	}
}

// What is shipped keeps no evidence.
func TestTheProgramTellsNobodyOfSecrets(t *testing.T) {
	for tags, want := range map[string]bool{"": false, "keytaghooks": true} {
		out, err := exec.Command("go", "list", "-deps", "-tags", tags, "./cmd/keytag").Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(strings.Fields(string(out)), module+"internal/evidence"); got != want {
			t.Errorf("built with the tags %q the program has internal/evidence: %v", tags, got)
		}
	}
}

// The server acts by itself, past the row rules, in these files and in no others.
var systemFiles = []string{
	"internal/alert/changesource.go",  // whose notifications use a source
	"internal/alert/job.go",           // a job and a notification behind a held key
	"internal/alert/message.go",       // what the server tells by itself
	"internal/alert/notification.go",  // the notification of a held key, whoever changes the key
	"internal/alert/remind.go",        // ends of all organizations
	"internal/alert/secrets.go",       // whether what is kept can be read
	"internal/alert/send.go",          // alerts of all organizations
	"internal/directory/bootstrap.go", // the first start
	"internal/directory/operator.go",  // what the operator does on the database itself
	"internal/directory/projects.go",  // keys that an environment has
	"internal/directory/users.go",     // the viewer's own row; who else administers
	"internal/keys/authority.go",      // a held key with what stands beside it
	"internal/keys/automatic.go",      // rotations of all organizations
	"internal/keys/deliver.go",        // webhooks of all organizations
	"internal/keys/ending.go",         // ends of all organizations
	"internal/keys/heartbeat.go",      // downtime of all organizations
	"internal/keys/issue.go",          // the schedule of a new key's line
	"internal/keys/judge.go",          // environments of a presented key's project
	"internal/keys/policy.go",         // what binds a key, whoever changes it
	"internal/keys/remove.go",         // a key that is hidden already
	"internal/keys/replay.go",         // a key that the caller made, whatever it may see now
	"internal/keys/revoke.go",         // a key whose reader it may end
	"internal/keys/rotate.go",         // the family and the project of a held key
	"internal/keys/rotations.go",      // a rotation behind a held key
	"internal/keys/schedule.go",       // the schedule of a held key's line
	"internal/keys/scopes.go",         // the scopes of a held key
	"internal/keys/secrets.go",        // whether what is kept can be read
	"internal/keys/sweep.go",          // a changed policy on its way
	"internal/keys/update.go",         // the project of a held key
	"internal/keys/use.go",            // the use of a presented key
	"internal/keys/uses.go",           // the uses of presented keys
	"internal/keys/verify.go",         // the owner of a key that the caller sees
	"internal/queue/queue.go",         // jobs of all organizations
	"internal/store/write.go",         // the witness of a commit
}

const longestFile = 400

func TestHandWrittenFiles(t *testing.T) {
	found := map[string]bool{}
	for _, p := range packages(t) {
		name, _ := local(p.ImportPath)
		if matches(generated, name) {
			continue
		}
		for _, file := range p.GoFiles {
			content, err := os.ReadFile(p.Dir + "/" + file)
			if err != nil {
				t.Fatal(err)
			}
			path, text := strings.TrimPrefix(name+"/"+file, "/"), string(content)
			found[path] = true
			if strings.Contains(text, "principal.System(") != slices.Contains(systemFiles, path) {
				t.Errorf("%s: uses of principal.System and the list differ", path)
			}
			if strings.HasPrefix(text, "// Code generated") || strings.HasSuffix(file, ".resolvers.go") {
				continue
			}
			if lines := strings.Count(text, "\n"); lines > longestFile {
				t.Errorf("%s has %d lines", path, lines)
			}
		}
	}
	for _, path := range systemFiles {
		if !found[path] {
			t.Errorf("%s is in the list and is no file", path)
		}
	}
}

// unfinished finds tests that may be left out, and work left for later, but not itself.
var unfinished = regexp.MustCompile(`[.]Skip(f|Now)?\(|\b([T]ODO|[F]IXME)\b`)

func TestNothingIsLeftForLater(t *testing.T) {
	for _, p := range packages(t) {
		name, _ := local(p.ImportPath)
		if matches(generated, name) {
			continue
		}
		for _, file := range slices.Concat(p.GoFiles, p.IgnoredGoFiles, p.TestGoFiles, p.XTestGoFiles) {
			content, err := os.ReadFile(p.Dir + "/" + file)
			if err != nil {
				t.Fatal(err)
			}
			for number, line := range strings.Split(string(content), "\n") {
				if unfinished.MatchString(line) {
					t.Errorf("%s/%s:%d: %s", name, file, number+1, strings.TrimSpace(line))
				}
			}
		}
	}
}

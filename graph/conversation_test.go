package graph_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the answers of the golden conversations anew")

// A conversation is a file of turns. A turn is a line `# as NAME: what` (or `# pass PT1H`), a
// document in which {{NAME}} stands for something learnt before, and, after a line `---`, the
// answer, in which ids, keys and cursors are named in the order of their appearance. A document's
// line `# learn NAME = path.to.member` keeps a member of the answer. Both databases answer the same.
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no conversations", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			each(t, func(t *testing.T, s *site) { converse(t, s, file) })
		})
	}
}

var (
	learn = regexp.MustCompile(`(?m)^# learn (\w+) = (\S+)$`)
	// ids, keys, prefixes and cursors: what no two runs share
	variable = regexp.MustCompile(`\b(key|usr|prj|env|org|fam|ntf|job|src|msg|rot)_[0-9a-z]{26}\b|\bktg_\w{10}(_\w{38})?|"(cursor|startCursor|endCursor)": "[\w-]+"`)
)

func converse(t *testing.T, s *site, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{"admin": s.admin, "nobody": ""}
	names, counts := map[string]string{}, map[string]int{}
	name := func(match string) string {
		kind, _, _ := strings.Cut(match, "_")
		switch {
		case strings.HasPrefix(match, `"`):
			member, value, _ := strings.Cut(match, `: `)
			return member + `: "` + naming(names, counts, "cursor", value) + `"`
		case kind == "ktg" && strings.Count(match, "_") == 2:
			return naming(names, counts, "secret", match)
		case kind == "ktg":
			return naming(names, counts, "prefix", match)
		}
		return naming(names, counts, kind, match)
	}
	var written []string
	for _, turn := range strings.Split(strings.TrimSpace(string(text)), "\n\n\n") {
		request, want, _ := strings.Cut(turn, "\n---\n")
		head, document, _ := strings.Cut(request, "\n")
		if period, ok := strings.CutPrefix(head, "# pass "); ok {
			d, err := time.ParseDuration(period)
			if err != nil {
				t.Fatal(err)
			}
			s.pass(d)
			written = append(written, turn)
			continue
		}
		who, _, ok := strings.Cut(strings.TrimPrefix(head, "# as "), ":")
		key, isKnown := known[who]
		if !ok || !isKnown {
			t.Fatalf("%s: who speaks?", head)
		}
		for learnt, value := range known {
			document = strings.ReplaceAll(document, "{{"+learnt+"}}", value)
		}
		a := s.ask(key, document, nil)
		for _, l := range learn.FindAllStringSubmatch(document, -1) {
			var path []any
			for _, step := range strings.Split(l[2], ".") {
				var i int
				if _, err := fmt.Sscanf(step, "%d", &i); err == nil {
					path = append(path, i)
				} else {
					path = append(path, step)
				}
			}
			known[l[1]] = a.str(t, path...)
		}
		if a.status >= 500 {
			t.Errorf("%s: %d %s", head, a.status, a.text)
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, []byte(withoutRequestID(a.text)), "", "  "); err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%d %s", a.status, variable.ReplaceAllStringFunc(pretty.String(), name))
		if !*update && got != strings.TrimSpace(want) {
			t.Errorf("%s\n got %s\nwant %s", head, got, want)
		}
		written = append(written, request+"\n---\n"+got)
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(written, "\n\n\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func naming(names map[string]string, counts map[string]int, kind, value string) string {
	if _, ok := names[value]; !ok {
		counts[kind]++
		names[value] = fmt.Sprintf("<%s %d>", kind, counts[kind])
	}
	return names[value]
}

func withoutRequestID(text string) string {
	return regexp.MustCompile(`,?"requestId":"[^"]*"`).ReplaceAllString(text, "")
}

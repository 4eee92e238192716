package scope_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/keytag/keytag/internal/scope"
)

// The grammar once more, as a regular expression.
var grammar = regexp.MustCompile(`\A(?:\*|[a-z0-9][a-z0-9._-]*(?::[a-z0-9][a-z0-9._-]*)*(?::\*)?)\z`)

// Few short segments, so that drawn scopes often lie beneath one another.
var drawn = rapid.Custom(func(t *rapid.T) string {
	segments := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ab", "a.b", "keytag"}), 0, 4).Draw(t, "segments")
	if len(segments) == 0 || rapid.Bool().Draw(t, "wildcard") {
		segments = append(segments, "*")
	}
	return strings.Join(segments, ":")
})

func TestValid(t *testing.T) {
	for _, s := range []string{
		"a", "0", "deploy:write", "a:b:c", "a.b_c-d:9", "*", "a:*", "a:b:*", "a-", "a.", "a_:b",
		strings.Repeat("a", 128), strings.Repeat("a", 126) + ":*",
	} {
		if !scope.Valid(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{
		"", ":", "a:", ":a", "a::b", "**", "a*", "*a", "*:a", "a:*:b", "a:b*", "*:*", "A", "a:B", "a b", " a", "a ",
		"-a", ".a", "_a", "a:-b", "ä", "a/b", "a,b", "a\n", "a:\x00", strings.Repeat("a", 129), strings.Repeat("a", 127) + ":*",
	} {
		if scope.Valid(s) {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		holding, wanted string
		want            bool
	}{
		{"a", "a", true}, {"a:b", "a:b", true}, {"a:*", "a:*", true}, {"*", "*", true},
		{"*", "a", true}, {"*", "a:b", true}, {"*", "a:*", true},
		{"a:*", "a:b", true}, {"a:*", "a:b:c", true}, {"a:*", "a:b:*", true}, {"a:b:*", "a:b:c", true},
		{"a:*", "a", false}, {"a:*", "ab:c", false}, {"a:*", "*", false}, {"a:*", "b:a", false}, {"a:*", "a.b:c", false},
		{"a:b:*", "a:*", false}, {"a:b:*", "a:b", false}, {"a:b:*", "a:bc:d", false},
		{"a", "a:b", false}, {"a:b", "a", false}, {"a:b", "a:*", false}, {"a", "b", false},
	} {
		if got := scope.Covers(c.holding, c.wanted); got != c.want {
			t.Errorf("Covers(%q, %q) = %v", c.holding, c.wanted, got)
		}
	}
}

func TestCovering(t *testing.T) {
	for wanted, want := range map[string][]string{
		"a:b:c": {"a:b:c", "a:b:*", "a:*", "*"},
		"a:b:*": {"a:b:*", "a:*", "*"},
		"a:*":   {"a:*", "*"},
		"a":     {"a", "*"},
		"*":     {"*"},
	} {
		if got := scope.Covering(wanted); !slices.Equal(got, want) {
			t.Errorf("Covering(%q) = %q, want %q", wanted, got, want)
		}
	}
}

func TestCoversIsMembershipInCovering(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		holding, wanted := drawn.Draw(t, "holding"), drawn.Draw(t, "wanted")
		covering := scope.Covering(wanted)
		if scope.Covers(holding, wanted) != slices.Contains(covering, holding) {
			t.Fatalf("Covers(%q, %q) = %v, Covering %q", holding, wanted, scope.Covers(holding, wanted), covering)
		}
		for _, c := range covering {
			if !scope.Valid(c) || !scope.Covers(c, wanted) {
				t.Fatalf("%q is in Covering(%q)", c, wanted)
			}
		}
		if sorted := slices.Sorted(slices.Values(covering)); len(slices.Compact(sorted)) != len(covering) {
			t.Fatalf("Covering(%q) repeats itself: %q", wanted, covering)
		}
	})
}

func TestCoversIsTransitive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawn.Draw(t, "a"), drawn.Draw(t, "b"), drawn.Draw(t, "c")
		if scope.Covers(a, b) && scope.Covers(b, c) && !scope.Covers(a, c) {
			t.Fatalf("%q covers %q covers %q", a, b, c)
		}
	})
}

func TestNewSet(t *testing.T) {
	set, malformed := scope.NewSet([]string{"b", "Z", "a:*", "b", "", "a:*", "Z", "a"})
	if !slices.Equal(set, scope.Set{"a", "a:*", "b"}) || !slices.Equal(malformed, []string{"Z", "", "Z"}) {
		t.Errorf("got %q, malformed %q", set, malformed)
	}
	if set, malformed := scope.NewSet(nil); set == nil || len(set) != 0 || malformed != nil {
		t.Errorf("nothing became %#v, malformed %#v", set, malformed)
	}
	given := []string{"b", "a"}
	scope.NewSet(given)
	if given[0] != "b" {
		t.Error("the argument was sorted")
	}
}

func TestSet(t *testing.T) {
	set, _ := scope.NewSet([]string{"deploy:*", "read"})
	wanted := []string{"write", "deploy:write", "read", "deploy", "write"}
	if got := set.Missing(wanted); !slices.Equal(got, []string{"write", "deploy", "write"}) {
		t.Errorf("Missing = %q", got)
	}
	if got := set.Missing([]string{"read", "deploy:a:b"}); got != nil {
		t.Errorf("Missing = %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		set, _ := scope.NewSet(rapid.SliceOf(drawn).Draw(t, "set"))
		wanted := drawn.Draw(t, "wanted")
		if set.Covers(wanted) != slices.ContainsFunc(scope.Covering(wanted), func(c string) bool { return slices.Contains(set, c) }) {
			t.Fatal("Covers is not any of Covering")
		}
		if set.Covers(wanted) != (len(set.Missing([]string{wanted})) == 0) {
			t.Fatal("Covers and Missing disagree")
		}
	})
}

func TestReserved(t *testing.T) {
	for s, want := range map[string]bool{
		"keytag:keys:read": true, "keytag:keys:*": true, "keytag:*": true, "*": true,
		"keytag": false, "keytags:a": false, "a:keytag:b": false, "a:*": false, "keytag.a:b": false,
	} {
		if scope.Reserved(s) != want {
			t.Errorf("Reserved(%q) = %v", s, !want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		holding, beneath := drawn.Draw(t, "holding"), "keytag:"+drawn.Draw(t, "beneath")
		if scope.Covers(holding, beneath) && !scope.Reserved(holding) {
			t.Fatalf("%q covers %q", holding, beneath)
		}
	})
}

func TestCoversDoesNotAllocate(t *testing.T) {
	set := scope.Set{"a:b:*", "deploy:write", "read"}
	if n := testing.AllocsPerRun(100, func() { set.Covers("deploy:write"); set.Covers("a:b:c"); set.Covers("none") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzValid(f *testing.F) {
	for _, seed := range []string{"a", "a:b", "a:*", "*", "a:*:b", "A", "a::b", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if want := len(s) <= scope.MaxLength && grammar.MatchString(s); scope.Valid(s) != want {
			t.Fatalf("Valid(%q) = %v", s, !want)
		}
	})
}

// A Set is read as encoding/json reads an array of strings, and written as it is read.
func FuzzSetScan(f *testing.F) {
	for _, seed := range []string{`[]`, `["a"]`, `["a:b", "c"]`, `["a","b"]`, `null`, `["\u0061"]`, `["a\"b"]`, `[1]`, `"a"`, `[["a"]]`, `{"a":"b"}`, `["a",null]`, `[ ]`, ` ["a"] `, `["a",{"b":"c"}]`, `["a" ,"b"]`, `["a"]]`, `["a""b"]`, `[,"a"]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want []string
		var got scope.Set
		failed := json.Unmarshal([]byte(text), &want)
		if err := got.Scan(text); failed == nil && err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if failed == nil && !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if failed == nil {
			written, err := got.Value()
			var again scope.Set
			if err != nil || again.Scan([]byte(written.(string))) != nil || !slices.Equal(got, again) {
				t.Errorf("%q is written as %v, which is %q", got, written, again)
			}
		}
	})
}

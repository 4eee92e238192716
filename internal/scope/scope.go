// Package scope holds the grammar of scopes and the one rule of what a scope
// grants. A scope is made of segments joined by colons, such as deploy:write;
// its last segment may be *, which grants everything beneath, and * alone
// grants everything.
package scope

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxLength is the most characters a scope may have.
const MaxLength = 128

// reserved is the beginning of the scopes that grant rights on this server
// itself.
const reserved = "keytag:"

// Valid reports whether s is a well-formed scope: at most 128 characters, each
// segment [a-z0-9][a-z0-9._-]* or, in the last place, *.
func Valid(s string) bool {
	if len(s) > MaxLength {
		return false
	}
	for {
		segment, rest, more := strings.Cut(s, ":")
		if !validSegment(segment) && (more || segment != "*") {
			return false
		}
		if !more {
			return true
		}
		s = rest
	}
}

func validSegment(segment string) bool {
	for i := range len(segment) {
		c := segment[i]
		alphanumeric := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !alphanumeric && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return segment != ""
}

// Covers reports whether a holder of one valid scope is allowed another: a:*
// covers a:b, a:b:c, a:b:* and itself, but neither a nor ab:c.
func Covers(holding, wanted string) bool {
	beneath, wildcard := strings.CutSuffix(holding, "*")
	return holding == wanted || wildcard && strings.HasPrefix(wanted, beneath)
}

// Covering lists every scope that covers wanted, narrowest first: for a:b:c
// these are a:b:c, a:b:*, a:* and *.
func Covering(wanted string) []string {
	covering := []string{wanted}
	above := strings.TrimSuffix(wanted, ":*")
	for i := strings.LastIndexByte(above, ':'); i >= 0; i = strings.LastIndexByte(above, ':') {
		above = above[:i]
		covering = append(covering, above+":*")
	}
	if wanted != "*" {
		covering = append(covering, "*")
	}
	return covering
}

// Reserved reports whether s grants anything on this server itself: it lies in
// keytag: or is a wildcard that covers something there.
func Reserved(s string) bool { return s == "*" || strings.HasPrefix(s, reserved) }

// Set is a list of valid scopes, sorted, without duplicates.
type Set []string

// Scan reads a JSON array of scopes, as they are; it is of sql.Scanner.
func (s *Set) Scan(column any) error {
	var text string
	switch column := column.(type) {
	case []byte:
		text = string(column)
	case string:
		text = column
	default:
		return fmt.Errorf("scopes cannot be read from %T", column)
	}
	list, quick := plain(text)
	if !quick {
		list = nil // what is read into it stays
		if err := json.Unmarshal([]byte(text), (*[]string)(&list)); err != nil {
			return fmt.Errorf("scopes: %w", err)
		}
	}
	*s = list
	return nil
}

// Value is a JSON array; it is of driver.Valuer.
func (s Set) Value() (driver.Value, error) {
	text, err := json.Marshal([]string(s))
	return string(text), err
}

// plain reads an array of ASCII strings without escapes, which those of scopes are: pages hold many of them.
func plain(text string) (list Set, ok bool) {
	text, opens := strings.CutPrefix(text, "[")
	text, closes := strings.CutSuffix(text, "]")
	escaped := func(r rune) bool { return r < ' ' || r >= utf8.RuneSelf || r == '\\' }
	if !opens || !closes || strings.ContainsFunc(text, escaped) {
		return nil, false
	}
	list = make(Set, 0, strings.Count(text, `"`)/2)
	for text != "" {
		between, rest, _ := strings.Cut(text, `"`)
		one, after, closed := strings.Cut(rest, `"`)
		if !closed || strings.Trim(between, ", ") != "" {
			return nil, false
		}
		list, text = append(list, one), after
	}
	return list, true
}

// NewSet makes a Set of the valid scopes in ss and answers the malformed ones
// in the order given. The Set is never nil.
func NewSet(ss []string) (set Set, malformed []string) {
	set = make(Set, 0, len(ss))
	for _, s := range ss {
		if Valid(s) {
			set = append(set, s)
		} else {
			malformed = append(malformed, s)
		}
	}
	slices.Sort(set)
	return slices.Compact(set), malformed
}

// Covers reports whether one of the set covers wanted.
func (s Set) Covers(wanted string) bool {
	for _, holding := range s {
		if Covers(holding, wanted) {
			return true
		}
	}
	return false
}

// Missing lists those of wanted that nothing in the set covers, in the order
// given; nil when all are covered.
func (s Set) Missing(wanted []string) []string {
	var missing []string
	for _, w := range wanted {
		if !s.Covers(w) {
			missing = append(missing, w)
		}
	}
	return missing
}

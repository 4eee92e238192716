package keys_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/keytag/keytag/internal/keys"
)

// tallied is how often each condition, order, bound and seeker was asked for, and how often with them
// something was found.
type tallied struct {
	sync.Mutex
	asked, found map[string]int
	differing    map[string]bool
}

func (c *tallied) count(s search, found int) {
	var names []string
	if s.Filter != nil {
		conditions(reflect.ValueOf(*s.Filter), "", func(name string, v reflect.Value) {
			if !v.IsNil() {
				names = append(names, name)
			}
		})
	}
	conditions(reflect.ValueOf(s.Within), "within ", func(name string, v reflect.Value) {
		if !v.IsNil() {
			names = append(names, name)
		}
	})
	names = append(names, "by "+s.by.name)
	if s.OrderBy != nil {
		names = append(names, fmt.Sprintf("ordered by %s %s", s.OrderBy.Field, s.OrderBy.Direction))
	}
	c.Lock()
	defer c.Unlock()
	if c.asked == nil {
		c.asked, c.found, c.differing = map[string]int{}, map[string]int{}, map[string]bool{}
	}
	for _, name := range names {
		c.asked[name]++
		c.found[name] += min(found, 1)
	}
	c.differing[strings.Join(names, ", ")] = true
}

// judge fails unless everything that can be asked for was, often enough to matter. What it tells of a
// new condition is that no search has it yet.
func (c *tallied) judge(t *testing.T, searches int) {
	for _, name := range slices.Sorted(maps.Keys(c.asked)) {
		t.Logf("%6d searches, %6d found something: %s", c.asked[name], c.found[name], name)
	}
	t.Logf("%d searches, %d different combinations", searches, len(c.differing))
	needed := []string{"within ProjectIDs", "within EnvironmentIDs", "within OwnerIDs", "within CreatedByIDs"}
	conditions(reflect.ValueOf(keys.Filter{}), "", func(name string, _ reflect.Value) { needed = append(needed, name) })
	for _, field := range orderFields {
		for _, direction := range directions {
			needed = append(needed, fmt.Sprintf("ordered by %s %s", field, direction))
		}
	}
	for _, name := range needed {
		if c.asked[name] < searches/200 || c.found[name] < searches/1000 {
			t.Errorf("%s: asked for %d times and found %d times in %d searches", name, c.asked[name], c.found[name], searches)
		}
	}
}

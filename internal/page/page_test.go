package page_test

import (
	"testing"
	"time"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/page"
)

func TestBounds(t *testing.T) {
	cursor := page.Encode("c", page.Cursor{ID: "key_1", At: time.UnixMicro(5).UTC()})
	for name, c := range map[string]struct {
		args page.Args
		want string // fields refused; empty: accepted
	}{
		"nothing":           {page.Args{}, ""},
		"first":             {page.Args{First: new(1)}, ""},
		"most":              {page.Args{Last: new(100), Before: &cursor}, ""},
		"after alone":       {page.Args{After: &cursor}, ""},
		"none":              {page.Args{First: new(0)}, "first"},
		"negative":          {page.Args{Last: new(-1)}, "last"},
		"too many":          {page.Args{First: new(101)}, "first"},
		"both":              {page.Args{First: new(1), Last: new(1)}, "first last"},
		"first and before":  {page.Args{First: new(1), Before: &cursor}, "first before"},
		"last and after":    {page.Args{Last: new(1), After: &cursor}, "last after"},
		"after and before":  {page.Args{After: &cursor, Before: &cursor}, "after before"},
		"before alone":      {page.Args{Before: &cursor}, "before last"},
		"garbage":           {page.Args{After: new("garbage")}, "after"},
		"of another list":   {page.Args{After: new(page.Encode("x", page.Cursor{ID: "key_1"}))}, "after"},
		"with more behind":  {page.Args{After: new(cursor + "=")}, "after"},
		"garbage, backward": {page.Args{Last: new(1), Before: new("\x00")}, "before"},
	} {
		b, err := c.args.Bounds("c")
		got := ""
		if list, _ := fault.Split(err); len(list) > 0 {
			for i, field := range list[0].Describe().Fields {
				if i > 0 {
					got += " "
				}
				got += field
			}
		}
		if got != c.want {
			t.Errorf("%s: refused %q, want %q", name, got, c.want)
		}
		if err == nil && (c.args.After != nil || c.args.Before != nil) && (b.From == nil || b.From.ID != "key_1" || b.From.At.UnixMicro() != 5) {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

func TestOf(t *testing.T) {
	from := &page.Cursor{ID: "x"}
	for name, c := range map[string]struct {
		bounds         page.Bounds
		rows           []int
		want           []int
		next, previous bool
	}{
		"the only page":     {page.Bounds{Size: 2}, []int{1, 2}, []int{1, 2}, false, false},
		"the first page":    {page.Bounds{Size: 2}, []int{1, 2, 3}, []int{1, 2}, true, false},
		"one in the middle": {page.Bounds{Size: 2, From: from}, []int{3, 4, 5}, []int{3, 4}, true, true},
		"the last page":     {page.Bounds{Size: 2, Backward: true}, []int{9, 8, 7}, []int{8, 9}, false, true},
		"back to the first": {page.Bounds{Size: 2, Backward: true, From: from}, []int{2, 1}, []int{1, 2}, true, false},
	} {
		got := page.Of(c.bounds, c.rows)
		if len(got.Nodes) != len(c.want) || got.Nodes[0] != c.want[0] || got.Nodes[1] != c.want[1] || got.HasNext != c.next || got.HasPrevious != c.previous {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A cursor is either what Encode writes, or refused.
func FuzzCursor(f *testing.F) {
	f.Add(page.Encode("c", page.Cursor{ID: "key_01m82x0gdhfgyr9ssgp87fptxy"}))
	f.Add(page.Encode("c", page.Cursor{ID: "key_1", At: time.UnixMicro(1 << 50).UTC()}))
	f.Add("YyBrZXlfMSA")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := page.Args{After: &text}.Bounds("c")
		if err == nil && page.Encode("c", *b.From) != text {
			t.Errorf("%q became %+v", text, b.From)
		}
	})
}

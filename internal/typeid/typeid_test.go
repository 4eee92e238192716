package typeid

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// From valid.yml of the TypeID specification; its UUID is a version 7.
const (
	specified     = "prefix_01h455vb4pex5vsknk084sn02q"
	specifiedHigh = 0x01890a5dac96774b
	specifiedLow  = 0xbcceb302099a8057
)

func TestAgreesWithTheSpecification(t *testing.T) {
	suffix := encode(specifiedHigh, specifiedLow)
	if got := "prefix_" + string(suffix[:]); got != specified {
		t.Errorf("encoded to %s", got)
	}
	if high, low, ok := decode(specified[len("prefix_"):]); !ok || high != specifiedHigh || low != specifiedLow {
		t.Errorf("decoded to %x %x", high, low)
	}
	if !Check("prefix", specified) {
		t.Error("refused")
	}
	for _, whole := range []uint64{0, 1, 10, 16, 32, ^uint64(0)} {
		suffix := encode(0, whole)
		if high, low, ok := decode(string(suffix[:])); !ok || high != 0 || low != whole {
			t.Errorf("%d → %s → %d", whole, suffix, low)
		}
	}
	if suffix := encode(^uint64(0), ^uint64(0)); string(suffix[:]) != "7zzzzzzzzzzzzzzzzzzzzzzzzz" {
		t.Errorf("the largest value became %s", suffix)
	}
}

func TestNewHoldsTheInstant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// To the year 10889, where 48 bits of milliseconds end.
		micros := rapid.Int64Range(0, 1<<48*1000-1).Draw(t, "micros")
		id := New("key", time.UnixMicro(micros))
		high, low, ok := decode(strings.TrimPrefix(id, "key_"))
		if !ok || !Check("key", id) {
			t.Fatalf("%s is malformed", id)
		}
		if high>>12&0xf != 7 || low>>62 != 0b10 {
			t.Fatalf("%s is no UUIDv7", id)
		}
		// Rounded up, because the fraction was rounded down.
		got := int64(high>>16)*1000 + (int64(high&0xfff)*1000+4095)/4096
		if got != micros {
			t.Fatalf("%s holds %d µs, not %d", id, got, micros)
		}
	})
}

func TestIdsSortByInstant(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	previous := ""
	for micro := range 10_000 {
		id := New("key", start.Add(time.Duration(micro)*time.Microsecond))
		if id <= previous {
			t.Fatalf("%s, made %d µs in, does not follow %s", id, micro, previous)
		}
		previous = id
	}
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Int64Range(0, 1<<48*1000-2)
		a, b := micros.Draw(t, "a"), micros.Draw(t, "b")
		if a != b && (New("key", time.UnixMicro(a)) < New("key", time.UnixMicro(b))) != (a < b) {
			t.Fatal("order of ids is not order of instants")
		}
	})
}

func TestIdsOfOneInstantDiffer(t *testing.T) {
	now := time.Now()
	seen := map[string]bool{}
	for range 100_000 {
		id := New("key", now)
		if seen[id] {
			t.Fatalf("%s was made twice", id)
		}
		seen[id] = true
	}
}

func TestCheckTellsKindsApart(t *testing.T) {
	id := New("api_key", time.Now())
	if kind, ok := Prefix(id); !ok || kind != "api_key" {
		t.Errorf("Prefix(%s) = %q, %v", id, kind, ok)
	}
	for _, other := range []string{"", "api", "key", "api_ke", "api_key_", "API_KEY"} {
		if Check(other, id) {
			t.Errorf("%s passes as %q", id, other)
		}
	}
}

func TestPrefixRefuses(t *testing.T) {
	const suffix = "01h455vb4pex5vsknk084sn02q"
	for _, id := range []string{
		"", "_", "prefix", "prefix_", suffix, "_" + suffix, "prefix-" + suffix,
		"Prefix_" + suffix, "pre1_" + suffix, "_prefix_" + suffix, "prefix__" + suffix, "préfix_" + suffix,
		"prefix_" + strings.ToUpper(suffix), "prefix_" + suffix[1:], "prefix_" + suffix + "0",
		"prefix_8" + suffix[1:], "prefix_" + strings.Replace(suffix, "h", "i", 1), "prefix_" + strings.Replace(suffix, "h", "u", 1),
		"prefix_" + suffix + " ", " prefix_" + suffix, "prefix_00000000000000000000000000",
		strings.Repeat("a", 64) + "_" + suffix,
	} {
		if kind, ok := Prefix(id); ok || kind != "" {
			t.Errorf("Prefix(%q) = %q, %v", id, kind, ok)
		}
	}
	if _, ok := Prefix(strings.Repeat("a", 63) + "_" + suffix); !ok {
		t.Error("the longest prefix is refused")
	}
}

func TestNewPanicsOnAMalformedPrefix(t *testing.T) {
	for _, prefix := range []string{"", "Key", "key_", "_key", "k3y", strings.Repeat("a", 64)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("made an id of kind %q", prefix)
				}
			}()
			New(prefix, time.Now())
		}()
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Check("prefix", specified) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("prefix", specified)
	f.Add("api_key", New("api_key", time.Now()))
	f.Add("", "")
	f.Add("key", "key_8zzzzzzzzzzzzzzzzzzzzzzzzz")
	f.Fuzz(func(t *testing.T, prefix, id string) {
		kind, ok := Prefix(id)
		if Check(prefix, id) != (ok && kind == prefix) {
			t.Fatal("Check and Prefix disagree")
		}
		if !ok {
			return
		}
		high, low, _ := decode(id[len(kind)+1:])
		suffix := encode(high, low)
		if again := fmt.Sprintf("%s_%s", kind, suffix[:]); again != id {
			t.Fatalf("%s has a second spelling, %s", id, again)
		}
	})
}

package ratelimit

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAllow(t *testing.T) {
	now := time.Date(2026, 8, 31, 10, 0, 0, 0, time.UTC)
	l := New[string](2, 3, func() time.Time { return now })
	for _, step := range []struct {
		pass   time.Duration
		caller string
		want   bool
	}{
		{0, "a", true}, {0, "a", true}, {0, "a", true}, {0, "a", false},
		{0, "b", true}, // has a bucket of its own
		{499 * time.Millisecond, "a", false},
		{time.Millisecond, "a", true}, {0, "a", false},
		{time.Hour, "a", true}, {0, "a", true}, {0, "a", true}, {0, "a", false}, // no more than the burst is saved up
	} {
		now = now.Add(step.pass)
		if got := l.Allow(step.caller); got != step.want {
			t.Errorf("%s after %s: %t", step.caller, step.pass, got)
		}
	}
}

func TestNoLimit(t *testing.T) {
	l := New[string](0, 1, time.Now)
	for range 1_000 {
		if !l.Allow("a") {
			t.Fatal("limited")
		}
	}
}

func TestManyAtOnceShareABucket(t *testing.T) {
	now := time.Now()
	l := New[int](1, 50, func() time.Time { return now })
	var allowed atomic.Int64
	var askers sync.WaitGroup
	for range 8 {
		askers.Go(func() {
			for range 100 {
				if l.Allow(1) {
					allowed.Add(1)
				}
			}
		})
	}
	askers.Wait()
	if allowed.Load() != 50 {
		t.Errorf("%d of a burst of 50", allowed.Load())
	}
}

func TestMemoryIsBounded(t *testing.T) {
	l := New[int](1, 1, time.Now)
	for caller := range 3 * callers {
		l.Allow(caller)
	}
	if l.buckets.Len() != callers {
		t.Errorf("%d callers are remembered", l.buckets.Len())
	}
}

func TestNoAllocationForWhoIsKnown(t *testing.T) {
	l := New[netip.Prefix](1_000_000, 1_000_000, time.Now)
	network := Network(netip.MustParseAddr("192.0.2.1"))
	l.Allow(network)
	if n := testing.AllocsPerRun(1_000, func() { l.Allow(network) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
	} {
		if got := Network(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("%s: %s", address, got)
		}
	}
	if Network(netip.Addr{}).IsValid() {
		t.Error("an unknown address has a network")
	}
}

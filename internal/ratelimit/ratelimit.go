// Package ratelimit bounds how often a caller may ask, by a token bucket for each.
package ratelimit

import (
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// callers is how many are remembered. One who was forgotten, since so many others came later, begins anew.
const callers = 16_384

// Limiter lets each caller ask PerSecond times a second, and Burst times at once. A nil one lets everyone.
// Safe for concurrent use.
type Limiter[Caller comparable] struct {
	perSecond rate.Limit
	burst     int
	clock     func() time.Time
	buckets   *lru.Cache[Caller, *rate.Limiter]
}

// New is a limiter, nil when perSecond is 0. The burst is at least 1.
func New[Caller comparable](perSecond, burst int, clock func() time.Time) *Limiter[Caller] {
	if perSecond == 0 {
		return nil
	}
	buckets, err := lru.New[Caller, *rate.Limiter](callers)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return &Limiter[Caller]{perSecond: rate.Limit(perSecond), burst: burst, clock: clock, buckets: buckets}
}

// Allow takes a token of the caller, or reports that there is none: the next comes within a second.
func (l *Limiter[Caller]) Allow(caller Caller) bool { return l.AllowN(caller, 1) }

// AllowN takes n tokens of the caller, at most Burst, or none, and reports that there are not as many.
func (l *Limiter[Caller]) AllowN(caller Caller, n int) bool {
	if l == nil {
		return true
	}
	bucket, known := l.buckets.Get(caller)
	if !known {
		fresh := rate.NewLimiter(l.perSecond, l.burst)
		if bucket, known, _ = l.buckets.PeekOrAdd(caller, fresh); !known {
			bucket = fresh
		}
	}
	return bucket.AllowN(l.clock(), n)
}

// Network is what an address is counted by: itself, and for IPv6 the /64 that one customer has at least.
func Network(address netip.Addr) netip.Prefix {
	bits := 32
	if address.Is6() {
		bits = 64
	}
	network, _ := address.Prefix(bits) // none for the zero Addr, which all unknown addresses share
	return network
}

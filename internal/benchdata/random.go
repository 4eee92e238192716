package benchdata

import (
	"crypto/sha512"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Everything random is drawn from a stream of its own, so that a thing is the same whatever was
// drawn before it.
type stream uint64

const (
	ofOrganization stream = iota + 1
	ofUser
	ofProject
	ofKeyID
	ofFamilyID
	ofInstant
	ofOrigin
	ofLife
	ofAdminKey
	ofAlertSource
	ofSchedule
	ofNextRotation
	ofPending
	ofRotation
	ofNotification
)

func random(seed uint64, of stream, index int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(of)<<56|uint64(index)))
}

// between draws an instant in [from, to), to the microsecond; from when there is none.
func between(r *rand.Rand, from, to time.Time) time.Time {
	micros := to.Sub(from).Microseconds()
	if micros <= 0 {
		return from
	}
	return from.Add(time.Duration(r.Int64N(micros)) * time.Microsecond)
}

// skew draws numbers of which each is less likely than the one before. It holds cumulated weights,
// so a part from the beginning is a skew too.
type skew []float64

// zipf weighs the number k (from 0) with 1 / (k+1)^exponent.
func zipf(n int, exponent float64) skew {
	s := make(skew, n)
	sum := 0.0
	for k := range s {
		sum += math.Pow(float64(k+1), -exponent)
		s[k] = sum
	}
	return s
}

func (s skew) draw(r *rand.Rand) int {
	at, _ := slices.BinarySearch(s, r.Float64()*s[len(s)-1])
	return min(at, len(s)-1)
}

// share is the probability of a number.
func (s skew) share(k int) float64 {
	weight := s[k]
	if k > 0 {
		weight -= s[k-1]
	}
	return weight / s[len(s)-1]
}

const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// id is what typeid.New makes for the instant, with given random bits.
func id(prefix string, at time.Time, r *rand.Rand) string {
	micros := uint64(at.UnixMicro())
	high := micros/1000<<16 | 7<<12 | micros%1000*4096/1000
	low := 0b10<<62 | r.Uint64()>>2
	var suffix [26]byte
	for i := len(suffix) - 1; i >= 0; i-- {
		suffix[i] = crockford[low&31]
		low, high = low>>5|high<<59, high>>5
	}
	return prefix + "_" + string(suffix[:])
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// KeyText is the whole text of the key with an index below the number of keys. Whether it
// authenticates is a matter of the key's state.
func KeyText(seed uint64, index int) string { return text(seed, "key", index) }

// AdminKeyText is the text of a key of an administrator that holds the scope `*`, in the
// organization of an index; number 0 is the largest organization.
func AdminKeyText(seed uint64, organization int) string { return text(seed, "admin", organization) }

// text has the format of package secret, which makes no text from given bytes.
func text(seed uint64, kind string, index int) string {
	bytes := sha512.Sum512(fmt.Appendf(nil, "benchdata %d %s %d", seed, kind, index))
	body := make([]byte, 0, 53)
	body = append(body, "ktg_"...)
	for i, b := range bytes[:42] {
		if i == 10 {
			body = append(body, '_')
		}
		body = append(body, base62[b%62])
	}
	sum := crc32.ChecksumIEEE(body)
	var checksum [6]byte
	for i := len(checksum) - 1; i >= 0; i-- {
		checksum[i] = base62[sum%62]
		sum /= 62
	}
	return string(append(body, checksum[:]...))
}

// Package typeid makes and checks ids in the TypeID format, version 0.3
// (https://github.com/jetify-com/typeid): a prefix that names the kind, an
// underscore, and 26 characters of Crockford base32 that hold a UUIDv7
// (RFC 9562 §5.7). Ids of one kind sort, as text, by the instant they were made
// for, to the microsecond.
package typeid

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"
)

const (
	alphabet     = "0123456789abcdefghjkmnpqrstvwxyz"
	suffixLength = 26
	maxPrefix    = 63
)

// New makes an id of the kind prefix for an instant between 1970 and 10889. It
// panics when prefix is not one to 63 characters of a-z and underscore that
// begin and end with a letter.
func New(prefix string, at time.Time) string {
	if !validPrefix(prefix) {
		panic("typeid: malformed prefix " + prefix)
	}
	var random [8]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	high, low := uuidV7(at.UnixMicro(), binary.BigEndian.Uint64(random[:]))
	suffix := encode(high, low)
	return prefix + "_" + string(suffix[:])
}

// First is the least id of the kind prefix that New can make for an instant: all ids made earlier are
// smaller, those made for it or later are not.
func First(prefix string, at time.Time) string {
	suffix := encode(uuidV7(at.UnixMicro(), 0))
	return prefix + "_" + string(suffix[:])
}

// uuidV7 lays out the two halves of a UUIDv7. The 12 bits after the version are
// the fraction of the millisecond (RFC 9562 §6.2, method 3): a microsecond is
// 4.096 steps, so distinct microseconds stay distinct and in order.
func uuidV7(micros int64, random uint64) (high, low uint64) {
	millis, fraction := uint64(micros/1000), uint64(micros%1000)*4096/1000
	return millis<<16 | 7<<12 | fraction, 0b10<<62 | random>>2
}

// Check reports whether id is a well-formed id of the kind prefix.
func Check(prefix, id string) bool {
	kind, ok := Prefix(id)
	return ok && kind == prefix
}

// Prefix answers the kind of a well-formed id.
func Prefix(id string) (string, bool) {
	// The suffix has no underscore, a prefix may.
	i := strings.LastIndexByte(id, '_')
	if i < 0 || !validPrefix(id[:i]) {
		return "", false
	}
	high, low, ok := decode(id[i+1:])
	if !ok || high>>12&0xf != 7 || low>>62 != 0b10 {
		return "", false
	}
	return id[:i], true
}

func validPrefix(prefix string) bool {
	if prefix == "" || len(prefix) > maxPrefix || prefix[0] == '_' || prefix[len(prefix)-1] == '_' {
		return false
	}
	for i := range len(prefix) {
		if c := prefix[i]; c != '_' && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// encode writes 128 bits in 26 characters of 5 bits, the first two bits zero.
func encode(high, low uint64) (suffix [suffixLength]byte) {
	for i := suffixLength - 1; i >= 0; i-- {
		suffix[i] = alphabet[low&31]
		low, high = low>>5|high<<59, high>>5
	}
	return suffix
}

// decode is the reverse of encode; it refuses upper case and what would not fit
// in 128 bits, so that every id has one spelling.
func decode(suffix string) (high, low uint64, ok bool) {
	if len(suffix) != suffixLength || suffix[0] > '7' {
		return 0, 0, false
	}
	for i := range suffixLength {
		value := strings.IndexByte(alphabet, suffix[i])
		if value < 0 {
			return 0, 0, false
		}
		high, low = high<<5|low>>59, low<<5|uint64(value)
	}
	return high, low, true
}

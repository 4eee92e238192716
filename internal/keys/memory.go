package keys

import (
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/principal"
)

type digest = [sha256.Size]byte

const (
	// rememberedKeys is how many keys are remembered at most, of some two kilobytes each.
	rememberedKeys = 1 << 15
	// rememberedUnknown is how many digests that no key has are remembered at most, and for how long.
	rememberedUnknown = 1 << 12
	unknownFor        = time.Second

	// ways is how many places a digest may be at.
	ways = 4
)

// remembered is what the database had for a digest. It is shared, and not changed but for used.
type remembered struct {
	digest     digest
	generation uint64    // of store.Epoch, from before it was read
	read       time.Time // by the wall
	at         time.Time // by the clock that keys live by

	// key is that with the digest, its owner beside it, and the rights that come with it; nil when there is none.
	key    *db.APIKey
	rights *principal.Principal
	// place is where the key belongs, once that was asked for.
	place atomic.Pointer[db.APIKeyEdges]
	// used is the last use that is waiting to be written, in microseconds since 1970.
	used atomic.Int64
}

// memory holds what is remembered, in sets of a few places each. Looking into it takes no lock.
type memory struct {
	places []atomic.Pointer[remembered]
}

func newMemory(size int) *memory {
	return &memory{places: make([]atomic.Pointer[remembered], size)}
}

// set is the places that a digest may be at. Digests are evenly spread.
func (m *memory) set(d digest) []atomic.Pointer[remembered] {
	sets := uint64(len(m.places) / ways)
	first := binary.LittleEndian.Uint64(d[:]) % sets * ways
	return m.places[first : first+ways]
}

// find is what is remembered of a digest under a generation, nil for nothing.
func (m *memory) find(d digest, generation uint64) *remembered {
	set := m.set(d)
	for i := range set {
		if r := set[i].Load(); r != nil && r.generation == generation && r.digest == d {
			return r
		}
	}
	return nil
}

// holds reports that a digest is remembered, under whatever generation.
func (m *memory) holds(d digest) bool {
	set := m.set(d)
	for i := range set {
		if r := set[i].Load(); r != nil && r.digest == d {
			return true
		}
	}
	return false
}

// put remembers: in place of the same digest unless that was read later, else of something forgotten, else of
// any other.
func (m *memory) put(r *remembered) {
	set := m.set(r.digest)
	place := int(r.digest[len(r.digest)-1]) % ways
	instead := set[place].Load()
	for i := range set {
		other := set[i].Load()
		if other != nil && other.digest == r.digest {
			if other.read.After(r.read) {
				return
			}
			place, instead = i, other
			break
		}
		if other == nil || other.generation != r.generation {
			place, instead = i, other
		}
	}
	set[place].CompareAndSwap(instead, r) // what another has put there meanwhile stays
}

// drop forgets one digest.
func (m *memory) drop(d digest) {
	set := m.set(d)
	for i := range set {
		if r := set[i].Load(); r != nil && r.digest == d {
			set[i].CompareAndSwap(r, nil)
		}
	}
}

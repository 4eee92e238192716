package epoch

import "sync"

// memoSize is how many values a Memo holds at most.
const memoSize = 4096

// Memo remembers values that follow from what the epoch covers, by key. Its zero value is of no use.
type Memo[K comparable, V any] struct {
	epoch *Epoch

	mu         sync.RWMutex
	generation uint64
	values     map[K]V
}

// NewMemo is a Memo that holds nothing.
func NewMemo[K comparable, V any](e *Epoch) *Memo[K, V] {
	return &Memo[K, V]{epoch: e, values: map[K]V{}}
}

// Find is the value of a key, which is read unless it is remembered. Only what lasts is remembered: read
// says whether that is so.
func (m *Memo[K, V]) Find(key K, read func() (value V, lasts bool, err error)) (V, error) {
	generation, trusted := m.epoch.Now()
	if trusted {
		m.mu.RLock()
		value, found := m.values[key]
		found = found && m.generation == generation
		m.mu.RUnlock()
		if found {
			return value, nil
		}
	}
	value, lasts, err := read()
	if err != nil || !trusted || !lasts {
		return value, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.generation > generation:
		return value, nil
	case m.generation < generation || len(m.values) >= memoSize:
		m.generation = generation
		clear(m.values)
	}
	m.values[key] = value
	return value, nil
}

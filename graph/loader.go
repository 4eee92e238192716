package graph

import (
	"context"
	"errors"
	"sync"
)

// maxBatch is how many ids a statement asks for at most, well within what both databases bind.
const maxBatch = 1000

// loader finds values by id. The first id asked for takes along all that the rows seen so far name, so
// that the rows of a page cost one statement together, and nobody waits for others to ask. A value is
// found once.
type loader[V any] struct {
	all *loaders
	// fetch finds what the caller may see; anything else is missing in its answer.
	fetch func(ctx context.Context, ids []string) (map[string]V, error)

	// Under all.mu.
	named   []string // by rows, and perhaps not asked for yet
	batches map[string]*batch[V]
}

// batch is one statement, under way until done.
type batch[V any] struct {
	done   chan struct{}
	values map[string]V
	err    error
}

func newLoader[V any](all *loaders, fetch func(context.Context, []string) (map[string]V, error)) loader[V] {
	return loader[V]{all: all, fetch: fetch, batches: map[string]*batch[V]{}}
}

// find answers the value with this id: the zero value when there is none that the caller may see.
func (l *loader[V]) find(ctx context.Context, id string) (V, error) {
	b, ids := l.join(id)
	if ids != nil {
		l.run(ctx, b, ids)
	}
	<-b.done
	return b.values[id], b.err
}

// findAny is find for a reference that may be unset.
func (l *loader[V]) findAny(ctx context.Context, id *string) (V, error) {
	if id == nil {
		var none V
		return none, nil
	}
	return l.find(ctx, *id)
}

// join answers the batch that finds an id. If there is none yet, it makes one, and answers the ids that
// the caller has to fetch for it.
func (l *loader[V]) join(id string) (*batch[V], []string) {
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	if b := l.batches[id]; b != nil {
		return b, nil
	}
	l.all.takeNames()
	b := &batch[V]{done: make(chan struct{}), err: errUnfinished}
	l.batches[id] = b
	ids := []string{id}
	for len(l.named) > 0 && len(ids) < maxBatch {
		next := l.named[0]
		l.named = l.named[1:]
		if l.batches[next] == nil {
			l.batches[next] = b
			ids = append(ids, next)
		}
	}
	return b, ids
}

// errUnfinished is what the others are told when whoever fetches for them breaks off.
var errUnfinished = errors.New("graph: a batch was not finished")

func (l *loader[V]) run(ctx context.Context, b *batch[V], ids []string) {
	defer close(b.done)
	values, err := l.fetch(ctx, ids)
	for _, v := range values {
		see(l.all, v)
	}
	b.values, b.err = values, err
}

// name notes ids that a row names, as far as they were read.
func (l *loader[V]) name(ids ...*string) {
	for _, id := range ids {
		if id != nil && *id != "" {
			l.named = append(l.named, *id)
		}
	}
}

// seen are the rows that a root field has come across.
type seen struct {
	mu   sync.Mutex
	rows []any // whose names no loader has taken yet
}

// see makes rows known, since the objects beside them are likely to be asked for.
func see[R any](l *loaders, rows ...R) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, row := range rows {
		l.rows = append(l.rows, row)
	}
}

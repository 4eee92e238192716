package httpgraphql

import (
	"sync"
	"sync/atomic"

	"github.com/vektah/gqlparser/v2/ast"
)

// document is one that was parsed and found valid; it is shared and not changed.
type document struct {
	*ast.QueryDocument
	estimates []estimate // of Operations
	prepared  any
}

const (
	// maxDocuments is how many bytes of memory kept documents take, about.
	maxDocuments = 32 << 20
	// bytesOfDocument and bytesOfText are about what one takes: for itself, and for each byte of its text.
	bytesOfDocument = 4 << 10
	bytesOfText     = 80
)

// documents keeps those that were asked for lately. Looking for one takes no
// lock: two generations take turns, and what is found in the older one moves
// on to the newer; what was in the older one goes when the newer is full.
type documents struct {
	newer, older atomic.Pointer[sync.Map] // by text
	mu           sync.Mutex
	bytes        int // of the newer, under mu
}

func (d *documents) find(text string) *document {
	if found := look(d.newer.Load(), text); found != nil {
		return found
	}
	found := look(d.older.Load(), text)
	if found != nil {
		d.keep(text, found)
	}
	return found
}

func look(generation *sync.Map, text string) *document {
	if generation == nil {
		return nil
	}
	found, _ := generation.Load(text)
	kept, _ := found.(*document)
	return kept
}

func (d *documents) keep(text string, kept *document) {
	bytes := bytesOfDocument + bytesOfText*len(text)
	if bytes > maxDocuments/8 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	newer := d.newer.Load()
	if newer == nil || d.bytes+bytes > maxDocuments/2 {
		d.older.Store(newer)
		newer = new(sync.Map)
		d.newer.Store(newer)
		d.bytes = 0
	}
	if _, loaded := newer.LoadOrStore(text, kept); !loaded {
		d.bytes += bytes
	}
}

package httpgraphql

import (
	"sync"
	"sync/atomic"

	"github.com/vektah/gqlparser/v2/ast"
)

// hash is the SHA-256 of a document's text, in hex.
type hash string

// document is one that was parsed and found valid; it is shared and not changed.
type document struct {
	*ast.QueryDocument
	text      string
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
	newer, older atomic.Pointer[sync.Map] // by text, and by hash if they were persisted
	mu           sync.Mutex
	bytes        int // of the newer, under mu
}

func (d *documents) find(name any) *document {
	if found := look(d.newer.Load(), name); found != nil {
		return found
	}
	found := look(d.older.Load(), name)
	if found != nil {
		d.keep(name, found)
	}
	return found
}

func look(generation *sync.Map, name any) *document {
	if generation == nil {
		return nil
	}
	found, _ := generation.Load(name)
	kept, _ := found.(*document)
	return kept
}

func (d *documents) keep(name any, kept *document) {
	bytes := bytesOfDocument + bytesOfText*len(kept.text)
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
	if _, loaded := newer.LoadOrStore(name, kept); !loaded {
		d.bytes += bytes
	}
}

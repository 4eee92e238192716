package telemetry

import (
	"io"
	"sync"
	"time"
)

// Lines gathers what is written for up to a tenth of a second, since a busy server writes many lines.
// Safe for concurrent use.
type Lines struct {
	to io.Writer

	mu       sync.Mutex
	gathered []byte
	waiting  bool // for the tenth of a second to end
}

const (
	gatherFor  = 100 * time.Millisecond
	gatherMost = 32 << 10 // bytes
)

// NewLines writes to w.
func NewLines(w io.Writer) *Lines { return &Lines{to: w} }

// Write takes a whole line. An error is that of the lines that were written now.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gathered = append(l.gathered, p...)
	if len(l.gathered) >= gatherMost {
		return len(p), l.flush()
	}
	if !l.waiting {
		l.waiting = true
		time.AfterFunc(gatherFor, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.waiting = false
			_ = l.flush() // there is nowhere to tell
		})
	}
	return len(p), nil
}

// Flush writes what is gathered.
func (l *Lines) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flush()
}

func (l *Lines) flush() error {
	if len(l.gathered) == 0 {
		return nil
	}
	_, err := l.to.Write(l.gathered)
	l.gathered = l.gathered[:0]
	return err
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keytag/keytag/internal/evidence"
)

// A run that mints fewer secrets, or keeps fewer of their digests in databases, is none of all tests, or is not
// observed.
const (
	leastSecrets = 5000
	leastDigests = 1000
)

// report is what a search came to.
type report struct {
	secrets int
	digests int // of secrets, that stand in databases as they should
	kinds   map[evidence.Kind]amount
	leftOut []string
	hits    []hit
	took    time.Duration
}

type amount struct {
	files int
	bytes int64
}

// hit is a place where a secret, or half of one, stands.
type hit struct {
	file   string
	offset int64
}

type file struct {
	kind evidence.Kind
	path string
}

// search looks through all evidence in a directory.
func search(directory string) (*report, error) {
	began := time.Now()
	n, err := readNeedles(directory)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, kind := range evidence.Searched {
		entries, err := os.ReadDir(filepath.Join(directory, string(kind)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, entry := range entries {
			files = append(files, file{kind, filepath.Join(directory, string(kind), entry.Name())})
		}
	}
	r := &report{secrets: n.secrets, kinds: map[evidence.Kind]amount{}}
	digests := map[number]bool{}
	var problems []error
	var mu sync.Mutex
	var workers sync.WaitGroup
	next := make(chan file)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for f := range next {
				err := func() error {
					content, err := os.Open(f.path)
					if err != nil {
						return err
					}
					defer content.Close()
					size, err := n.find(content, func(offset int64, secret number) {
						mu.Lock()
						defer mu.Unlock()
						if secret >= 0 {
							r.hits = append(r.hits, hit{f.path, offset})
						} else if f.kind == evidence.Databases {
							digests[secret] = true
						}
					})
					mu.Lock()
					defer mu.Unlock()
					sum := r.kinds[f.kind]
					r.kinds[f.kind] = amount{sum.files + 1, sum.bytes + size}
					return err
				}()
				if err != nil {
					mu.Lock()
					problems = append(problems, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, f := range files {
		next <- f
	}
	close(next)
	workers.Wait()
	slices.SortFunc(r.hits, func(a, b hit) int {
		return strings.Compare(fmt.Sprintf("%s %20d", a.file, a.offset), fmt.Sprintf("%s %20d", b.file, b.offset))
	})
	r.digests = len(digests)
	if r.leftOut, err = leftOut(directory); err != nil {
		problems = append(problems, err)
	}
	r.took = time.Since(began)
	return r, errors.Join(problems...)
}

func leftOut(directory string) (lines []string, err error) {
	files, err := filepath.Glob(filepath.Join(directory, string(evidence.LeftOut), "*"))
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		lines = append(lines, strings.Split(strings.TrimSpace(string(content)), "\n")...)
	}
	return lines, err
}

// String is the figures.
func (r *report) String() string {
	var text strings.Builder
	var all amount
	for _, kind := range evidence.Searched {
		sum := r.kinds[kind]
		all = amount{all.files + sum.files, all.bytes + sum.bytes}
		fmt.Fprintf(&text, "  %-9s %5d files %8.1f MB\n", kind, sum.files, float64(sum.bytes)/1e6)
	}
	for _, line := range r.leftOut {
		fmt.Fprintf(&text, "  left out: %s\n", line)
	}
	return fmt.Sprintf("%d secrets searched for in %d files, %.1f MB, in %.1f s: found in %d places; the digests of %d stand in databases\n%s",
		r.secrets, all.files, float64(all.bytes)/1e6, r.took.Seconds(), len(r.hits), r.digests, text.String())
}

const mostShown = 20

// verdict is nil when enough was searched and nothing found. It never holds a secret.
func (r *report) verdict() error {
	var problems []error
	if r.secrets < leastSecrets {
		problems = append(problems, fmt.Errorf("%d secrets are too few for a run of all tests", r.secrets))
	}
	if r.digests < leastDigests {
		problems = append(problems, fmt.Errorf("%d digests in databases are too few for a run of all tests", r.digests))
	}
	for _, kind := range evidence.Searched {
		if r.kinds[kind].bytes == 0 {
			problems = append(problems, fmt.Errorf("no %s were kept", kind))
		}
	}
	for i, h := range r.hits {
		if i == mostShown {
			problems = append(problems, fmt.Errorf("and %d more", len(r.hits)-i))
			break
		}
		problems = append(problems, fmt.Errorf("a secret stands in %s at byte %d", h.file, h.offset))
	}
	return errors.Join(problems...)
}

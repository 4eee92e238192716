package keys_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/store/storetest"
)

// swallowing is a way to a PostgreSQL server on which a connection that is sent a text is not heard of any more.
func swallowing(t *testing.T, database, text string) string {
	t.Helper()
	at, err := url.Parse(database)
	must(t, err)
	server := at.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var mu sync.Mutex
	open := []io.Closer{listener}
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.Close()
		}
	})
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", server)
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, client, upstream)
			mu.Unlock()
			swallowed := make(chan struct{})
			go io.Copy(client, until(swallowed, upstream))
			go func() {
				for b := make([]byte, 1<<16); ; {
					n, err := client.Read(b)
					if err != nil {
						upstream.Close()
						return
					}
					if bytes.Contains(b[:n], []byte(text)) {
						close(swallowed)
						return
					}
					if _, err := upstream.Write(b[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	at.Host = listener.Addr().String()
	return at.String()
}

// until reads from a connection that nothing is heard of once stop is closed.
func until(stop chan struct{}, r io.Reader) io.Reader { return reader{stop, r} }

type reader struct {
	stop chan struct{}
	io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	select {
	case <-r.stop:
		select {}
	default:
		return n, err
	}
}

// A use that cannot be written, because nothing is heard of the connection, does not keep its request waiting.
func TestAUseIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	database := storetest.Migrated(t, dialect.Postgres)
	w := newWorld(t, storetest.Connect(t, database))
	_, text := w.issue(w.as(w.admin), keys.CreateInput{})
	away := w.replicas(t, swallowing(t, database, "WITH used"), 2)[1]
	began := time.Now()
	if _, err := away.Authenticate(t.Context(), text, keys.Use{}); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < time.Second || took > 8*time.Second {
		t.Errorf("took %v", took)
	}
}

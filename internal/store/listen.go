package store

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/lib/pq"

	"github.com/keytag/keytag/internal/epoch"
)

const (
	// listenPing is the time between questions whether the server is still there.
	listenPing = 5 * time.Second
	// listenPause is the longest time between attempts to connect.
	listenPause = 2 * time.Second
)

// listen has wake called whenever a replica has raised the epoch, as far as that is heard of, until ctx ends.
func listen(ctx context.Context, address string, connect time.Duration, wake func()) {
	dialer := &closing{wire: wire{connect, 3 * listenPing}}
	listener := pq.NewDialListener(dialer, address, 10*time.Millisecond, listenPause, nil)
	// Listen, Ping and Close wait, as long as it takes, for a connection that is being opened.
	go func() {
		if listener.Listen(epoch.Channel) != nil {
			return
		}
		for ctx.Err() == nil {
			_ = listener.Ping() // when it fails, the listener connects anew
			select {
			case <-ctx.Done():
			case <-time.After(listenPing):
			}
		}
	}()
	for {
		select {
		case <-listener.Notify:
			wake()
		case <-ctx.Done():
			dialer.close()
			go listener.Close()
			return
		}
	}
}

// closing is a wire with one connection at a time, which can be closed.
type closing struct {
	wire
	mu   sync.Mutex
	over bool
	conn net.Conn
}

func (c *closing) Dial(network, address string) (net.Conn, error) {
	return c.DialTimeout(network, address, c.connect)
}

func (c *closing) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return c.DialContext(ctx, network, address)
}

func (c *closing) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.wire.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	c.conn = conn
	return conn, nil
}

func (c *closing) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.conn != nil {
		_ = c.conn.Close()
	}
}

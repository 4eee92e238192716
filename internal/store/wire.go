package store

import (
	"context"
	"net"
	"time"

	"github.com/lib/pq"
)

// wire opens connections of which none waits for the server for longer than a while: what crosses a network
// may vanish without a word, and lib/pq waits for an answer even when the context of the question has ended.
type wire struct {
	connect time.Duration // how long opening may take
	answer  time.Duration // how long an answer may be in coming; no limit when 0
}

var _ pq.DialerContext = wire{}

// keptAlive has a connection break when the server's machine is not heard of, also while it is let take as long as it
// likes to answer.
var keptAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3}

func (w wire) Dial(network, address string) (net.Conn, error) {
	return w.DialTimeout(network, address, w.connect)
}

func (w wire) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return w.DialContext(ctx, network, address)
}

func (w wire) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: w.connect, KeepAliveConfig: keptAlive}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil || w.answer == 0 {
		return conn, err
	}
	return impatient{conn, w.answer}, nil
}

// impatient is a connection that breaks when an answer does not come.
type impatient struct {
	net.Conn
	answer time.Duration
}

func (c impatient) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.answer)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c impatient) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.answer)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/webhook"
)

const (
	limit = 500 * time.Millisecond
	// slack is for a machine that is busy with other things.
	slack = 3 * time.Second
	// mostMemory is far above what a delivery takes and far below what these receivers would send.
	mostMemory = 4 << 20
	// mostSent is far above what buffers between the two take, and far below what goes through in
	// the time limit.
	mostSent = 32 << 20
)

// hostile is a receiver that does as it likes with each connection; open is how many have not been
// closed by the other side yet.
func hostile(t *testing.T, act func(net.Conn)) (address string, open *atomic.Int64) {
	t.Helper()
	listener := listen(t)
	open = new(atomic.Int64)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Add(1)
			go func() {
				defer open.Add(-1)
				defer func() { _ = conn.Close() }()
				act(conn)
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	return listener.Addr().String(), open
}

// sentBytes counts what every has written.
var sentBytes atomic.Int64

// every writes the text again and again, until the other side has gone.
func every(pause time.Duration, text string) func(net.Conn) {
	return func(conn net.Conn) {
		bytes := []byte(text)
		for {
			n, err := conn.Write(bytes)
			sentBytes.Add(int64(n))
			if err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

func begin(head string, then func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, head)
		then(conn)
	}
}

// asked waits for the request to begin: an answer before it would be refused as such.
func asked(act func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		act(conn)
	}
}

func silence(net.Conn) {}

func drip(text string) func(net.Conn) {
	return func(conn net.Conn) {
		for i := range len(text) {
			if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func TestHostileReceiversHoldNothing(t *testing.T) {
	block := strings.Repeat("x", 32<<10)
	const ok = "HTTP/1.1 200 OK\r\n"
	timeout, other := "no answer within 500ms", "the connection broke, or the answer is no HTTP"
	for name, r := range map[string]struct {
		act    func(net.Conn)
		status int
		reason string // empty: delivered
	}{
		"never answers":               {silence, 0, timeout},
		"a byte now and then":         {drip(ok + strings.Repeat("A: b\r\n", 100)), 0, timeout},
		"half a status line":          {begin("HTTP/1.1 20", silence), 0, timeout},
		"half the headers":            {begin(ok+"A: b\r\n", silence), 0, timeout},
		"endless headers":             {begin(ok, every(0, strings.Repeat("A: bcdefghijklmnopqrstuvwxyz\r\n", 1000))), 0, other},
		"an endless header":           {begin(ok+"A: ", every(0, block)), 0, other},
		"an endless status line":      {begin("HTTP/1.1 200 ", every(0, block)), 0, other},
		"endless early hints":         {every(0, "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"), 0, other},
		"now and then an early hint":  {every(50*time.Millisecond, "HTTP/1.1 103 Early Hints\r\n\r\n"), 0, timeout},
		"continue, then silence":      {begin("HTTP/1.1 100 Continue\r\n\r\n", silence), 0, timeout},
		"no HTTP":                     {begin("220 mail.example.com ESMTP\r\n", silence), 0, other},
		"an endless body":             {begin(ok+"\r\n", every(0, block)), 200, ""},
		"an endless body, refusing":   {begin("HTTP/1.1 500 No\r\n\r\n", every(0, block)), 500, "the receiver answered 500"},
		"an endless body of a length": {begin(ok+"Content-Length: 9999999999999\r\n\r\n", every(0, block)), 200, ""},
		"a body now and then":         {begin(ok+"\r\n", every(50*time.Millisecond, "x")), 200, ""},
		"half a body":                 {begin(ok+"Content-Length: 10\r\n\r\nx", silence), 200, ""},
		"an endless chunk head":       {begin(ok+"Transfer-Encoding: chunked\r\n\r\n", every(0, block)), 200, ""},
		"endless chunks":              {begin(ok+"Transfer-Encoding: chunked\r\n\r\n", every(0, strings.Repeat("1\r\nx\r\n", 1000))), 200, ""},
		"endless trailers":            {begin(ok+"Transfer-Encoding: chunked\r\n\r\n0\r\n", every(0, strings.Repeat("A: bcdefghijklmnopqrstuvwxyz\r\n", 1000))), 200, ""},
		"another protocol": {
			begin("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", silence),
			101, "the receiver answered 101",
		},
	} {
		t.Run(name, func(t *testing.T) {
			address, open := hostile(t, asked(r.act))
			sentBytes.Store(0)
			result, err := measured(t, "http://"+address+"/", []byte(`{}`))
			if result.StatusCode != r.status {
				t.Errorf("status %d", result.StatusCode)
			}
			if r.reason == "" && err != nil {
				t.Error(err)
			}
			if r.reason != "" {
				if failure := failed(t, err); failure.Reason != r.reason || failure.StatusCode != r.status {
					t.Errorf("%#v", failure)
				}
			}
			gone(t, open)
			if n := sentBytes.Load(); n > mostSent {
				t.Errorf("took %d bytes", n)
			}
		})
	}
	t.Run("an answer before the request", func(t *testing.T) {
		address, open := hostile(t, begin(ok+"\r\n", silence))
		if _, err := measured(t, "http://"+address+"/", []byte(`{}`)); err != nil {
			failed(t, err)
		}
		gone(t, open)
	})
	t.Run("no TLS handshake", func(t *testing.T) {
		address, open := hostile(t, silence)
		_, err := measured(t, "https://"+address+"/", []byte(`{}`))
		if failure := failed(t, err); failure.Reason != timeout {
			t.Errorf("%#v", failure)
		}
		gone(t, open)
	})
	t.Run("the request is not read", func(t *testing.T) {
		stop := make(chan struct{})
		address, _ := hostile(t, func(net.Conn) { <-stop })
		defer close(stop)
		_, err := measured(t, "http://"+address+"/", bytes.Repeat([]byte("x"), 64<<20))
		if failure := failed(t, err); failure.Reason != timeout {
			t.Errorf("%#v", failure)
		}
	})
}

// measured delivers within the time limit and in bounded memory.
func measured(t *testing.T, target string, body []byte) (webhook.Result, error) {
	t.Helper()
	c := webhook.New(true, time.Now)
	c.SetLimit(limit)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	result, err := c.Deliver(context.Background(), target, "evt_1", body, signing)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if took > limit+slack {
		t.Errorf("took %v", took)
	}
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes > mostMemory {
		t.Errorf("allocated %d bytes", bytes)
	}
	return result, err
}

// gone waits until the receiver sees all connections closed.
func gone(t *testing.T, open *atomic.Int64) {
	t.Helper()
	for deadline := time.Now().Add(slack); open.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the connection stays open")
		}
	}
}

func TestSilentNameServer(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	c := webhook.New(true, time.Now)
	c.SetLimit(limit)
	c.SetResolver((&zone{conn: silent}).resolver())
	start := time.Now()
	failure := failed(t, second(deliver(c, "https://"+hooks+"/")))
	if took := time.Since(start); took > limit+slack || failure.Reason != "no answer within 500ms" {
		t.Errorf("%#v after %v", failure, took)
	}
}

// The end of the caller's context is no failure of the receiver.
func TestEndOfTheContext(t *testing.T) {
	address, open := hostile(t, silence)
	c := webhook.New(true, time.Now)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := c.Deliver(ctx, "http://"+address, "evt_1", nil, signing); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Deliver(ctx, "http://"+address, "evt_1", nil, signing); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("past its deadline: %v", err)
	}
	gone(t, open)
}

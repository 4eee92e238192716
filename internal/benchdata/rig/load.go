package rig

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Load asks over several connections at once, without ever sleeping: were its core to sleep whenever it waits,
// waking it would cost the server more than many an answer does. The next request follows an answer after as long
// as a network takes there and back: were it there at once, the server would go on with the same connection, and
// never turn to the others. It is not for concurrent use.
type Load struct {
	// Next is the next request to be sent.
	Next func() []byte
	// Statuses are those that answers may have.
	Statuses []int

	epoll int
	lines []*line
}

// line is a connection with one request under way.
type line struct {
	conn           *net.TCPConn
	fd             int
	sent, answered time.Time
	answer         []byte
	buffer         [64 << 10]byte
}

// NewLoad connects to host:port.
func NewLoad(address string, connections int) (*Load, error) {
	l := &Load{}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	for range connections {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			l.Close()
			return nil, err
		}
		c := &line{conn: conn.(*net.TCPConn)}
		l.lines = append(l.lines, c)
		raw, err := c.conn.SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) { c.fd = int(fd) })
		}
		if err == nil {
			err = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(len(l.lines) - 1)})
		}
		if err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}

// Close closes the connections.
func (l *Load) Close() {
	for _, c := range l.lines {
		_ = c.conn.Close()
	}
	_ = unix.Close(l.epoll)
}

// Run asks until a time is over and every answer is there, and adds to took how long each request took.
func (l *Load) Run(span time.Duration, took []time.Duration) ([]time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// To the scheduler this core is free: a database may run on it, and goes first.
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
		return nil, err
	}
	now := time.Now()
	over := now.Add(span)
	idle := make([]*line, 0, len(l.lines)) // in the order of their answers
	for _, c := range l.lines {
		c.answered = now
		idle = append(idle, c)
	}
	events := make([]unix.EpollEvent, len(l.lines))
	for waiting := 0; waiting > 0 || now.Before(over); now = time.Now() {
		for len(idle) > 0 && now.Before(over) && now.Sub(idle[0].answered) >= roundTrip {
			if err := idle[0].send(l.Next(), now); err != nil {
				return nil, err
			}
			idle = append(idle[:0], idle[1:]...)
			waiting++
		}
		for pause := now.Add(pollEvery); time.Now().Before(pause); {
			// A system call each time would slow the other core down, where both share a processor's parts.
		}
		n, err := unix.EpollWait(l.epoll, events, 0)
		if err != nil && err != unix.EINTR {
			return nil, err
		}
		if now.Sub(over) > longest {
			return nil, fmt.Errorf("no answer within %v", longest)
		}
		for _, e := range events[:max(n, 0)] {
			c := l.lines[e.Fd]
			done, err := c.receive(l.Statuses)
			if err != nil {
				return nil, err
			}
			if done {
				c.answered = time.Now()
				took = append(took, c.answered.Sub(c.sent))
				idle = append(idle, c)
				waiting--
			}
		}
	}
	return took, nil
}

const (
	roundTrip = 100 * time.Microsecond
	pollEvery = 5 * time.Microsecond
)

func (c *line) send(request []byte, now time.Time) error {
	c.sent = now
	n, err := unix.Write(c.fd, request)
	if err == nil && n < len(request) {
		err = fmt.Errorf("%d bytes of a request of %d were taken", n, len(request))
	}
	return err
}

var (
	headEnd       = []byte("\r\n\r\n")
	contentLength = []byte("Content-Length: ")
)

// receive reads what has come, and reports that the answer is complete.
func (c *line) receive(statuses []int) (done bool, err error) {
	n, err := unix.Read(c.fd, c.buffer[:])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return false, nil
	case err != nil:
		return false, err
	case n == 0:
		return false, fmt.Errorf("the server closed a connection")
	}
	answer := c.buffer[:n]
	if len(c.answer) > 0 {
		c.answer = append(c.answer, answer...)
		answer = c.answer
	}
	head := bytes.Index(answer, headEnd)
	at := bytes.Index(answer, contentLength)
	if head >= 0 && at >= 0 && at < head {
		end := at + bytes.IndexByte(answer[at:], '\r')
		length, err := strconv.Atoi(string(answer[at+len(contentLength) : end]))
		if err != nil {
			return false, err
		}
		if done = len(answer) == head+len(headEnd)+length; done {
			if got, _ := strconv.Atoi(string(answer[9:12])); !slices.Contains(statuses, got) {
				return false, fmt.Errorf("%s", answer)
			}
			c.answer = c.answer[:0]
			return true, nil
		}
	} else if head >= 0 {
		return false, fmt.Errorf("an answer without a length: %s", answer)
	}
	if len(c.answer) == 0 {
		c.answer = append(c.answer, answer...)
	}
	return false, nil
}

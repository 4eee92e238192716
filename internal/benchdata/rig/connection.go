package rig

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// Connection is one of HTTP/1.1 that is kept alive. It does as little as it can, since its core also serves
// the others. It is not for concurrent use.
type Connection struct {
	conn   net.Conn
	reader *bufio.Reader
	body   []byte
}

// Dial connects to host:port.
func Dial(ctx context.Context, address string) (*Connection, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &Connection{conn: conn, reader: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// Close closes the connection.
func (c *Connection) Close() { _ = c.conn.Close() }

// Post is a request as it goes over the wire.
func Post(path, key, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, key, len(body), body)
}

// GraphQL is the request of a document with variables, none if nil.
func GraphQL(key, document string, variables map[string]any) []byte {
	return Post("/graphql", key, string(Body(document, variables)))
}

// Body is that of the request of a document.
func Body(document string, variables map[string]any) []byte {
	asked := map[string]any{"query": document}
	if variables != nil {
		asked["variables"] = variables
	}
	body, err := json.Marshal(asked)
	if err != nil {
		panic(err) // a variable is no JSON
	}
	return body
}

// Wait sets for how long answers are waited for from now on.
func (c *Connection) Wait(d time.Duration) error { return c.conn.SetDeadline(time.Now().Add(d)) }

// Exchange sends a request and answers the status and the body, which is good until the next.
func (c *Connection) Exchange(request []byte) (status int, body []byte, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, nil, fmt.Errorf("not HTTP: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, fmt.Errorf("not HTTP: %q", line)
	}
	length, chunked := 0, false
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		if len(line) <= 2 {
			break
		}
		switch name, value, _ := bytes.Cut(line, []byte(": ")); string(name) {
		case "Content-Length":
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, nil, err
			}
		case "Transfer-Encoding":
			chunked = true
		}
	}
	c.body = c.body[:0]
	for {
		if chunked {
			if length, err = c.chunk(); err != nil {
				return 0, nil, err
			}
		}
		from := len(c.body)
		c.body = append(c.body, make([]byte, length)...)
		if _, err := io.ReadFull(c.reader, c.body[from:]); err != nil {
			return 0, nil, err
		}
		if !chunked {
			return status, c.body, nil
		}
		if _, err := c.reader.Discard(2); err != nil {
			return 0, nil, err
		}
		if length == 0 {
			return status, c.body, nil
		}
	}
}

// chunk is the size of the next one, 0 for the last.
func (c *Connection) chunk() (int, error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
	return int(size), err
}

const longest = 2 * time.Minute // for which an answer is waited

// Ask sends a request and returns the body of the answer, which is good until the next. Another status than
// 200 is an error.
func (c *Connection) Ask(request []byte) ([]byte, error) {
	if err := c.Wait(longest); err != nil {
		return nil, err
	}
	status, body, err := c.Exchange(request)
	if err == nil && status != 200 {
		err = fmt.Errorf("%d: %s", status, body)
	}
	return body, err
}

// Data is Ask of GraphQL: anything but an answer without errors is an error.
func (c *Connection) Data(request []byte) ([]byte, error) {
	body, err := c.Ask(request)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(body, []byte(`{"data":{`)) {
		return nil, errors.New(string(body))
	}
	return body, nil
}

// Times sends a request again and again, first without looking at the time.
func (c *Connection) Times(request []byte, warmUp, n int) ([]time.Duration, error) {
	took := make([]time.Duration, 0, n)
	for i := range warmUp + n {
		began := time.Now()
		if _, err := c.Data(request); err != nil {
			return nil, err
		}
		if i >= warmUp {
			took = append(took, time.Since(began))
		}
	}
	return took, nil
}

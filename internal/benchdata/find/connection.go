package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// connection is one that is kept alive. It does as little as it can, since its core also serves the
// others.
type connection struct {
	conn   net.Conn
	reader *bufio.Reader
	body   bytes.Buffer
}

func dial(ctx context.Context, address string) (*connection, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &connection{conn: conn, reader: bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (c *connection) close() { c.conn.Close() }

// post is a request as it goes over the wire.
func post(path, key, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, key, len(body), body)
}

const longest = 2 * time.Minute // for which an answer is waited

// ask sends a request and returns the body of the answer, which is good until the next.
func (c *connection) ask(request []byte) ([]byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(longest)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	c.body.Reset()
	if _, err := io.Copy(&c.body, response.Body); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", response.Status, c.body.Bytes())
	}
	return c.body.Bytes(), nil
}

// data is ask of GraphQL: anything but an answer without errors is an error.
func (c *connection) data(request []byte) ([]byte, error) {
	body, err := c.ask(request)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(body, []byte(`{"data":{`)) {
		return nil, errors.New(string(body))
	}
	return body, nil
}

func graphQL(key, document string, variables map[string]any) ([]byte, error) {
	var body strings.Builder
	if err := json.NewEncoder(&body).Encode(map[string]any{"query": document, "variables": variables}); err != nil {
		return nil, err
	}
	return post("/graphql", key, body.String()), nil
}

// times sends a request again and again, first without looking at the time.
func (c *connection) times(request []byte, warmUp, n int) ([]time.Duration, error) {
	took := make([]time.Duration, 0, n)
	for i := range warmUp + n {
		began := time.Now()
		if _, err := c.data(request); err != nil {
			return nil, err
		}
		if i >= warmUp {
			took = append(took, time.Since(began))
		}
	}
	return took, nil
}

// throughput is how many requests a second are answered over all connections, of n after the warm-up.
func throughput(connections []*connection, request []byte, warmUp, n int) (float64, error) {
	began := time.Now()
	for _, count := range []int{warmUp, n} {
		began = time.Now()
		failed := make(chan error, len(connections))
		for i, c := range connections {
			go func() {
				_, err := c.times(request, 0, count*(i+1)/len(connections)-count*i/len(connections))
				failed <- err
			}()
		}
		var failures []error
		for range connections {
			failures = append(failures, <-failed)
		}
		if err := errors.Join(failures...); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

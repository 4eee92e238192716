// Package client asks a keytag server over GraphQL (https://graphql.github.io/graphql-over-http/draft/).
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Client asks one server as the holder of one key.
type Client struct {
	// URL is that of the server, without the path of its endpoint.
	URL string
	// Token is the key to present; empty: none.
	Token string
	// Probe has it that what is asked does not count as a use of the key. The server takes it for queries of
	// viewer, viewerKey and serverInfo.
	Probe bool
}

const (
	timeout  = 30 * time.Second
	maxReply = 16 << 20
)

// ErrNoToken is the error when the server asks who calls, and Token is empty.
var ErrNoToken = errors.New("no key: set KEYTAG_TOKEN, or KEYTAG_TOKEN_FILE to a file that holds it")

// Unreachable is that no answer of a keytag server came: what was asked may have been done.
type Unreachable struct{ Cause error }

func (e *Unreachable) Error() string { return "the server does not answer: " + e.Cause.Error() }
func (e *Unreachable) Unwrap() error { return e.Cause }

// Refusal is what the server says against a request, in `errors` or in `userErrors`.
type Refusal struct {
	Code    string   `json:"code"` // dotted
	Message string   `json:"message"`
	Fields  []string `json:"fields"` // of the input, dotted
}

func (e *Refusal) Error() string {
	if len(e.Fields) == 0 {
		return e.Message + " (" + e.Code + ")"
	}
	return e.Message + " (" + e.Code + ": " + strings.Join(e.Fields, ", ") + ")"
}

// Ask sends a document and reads the member `data` of the answer into data. Errors: ErrNoToken, *Unreachable, *Refusal.
func (c *Client) Ask(ctx context.Context, document string, variables any, data any) error {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/graphql-response+json, application/json")
	request.Header.Set("User-Agent", "keytag")
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if c.Probe {
		request.Header.Set("Keytag-Probe", "1")
	}
	response, err := httpClient.Do(request)
	if err != nil {
		return &Unreachable{err}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err != nil {
		return &Unreachable{err}
	}
	return c.read(response.StatusCode, text, data)
}

// httpClient follows no redirect: a key goes to the server that it is meant for, and to no other.
var httpClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (c *Client) read(status int, text []byte, data any) error {
	var answer struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct {
				Code   string
				Fields []string
			}
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Data == nil && answer.Errors == nil {
		return &Unreachable{fmt.Errorf("%d %s, and no GraphQL", status, http.StatusText(status))}
	}
	if len(answer.Errors) > 0 {
		first := answer.Errors[0]
		refusal := &Refusal{first.Extensions.Code, first.Message, first.Extensions.Fields}
		switch {
		case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
			return &Unreachable{refusal}
		case refusal.Code == "auth.unauthenticated" && c.Token == "":
			return ErrNoToken
		}
		return refusal
	}
	if json.Unmarshal(answer.Data, data) != nil {
		return other()
	}
	return nil
}

// other is the error for an answer that is none to what was asked.
func other() error { return &Unreachable{errors.New("an answer to something else")} }

package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

type answering func(*http.Request) (int, string)

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	status, text := a(r)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}, nil
}

// Whatever answers, a call without an error has what it promises, and ends.
func FuzzAnswers(f *testing.F) {
	for _, text := range []string{
		``, `null`, `{}`, `{"data":null}`, `{"data":{}}`, `{"errors":[]}`, `{"errors":[{}]}`, `{"errors":[null],"data":{}}`,
		`{"data":{"viewerKey":{"id":"k"},"apiKey":null}}`,
		`{"data":{"apiKeys":{"nodes":[{"id":"k"}],"pageInfo":{"hasNextPage":true,"endCursor":"c"}}}}`,
		`{"data":{"apiKeys":{"nodes":[null],"pageInfo":{"hasNextPage":true}}}}`,
		`{"data":{"createApiKey":{"apiKey":null,"secret":null,"userErrors":[null]},"rotated":{"newKey":{"id":"k"},"secret":"s","userErrors":[]}}}`,
		`{"data":{"revoked":{"apiKey":null,"userErrors":[{"code":"not_found"}]},"verifyApiKey":{"valid":true}}}`,
	} {
		for _, status := range []int{200, 401, 503} {
			f.Add(status, text)
		}
	}
	f.Fuzz(func(t *testing.T, status int, text string) {
		asked := 0
		httpClient.Transport = answering(func(*http.Request) (int, string) { asked++; return status, text })
		ctx, c := context.Background(), &Client{URL: "http://keytag", Token: "ktg_x"}
		if key, err := c.ViewerKey(ctx); err == nil && key.ID == "" {
			t.Error("the viewer's key is none")
		}
		if key, err := c.Key(ctx, "k"); err == nil && key != nil && key.ID == "" {
			t.Error("a key is none")
		}
		for _, issue := range []func(context.Context, map[string]any) (*Issued, error){c.Create, c.Rotate, c.RotateSelf} {
			if made, err := issue(ctx, nil); err == nil && made.Key.ID == "" {
				t.Error("an issued key is none")
			}
		}
		for _, revoke := range []func(context.Context, map[string]any) (*Key, error){c.Revoke, c.RevokeSelf} {
			if key, err := revoke(ctx, nil); err == nil && key.ID == "" {
				t.Error("a revoked key is none")
			}
		}
		if verdict, err := c.Verify(ctx, nil); err == nil && (verdict.Code == "" || verdict.Valid != (verdict.Code == "VALID")) {
			t.Errorf("%+v is no verdict", verdict)
		}
		before := asked
		err := c.Keys(ctx, nil, nil, 0, func(key *Key) error {
			if key.ID == "" {
				t.Error("a listed key is none")
			}
			return nil
		})
		if asked-before > 2 {
			t.Errorf("one page is asked for %d times, %v", asked-before, err)
		}
	})
}

func TestWhatAnAnswerMeans(t *testing.T) {
	for _, c := range []struct {
		status      int
		text        string
		unreachable bool
		code        string
	}{
		{200, `<html>`, true, ""},
		{502, `bad gateway`, true, ""},
		{200, `{"errors":[{"message":"m","extensions":{"code":"auth.forbidden"}}]}`, false, "auth.forbidden"},
		{401, `{"errors":[{"message":"m","extensions":{"code":"api_keys.revoked"}}]}`, false, "api_keys.revoked"},
		{503, `{"errors":[{"message":"m","extensions":{"code":"auth.unavailable"}}]}`, true, "auth.unavailable"},
		{429, `{"errors":[{"message":"m","extensions":{"code":"limits.rate"}}]}`, true, "limits.rate"},
		{200, `{"data":{"viewerKey":{"id":""}}}`, true, ""},
	} {
		httpClient.Transport = answering(func(*http.Request) (int, string) { return c.status, c.text })
		_, err := (&Client{URL: "http://keytag", Token: "ktg_x"}).ViewerKey(t.Context())
		var refusal *Refusal
		code := ""
		if errors.As(err, &refusal) {
			code = refusal.Code
		}
		if errors.As(err, new(*Unreachable)) != c.unreachable || code != c.code {
			t.Errorf("%d %s: %v", c.status, c.text, err)
		}
	}
}

// A key goes to the server it is meant for, and not where that leads.
func TestNoRedirectIsFollowed(t *testing.T) {
	var hosts []string
	httpClient.Transport = answering(func(r *http.Request) (int, string) { hosts = append(hosts, r.Host); return http.StatusFound, `` })
	if _, err := (&Client{URL: "http://keytag", Token: "ktg_x"}).ViewerKey(t.Context()); !errors.As(err, new(*Unreachable)) || len(hosts) != 1 {
		t.Errorf("%v, asked %v", err, hosts)
	}
}

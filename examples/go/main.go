// Command go is a typed client of keytag: it asks who it is, creates a key, rotates it, lists keys by
// scope and revokes what it made.
//
//	KEYTAG_URL=http://localhost:8080 KEYTAG_TOKEN=ktg_… go run .
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/Khan/genqlient/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

//go:generate go tool genqlient

const scope = "deploy:write"

// bearer authenticates every request with an API key.
type bearer string

func (key bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(key))
	return http.DefaultTransport.RoundTrip(r)
}

// client talks to the server at a base URL as the holder of key.
func client(url, key string) graphql.Client {
	return graphql.NewClient(url+"/graphql", &http.Client{Transport: bearer(key), Timeout: 30 * time.Second})
}

func main() {
	if err := run(context.Background(), os.Getenv("KEYTAG_URL"), os.Getenv("KEYTAG_TOKEN")); err != nil {
		fmt.Fprintln(os.Stderr, explain(err))
		os.Exit(1)
	}
}

func run(ctx context.Context, url, token string) error {
	keytag := client(url, token)
	me, err := WhoAmI(ctx, keytag)
	if err != nil {
		return err
	}
	if me.ViewerKey == nil {
		return errors.New("KEYTAG_TOKEN is empty")
	}
	fmt.Printf("I am %s, until %s (%s)\n", me.ViewerKey.Status, me.ViewerKey.EffectiveExpiresAt.Format(time.RFC3339), *me.ViewerKey.EndsBecause)

	// A call that is repeated with its idempotencyKey, because a reply was lost, makes no second key.
	name := "example " + rand.Text()
	created, err := create(ctx, keytag, me.ViewerKey.Project.Id, name)
	if err != nil {
		return err
	}
	rotated, err := rotate(ctx, keytag, created.ApiKey.Id)
	if err != nil {
		return err
	}
	for _, secret := range []*string{created.Secret, rotated.Secret} {
		own, err := WhoAmI(ctx, client(url, *secret))
		if err != nil {
			return err
		}
		fmt.Printf("the key I made is %s (%s)\n", own.ViewerKey.Status, *own.ViewerKey.EndsBecause)
	}

	err = eachKey(ctx, keytag, scope, func(key *KeysByScopeApiKeysApiKeyConnectionNodesApiKey) {
		if key.Name == name {
			fmt.Printf("found, %s: %s\n", key.Status, strings.Join(key.Scopes, " "))
		}
	})
	if err != nil {
		return err
	}
	for _, id := range []string{created.ApiKey.Id, rotated.NewKey.Id} {
		if err := revoke(ctx, keytag, id); err != nil {
			return err
		}
	}
	return nil
}

func create(ctx context.Context, keytag graphql.Client, projectID, name string) (*CreateKeyCreateApiKeyCreateApiKeyPayload, error) {
	reply, err := CreateKey(ctx, keytag, &CreateApiKeyInput{
		IdempotencyKey: new(rand.Text()), ProjectId: projectID, Name: &name, Scopes: []string{scope}, ExpiresIn: new("P1D"),
	})
	if err != nil {
		return nil, err
	}
	return reply.CreateApiKey, refused(reply.CreateApiKey.UserErrors)
}

func rotate(ctx context.Context, keytag graphql.Client, id string) (*RotateKeyRotateApiKeyRotateApiKeyPayload, error) {
	reply, err := RotateKey(ctx, keytag, &RotateApiKeyInput{IdempotencyKey: new(rand.Text()), Id: id, GracePeriod: new("PT1H")})
	if err != nil {
		return nil, err
	}
	return reply.RotateApiKey, refused(reply.RotateApiKey.UserErrors)
}

func revoke(ctx context.Context, keytag graphql.Client, id string) error {
	reply, err := RevokeKey(ctx, keytag, &RevokeApiKeyInput{Id: id, Reason: new(RevocationReasonCessationOfOperation)})
	if err != nil {
		return err
	}
	if err := refused(reply.RevokeApiKey.UserErrors); err != nil {
		return err
	}
	fmt.Printf("revoked: %s\n", reply.RevokeApiKey.ApiKey.Status)
	return nil
}

// eachKey visits the live keys that the scope would be granted to, oldest first, over all pages.
func eachKey(ctx context.Context, keytag graphql.Client, scope string, visit func(*KeysByScopeApiKeysApiKeyConnectionNodesApiKey)) error {
	for after := (*string)(nil); ; {
		page, err := KeysByScope(ctx, keytag, []string{scope}, after)
		if err != nil {
			return err
		}
		for _, key := range page.ApiKeys.Nodes {
			visit(key)
		}
		if !page.ApiKeys.PageInfo.HasNextPage {
			return nil
		}
		after = page.ApiKeys.PageInfo.EndCursor
	}
}

// refused is what a caller can correct, nil when there is nothing.
func refused(userErrors []Refusal) error {
	var all []error
	for _, e := range userErrors {
		all = append(all, fmt.Errorf("%s: %s", e.GetCode(), e.GetMessage()))
	}
	return errors.Join(all...)
}

// explain puts the code and the HTTP status of a request that was refused as a whole before its message.
func explain(err error) string {
	var refusal *graphql.HTTPError
	var list gqlerror.List
	switch {
	case errors.As(err, &refusal) && len(refusal.Response.Errors) > 0:
		first := refusal.Response.Errors[0]
		return fmt.Sprintf("%v (HTTP %d): %s", first.Extensions["code"], refusal.StatusCode, first.Message)
	case errors.As(err, &list):
		return fmt.Sprintf("%v: %s", list[0].Extensions["code"], list[0].Message)
	}
	return err.Error()
}

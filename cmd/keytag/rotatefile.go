package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/keytag/keytag/internal/client"
	"github.com/keytag/keytag/internal/secret"
)

// rotateFile gives the presented key a successor, and puts that into the file in its place. At each moment the file
// holds a key that works: the new one takes its place when it is on disk and the server has answered to it, and the old
// one works on until its grace is over. A rotation that was interrupted, or whose reply was lost, is gone on with by
// the next call.
func (p *program) rotateFile(ctx context.Context, o *output, server *client.Client, input map[string]any, path string) error {
	old, err := secret.Parse(server.Token)
	if err != nil {
		if server.Token == "" {
			return client.ErrNoToken
		}
		return errExit{errors.New("KEYTAG_TOKEN is no key"), exitNotAuthenticated}
	}
	file, err := openKeyFile(path, old)
	if err != nil {
		return err
	}
	defer file.close()
	if next := file.next(); !next.IsZero() {
		key, err := present(ctx, server, next)
		switch code := refusedWith(err); {
		case err == nil:
			return p.finishRotation(o, file, key)
		case code == "api_keys.invalid":
			// What was written is not the key's secret, or is no more: a call under the same idempotency key tells another.
		case exitOf(code) == exitKeyDead: // somebody ended it, which makes room for another
			if err := file.forget(); err != nil {
				return err
			}
		default:
			return err
		}
	}
	if file.state == nil {
		input["idempotencyKey"] = rand.Text()
		if err := file.begin(&rotationState{old.Prefix(), input}); err != nil {
			return err
		}
	}
	made, err := insist(ctx, func() (*client.Issued, error) { return server.RotateSelf(ctx, file.state.Input) })
	if refusedWith(err) != "" {
		return errors.Join(err, file.forget()) // to ask again would not help
	}
	if err != nil {
		return err
	}
	if made.Secret == "" {
		return errors.Join(errExit{fmt.Errorf("the key has a successor, %s, whose secret has been used since and is told no more", made.Key.ID), exitConflict}, file.forget())
	}
	next, err := secret.Parse(made.Secret)
	if err != nil {
		return err
	}
	if err := file.setNext(next); err != nil {
		return err
	}
	key, err := present(ctx, server, next)
	if err != nil {
		return fmt.Errorf("the new key is not in use yet, and the file is as it was: %w", err)
	}
	return p.finishRotation(o, file, key)
}

// refusedWith is the code with which the server refused what it therefore has not done; empty if err leaves that open.
func refusedWith(err error) string {
	var refusal *client.Refusal
	if errors.As(err, new(*client.Unreachable)) || !errors.As(err, &refusal) || refusal.Code == "internal" {
		return ""
	}
	return refusal.Code
}

// present has the server answer to a key.
func present(ctx context.Context, server *client.Client, key secret.Secret) (*client.Key, error) {
	return (&client.Client{URL: server.URL, Token: key.Reveal(), Probe: true}).ViewerKey(ctx)
}

func (p *program) finishRotation(o *output, file *keyFile, key *client.Key) error {
	if err := file.replace(); err != nil {
		return err
	}
	if err := file.forget(); err != nil {
		return err
	}
	fmt.Fprintln(p.stderr, "the new key is in", file.path)
	return p.show(o, key, keyTable(key), key.ID)
}

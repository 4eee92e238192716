package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/keytag/keytag/internal/client"
	"github.com/keytag/keytag/internal/secret"
)

// firstLine is a key on standard input.
func (p *program) firstLine() (string, error) {
	line, err := bufio.NewReader(io.LimitReader(p.stdin, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", errUsage{errors.New("standard input: must hold the key on its first line")}
	}
	return line, nil
}

func (p *program) createKeyCommand() *cobra.Command {
	var o *output
	var scopes, ips []string
	var file, call string
	var c *cobra.Command
	c = p.asking("create", "Make a key, and print its secret, or write it to a file", noArgs, func(ctx context.Context, server *client.Client, _ []string) error {
		if err := errors.Join(o.check(), named(c, file)); err != nil {
			return err
		}
		input := given(c.Flags(), map[string]string{
			"project": "projectId", "environment": "environmentId", "owner": "ownerId", "name": "name", "description": "description",
			"expires-in": "expiresIn", "expires-at": "expiresAt",
		})
		input["scopes"], input["allowedIps"] = append([]string{}, scopes...), append([]string{}, ips...)
		if input["projectId"] == nil {
			me, err := (&client.Client{URL: server.URL, Token: server.Token, Probe: true}).ViewerKey(ctx)
			if err != nil {
				return err
			}
			input["projectId"] = me.Project.ID
		}
		return p.issue(ctx, o, file, call, func(idempotencyKey string) (*client.Issued, error) {
			input["idempotencyKey"] = idempotencyKey
			return server.Create(ctx, input)
		})
	})
	o = outputFlag(c, "table", "json", "yaml")
	f := c.Flags()
	f.String("project", "", "its project, by id; that of the calling key if not given")
	f.String("environment", "", "the environment it is bound to, by id")
	f.String("owner", "", "its owner, by id; the caller if not given")
	f.String("name", "", "its name")
	f.String("description", "", "its description, which no other key of the owner has")
	f.StringArrayVar(&scopes, "scope", nil, "what it may do; repeated: all of it")
	f.StringArrayVar(&ips, "allowed-ip", nil, "a CIDR block it may be used from; repeated: any of them")
	f.String("expires-in", "", "its lifetime, such as P90D")
	f.String("expires-at", "", "its end, as in RFC 3339")
	f.StringVar(&file, "write-to", "", "write the secret to this new file, of mode 0600, instead of printing it")
	f.StringVar(&call, "idempotency-key", "", idempotencyHelp)
	return c
}

// named refuses --write-to with an empty name, as an unset variable makes it: the secret would be printed.
func named(c *cobra.Command, file string) error {
	if file == "" && c.Flags().Changed("write-to") {
		return errUsage{errors.New("--write-to: must name a file")}
	}
	return nil
}

func (p *program) rotateKeyCommand() *cobra.Command {
	var o *output
	var self bool
	var scopes []string
	var file, call string
	var c *cobra.Command
	c = p.asking("rotate ID | --self", "Give a key a successor, and print its secret, or write it to a file", cobra.ArbitraryArgs, func(ctx context.Context, server *client.Client, args []string) error {
		if err := errors.Join(o.check(), selfOrID(self, args), named(c, file)); err != nil {
			return err
		}
		input := given(c.Flags(), map[string]string{"grace": "gracePeriod", "expires-in": "expiresIn"})
		if self {
			if len(scopes) > 0 {
				return errUsage{errors.New("--scope: goes with an id, and not with --self")}
			}
			if file != "" {
				return p.rotateFile(ctx, o, server, input, file)
			}
			return p.issue(ctx, o, "", call, func(idempotencyKey string) (*client.Issued, error) {
				input["idempotencyKey"] = idempotencyKey
				return server.RotateSelf(ctx, input)
			})
		}
		input["id"] = args[0]
		if len(scopes) > 0 {
			input["scopes"] = scopes
		}
		return p.issue(ctx, o, file, call, func(idempotencyKey string) (*client.Issued, error) {
			input["idempotencyKey"] = idempotencyKey
			return server.Rotate(ctx, input)
		})
	})
	o = outputFlag(c, "table", "json", "yaml")
	f := c.Flags()
	f.BoolVar(&self, "self", false, "the key that is presented")
	f.String("grace", "", "how long the old key still works, such as PT1H")
	f.String("expires-in", "", "the lifetime of the new key, such as P90D")
	f.StringArrayVar(&scopes, "scope", nil, "what the new key may do, of what the old one may; repeated: all of it")
	f.StringVar(&file, "write-to", "", "write the secret to this file, of mode 0600, instead of printing it; with --self it takes the place of what the file holds")
	f.StringVar(&call, "idempotency-key", "", idempotencyHelp+"; a file that is rotated keeps its own beside it")
	return c
}

const idempotencyHelp = "a name for this call, of 16 to 200 characters: made again under it, it answers the same key and makes no second; a new one if not given"

// retries are the pauses before a call is made again whose reply did not come.
var retries = []time.Duration{time.Second, 3 * time.Second}

// insist makes a call again when no reply came. Under one idempotency key that makes no second key.
func insist(ctx context.Context, call func() (*client.Issued, error)) (made *client.Issued, err error) {
	for i := 0; ; i++ {
		made, err = call()
		if !errors.As(err, new(*client.Unreachable)) || i == len(retries) {
			return made, err
		}
		select {
		case <-time.After(retries[i]):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// issue has a key made and shows it with its secret, which goes to a new file if one is named. The file is there
// before the key is.
//
// Should no reply come at all, the error has the idempotency key under which the same call makes no second key.
func (p *program) issue(ctx context.Context, o *output, file, idempotencyKey string, call func(idempotencyKey string) (*client.Issued, error)) (err error) {
	var to *newFile
	if file != "" {
		if to, err = createFile(file); err != nil {
			return err
		}
		defer to.giveUp()
	}
	if idempotencyKey == "" {
		idempotencyKey = rand.Text()
	}
	made, err := insist(ctx, func() (*client.Issued, error) { return call(idempotencyKey) })
	if errors.As(err, new(*client.Unreachable)) {
		return fmt.Errorf("%w; whether the key was made is not known: run it again with --idempotency-key %s, and there is no second", err, idempotencyKey)
	}
	if err != nil {
		return err
	}
	if made.Secret == "" {
		return errExit{errors.New("the key was made by an earlier call, and its secret has been used since"), exitConflict}
	}
	if to != nil {
		key, err := secret.Parse(made.Secret)
		if err != nil {
			return err
		}
		if err := to.keep(key); err != nil {
			return err
		}
		fmt.Fprintln(p.stderr, "the secret is in", file)
		return p.show(o, made.Key, keyTable(made.Key), made.Key.ID)
	}
	return p.show(o, map[string]any{"apiKey": made.Key, "secret": made.Secret}, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, made.Secret)
		fmt.Fprintf(p.stderr, "%s, %s, until %s; the secret is shown this once\n", made.Key.ID, made.Key.Name, instant(made.Key.EffectiveExpiresAt))
	})
}

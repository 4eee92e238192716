package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/secret"
)

func (p *program) initCommand() *cobra.Command {
	return p.configured("init", "Make the first organization and administrator, and print the key once", func(ctx context.Context) error {
		d, closeStore, err := p.directory(ctx)
		if err != nil {
			return err
		}
		defer closeStore()
		key, err := p.bootstrap(ctx, d)
		if err != nil {
			return err
		}
		if file := p.config.BootstrapKeyFile; file != "" {
			fmt.Fprintln(p.stderr, "The first administrator's key is in", file)
			return nil
		}
		fmt.Fprintln(p.stderr, "The first administrator's key, shown this once:")
		fmt.Fprintln(p.stdout, key.Reveal())
		return nil
	})
}

// bootstrap initialises the server. If a file is configured the key is in it, safely on disk,
// before anything is committed.
func (p *program) bootstrap(ctx context.Context, d *directory.Directory) (secret.Secret, error) {
	var key secret.Secret
	var written string
	err := d.Bootstrap(ctx, func(minted secret.Secret) error {
		key = minted
		if p.config.BootstrapKeyFile == "" {
			return nil
		}
		written = p.config.BootstrapKeyFile
		return writeKey(written, minted)
	})
	if err != nil && written != "" && !errors.Is(err, os.ErrExist) {
		os.Remove(written)
	}
	return key, err
}

// writeKey makes a file of mode 0600 that holds the key. It never overwrites one.
func writeKey(name string, key secret.Secret) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := fmt.Fprintln(f, key.Reveal()); err != nil {
		return err
	}
	return f.Sync()
}

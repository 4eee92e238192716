package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/secret"
)

// adminCommand works directly on the database, for whoever operates the server.
func (p *program) adminCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "admin", Short: "Organizations and administrators, directly on the database", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	var organization, login string
	named := func(c *cobra.Command) *cobra.Command {
		c.Flags().StringVar(&organization, "organization", "", "name of the organization; required")
		c.Flags().StringVar(&login, "login", "admin", "login of the administrator")
		return c
	}
	c.AddCommand(
		named(p.configured("create", "Make a further organization with an administrator, and print the key once", func(ctx context.Context) error {
			if organization == "" {
				return errUsage{errors.New("--organization: name the organization; see keytag admin list")}
			}
			return p.handOver(ctx, func(d *directory.Directory, publish func(secret.Secret) error) error {
				return d.AddOrganization(ctx, organization, login, publish)
			})
		})),
		named(p.configured("reset", "Give an administrator a new key, and print it once", func(ctx context.Context) error {
			if organization == "" {
				return errUsage{errors.New("--organization: name the organization; see keytag admin list")}
			}
			return p.handOver(ctx, func(d *directory.Directory, publish func(secret.Secret) error) error {
				return d.ResetAdministrator(ctx, organization, login, publish)
			})
		})),
		p.configured("list", "List the administrators", p.listAdministrators),
	)
	return c
}

func (p *program) listAdministrators(ctx context.Context) error {
	d, closeStore, err := p.directory(ctx)
	if err != nil {
		return err
	}
	defer closeStore()
	list, err := d.Administrators(ctx)
	if err != nil {
		return err
	}
	for _, a := range list {
		state := "enabled"
		if a.Disabled {
			state = "disabled"
		}
		fmt.Fprintf(p.stdout, "%s\t%s\t%s\n", a.Organization, a.Login, state)
	}
	return nil
}

// handOver makes a key and, once that is committed, prints it.
func (p *program) handOver(ctx context.Context, issue func(*directory.Directory, func(secret.Secret) error) error) error {
	d, closeStore, err := p.directory(ctx)
	if err != nil {
		return err
	}
	defer closeStore()
	var key secret.Secret
	if err := issue(d, func(minted secret.Secret) error { key = minted; return nil }); err != nil {
		return err
	}
	fmt.Fprintln(p.stderr, "The administrator's key, shown this once:")
	fmt.Fprintln(p.stdout, key.Reveal())
	return nil
}

// directory opens the database that the configuration names, brought to this version.
func (p *program) directory(ctx context.Context) (*directory.Directory, func() error, error) {
	c, err := p.start(ctx, true)
	if err != nil {
		return nil, nil, err
	}
	return c.directory, c.store.Close, nil
}

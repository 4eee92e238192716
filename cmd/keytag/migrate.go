package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) migrateCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "migrate", Short: "Bring the database to this version, or show how far it is", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		p.configured("up", "Apply pending migrations; safe while replicas do the same", func(ctx context.Context) error {
			s, err := p.open(ctx)
			if err != nil {
				return err
			}
			defer s.Close()
			return s.Migrate(ctx)
		}),
		p.configured("status", "List migrations", func(ctx context.Context) error {
			s, err := p.open(ctx)
			if err != nil {
				return err
			}
			defer s.Close()
			list, err := s.Status(ctx)
			if err != nil {
				return err
			}
			for _, m := range list {
				state := "pending"
				if m.Applied {
					state = "applied"
				}
				fmt.Fprintf(p.stdout, "%s\t%s\n", state, m.Name)
			}
			return nil
		}),
	)
	return c
}

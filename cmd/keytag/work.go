package main

import (
	"context"

	"github.com/spf13/cobra"
)

// workCommand does what is due without serving.
func (p *program) workCommand() *cobra.Command {
	var migrate bool
	c := p.configured("work", "Do what is due, without serving: alerts, reminders, rotations, webhooks", func(ctx context.Context) error {
		core, err := p.start(ctx, migrate)
		if err != nil {
			return starting(ctx, err)
		}
		defer core.store.Close()
		p.log.Info("working", "version", programVersion())
		core.worker(p.log).Run(ctx)
		return nil
	})
	c.Flags().BoolVar(&migrate, "migrate", true, "apply pending migrations first")
	return c
}

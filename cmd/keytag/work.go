package main

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/keytag/keytag/internal/server"
	"github.com/keytag/keytag/internal/telemetry"
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
		untraced, err := p.traces(ctx)
		if err != nil {
			return err
		}
		defer untraced()
		if err := p.watch(core); err != nil {
			return err
		}
		unwatched, err := p.serveAdmin(ctx, server.New(server.Options{Logger: p.log, GraphQL: http.NotFoundHandler(), Metrics: telemetry.Metrics(), Ready: core.ready}))
		if err != nil {
			return err
		}
		defer unwatched()
		p.log.Info("working", "version", programVersion())
		core.worker(p.log).Run(ctx)
		return nil
	})
	c.Flags().BoolVar(&migrate, "migrate", true, "apply pending migrations first")
	return c
}

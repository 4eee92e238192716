package main

import (
	"context"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// configCommand shows the settings of the server as they count.
func (p *program) configCommand() *cobra.Command {
	var o *output
	c := p.configured("config", "Show every setting with its origin, secrets masked", func(context.Context) error {
		if err := o.check(); err != nil {
			return err
		}
		list := p.config.Settings()
		return p.show(o, list, func(w *tabwriter.Writer) {
			tabled(w, "VARIABLE", "VALUE", "ORIGIN")
			for _, s := range list {
				tabled(w, s.Variable, s.Value, s.Origin)
			}
		})
	})
	o = outputFlag(c, "table", "json", "yaml")
	return c
}

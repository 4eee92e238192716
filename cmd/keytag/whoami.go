package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/keytag/keytag/internal/client"
	"github.com/keytag/keytag/internal/config"
	"github.com/keytag/keytag/internal/lifecycle"
)

// asking makes a command that asks a server.
func (p *program) asking(use, short string, args cobra.PositionalArgs, do func(context.Context, *client.Client, []string) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: args}
	config.ClientFlags(c.Flags())
	c.RunE = func(c *cobra.Command, args []string) error {
		settings, err := config.LoadClient(c.Flags(), p.environ)
		if err != nil {
			return errUsage{err}
		}
		return do(c.Context(), &client.Client{URL: settings.URL, Token: settings.Token.Reveal()}, args)
	}
	return c
}

func (p *program) whoamiCommand() *cobra.Command {
	var within string
	var o *output
	c := p.asking("whoami", "Tell what the key in KEYTAG_TOKEN is and when it ends, which is no use of it", noArgs, func(ctx context.Context, server *client.Client, _ []string) error {
		if err := o.check(); err != nil {
			return err
		}
		soon, err := period("--fail-if-expires-within", within)
		if err != nil {
			return err
		}
		server.Probe = true
		me, err := server.ViewerKey(ctx)
		if err != nil {
			return err
		}
		if err := p.show(o, me, func(w *tabwriter.Writer) {
			for _, line := range [][2]string{
				{"id", me.ID}, {"name", me.Name}, {"status", me.Status}, {"scopes", strings.Join(me.Scopes, " ")}, {"project", me.Project.Name},
				{"last used", instant(me.LastUsedAt)}, {"ends", instant(me.EffectiveExpiresAt)}, {"because", text(me.EndsBecause)}, {"details", me.Details.Message},
			} {
				tabled(w, line[0], line[1])
			}
		}); err != nil {
			return err
		}
		return expiry(me, soon)
	})
	o = outputFlag(c, "table", "json", "yaml")
	c.Flags().StringVar(&within, "fail-if-expires-within", "", "exit with 11 if the key ends within this period, such as P14D")
	return c
}

// expiry is an error when a key ends within a period from now, by the server's clock.
func expiry(k *client.Key, within *lifecycle.Period) error {
	if within == nil || k.EffectiveExpiresAt == nil || k.ExpiresInSeconds == nil {
		return nil
	}
	now := k.EffectiveExpiresAt.Add(-time.Duration(*k.ExpiresInSeconds) * time.Second)
	if within.From(now).Before(*k.EffectiveExpiresAt) {
		return nil
	}
	return errExit{fmt.Errorf("the key ends at %s, within %s: %s", instant(k.EffectiveExpiresAt), within, text(k.EndsBecause)), exitExpiresSoon}
}

// period reads a flag, nil when it is empty.
func period(flag, text string) (*lifecycle.Period, error) {
	if text == "" {
		return nil, nil
	}
	parsed, err := lifecycle.ParsePeriod(text)
	if err != nil {
		return nil, errUsage{fmt.Errorf("%s: %w", flag, err)}
	}
	return &parsed, nil
}

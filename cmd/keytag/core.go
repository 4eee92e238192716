package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/seal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/webhook"
	"github.com/keytag/keytag/internal/worker"
)

// core is the program behind its doors.
type core struct {
	store     *store.Store
	keys      *keys.Authority
	directory *directory.Directory
	alerts    *alert.Alerts
	readiness readiness
}

// start opens the database that the configuration names, brought to this version or found there. The
// caller closes the store.
func (p *program) start(ctx context.Context, migrate bool) (*core, error) {
	s, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	c, err := p.assemble(ctx, s, migrate)
	if err != nil {
		s.Close()
		return nil, err
	}
	return c, nil
}

func (p *program) assemble(ctx context.Context, s *store.Store, migrate bool) (*core, error) {
	if migrate {
		if err := s.Migrate(ctx); err != nil {
			return nil, fmt.Errorf("migrate: %w", err)
		}
	}
	switch pending, err := s.Pending(ctx); {
	case err != nil:
		return nil, err
	case pending > 0:
		return nil, fmt.Errorf("%d migrations are pending: run `keytag migrate up`, or leave out --migrate=false", pending)
	}
	sealer, err := seal.Parse(p.config.EncryptionKey.Reveal())
	if err != nil {
		return nil, err
	}
	mailer, err := p.config.Mail()
	if err != nil {
		return nil, err
	}
	authority := keys.New(s, time.Now, p.log)
	alerts := alert.New(s, authority, time.Now, p.log, alert.Options{
		Outbound:  keys.Outbound{Sealer: sealer, Webhooks: webhook.New(p.config.PrivateWebhooks, time.Now)},
		Mail:      mailer,
		PublicURL: p.config.PublicURL,
	})
	return &core{store: s, keys: authority, directory: directory.New(s, authority, time.Now), alerts: alerts}, nil
}

func (c *core) worker(log *slog.Logger) *worker.Worker {
	return &worker.Worker{Store: c.store, Keys: c.keys, Alerts: c.alerts, Clock: time.Now, Log: log}
}

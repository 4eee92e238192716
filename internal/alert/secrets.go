package alert

import (
	"context"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/alertsource"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
)

// Secrets counts the secrets of webhook alert sources that are kept, the oldest first and at most keys.SecretsLooked,
// and of these the ones that this server cannot read. It is for whoever operates the server.
func (a *Alerts) Secrets(ctx context.Context) (kept, unreadable int, err error) {
	rows, err := a.store.Client.AlertSource.Query().
		Where(alertsource.WebhookSecretNotNil()).
		Order(db.Asc(alertsource.FieldID)).
		Limit(keys.SecretsLooked).
		All(principal.System(ctx))
	for _, row := range rows {
		if !a.outbound.Reads(*row.WebhookSecret, row.ID) {
			unreadable++
		}
	}
	return len(rows), unreadable, err
}

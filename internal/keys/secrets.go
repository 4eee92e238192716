package keys

import (
	"context"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/rotationschedule"
	"github.com/keytag/keytag/internal/principal"
)

// SecretsLooked is how many kept secrets are looked at.
const SecretsLooked = 1000

// Secrets counts the secrets of rotation webhooks that are kept, the oldest first and at most SecretsLooked, and of
// these the ones that this server cannot read. It is for whoever operates the server.
func (a *Authority) Secrets(ctx context.Context) (kept, unreadable int, err error) {
	rows, err := a.store.Client.RotationSchedule.Query().
		Where(rotationschedule.WebhookSecretNotNil()).
		Order(db.Asc(rotationschedule.FieldID)).
		Limit(SecretsLooked).
		All(principal.System(ctx))
	for _, row := range rows {
		if !a.outbound.Reads(*row.WebhookSecret, row.FamilyID) {
			unreadable++
		}
	}
	return len(rows), unreadable, err
}

// Reads reports whether what was sealed for a purpose can be opened.
func (o Outbound) Reads(sealed, purpose string) bool {
	if o.Sealer == nil {
		return false
	}
	_, err := o.Sealer.Open(sealed, purpose)
	return err == nil
}

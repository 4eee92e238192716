package keys

import (
	"context"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/seal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/webhook"
)

// NotificationInput says when and through which alert source somebody is told of a key.
type NotificationInput struct {
	NotifyAt      time.Time
	AlertSourceID string
}

// Hooks are what internal/alert does in the transaction of a change of a key.
type Hooks struct {
	// Notify gives a new key its notification. It answers warnings, and user errors on the members
	// of the input.
	Notify func(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, in NotificationInput) ([]string, error)
	// Silence cancels the notification of a key that has been replaced or ended by somebody.
	Silence func(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey) error
	// Tell tells the owner of a key something, and the administrators when the owner is disabled.
	Tell func(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, subject, text string) error
}

// Outbound is what secrets and webhooks of rotations need. Without a Sealer both are refused.
type Outbound struct {
	Sealer   *seal.Sealer
	Webhooks *webhook.Client
}

// Signers are the secrets that sign a webhook now, of those that were sealed for a purpose.
func (o Outbound) Signers(purpose string, now time.Time, current, previous *string, until *time.Time) ([]webhook.Secret, error) {
	if until == nil || !now.Before(*until) {
		previous = nil
	}
	return webhook.OpenSecrets(func(text string) (string, error) { return o.Sealer.Open(text, purpose) }, current, previous)
}

// Use sets what was not there when the Authority was made. It is called before anything else.
func (a *Authority) Use(h Hooks, o Outbound) { a.hooks, a.outbound = h, o }

func (a *Authority) silence(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey) error {
	if a.hooks.Silence == nil {
		return nil
	}
	return a.hooks.Silence(ctx, tx, now, key)
}

func (a *Authority) tell(ctx context.Context, tx *store.Tx, now time.Time, key *db.APIKey, subject, text string) error {
	if a.hooks.Tell == nil {
		return nil
	}
	return a.hooks.Tell(ctx, tx, now, key, subject, text)
}

func encryptionKeyRequired(field string) fault.UserError {
	return fault.Input("config.encryption_key_required", "this needs a server with KEYTAG_ENCRYPTION_KEY", field)
}

package keys

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/idempotentrequest"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

const (
	minIdempotencyKey = 16
	maxIdempotencyKey = 200
	// replayWindow is how long a retry finds the earlier call.
	replayWindow = 24 * time.Hour
)

// request is a create or rotate that a retry may repeat; nil when the caller gave no idempotency
// key.
type request struct {
	key    string
	digest [sha256.Size]byte
}

// idempotent checks the key and fixes what counts as the same input.
func idempotent(operation string, key *string, input any) (*request, error) {
	if key == nil {
		return nil, nil
	}
	if n := utf8.RuneCountInString(*key); n < minIdempotencyKey || n > maxIdempotencyKey || !utf8.ValidString(*key) || strings.ContainsFunc(*key, unicode.IsControl) || secret.In(*key) {
		return nil, fault.Invalid(fmt.Sprintf("idempotencyKey must have %d to %d printable characters", minIdempotencyKey, maxIdempotencyKey), "idempotencyKey")
	}
	text, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	return &request{key: *key, digest: sha256.Sum256(append([]byte(operation+"\n"), text...))}, nil
}

// remember stores, in the transaction that makes the key, that this request made it.
func (r *request) remember(ctx context.Context, tx *store.Tx, now time.Time, keyID string) error {
	if r == nil {
		return nil
	}
	p := principal.From(ctx)
	_, err := tx.IdempotentRequest.Delete().
		Where(
			idempotentrequest.CallerFamilyID(p.FamilyID),
			idempotentrequest.IdempotencyKey(r.key),
			idempotentrequest.CreatedAtLTE(now.Add(-replayWindow)),
		).Exec(ctx)
	if err != nil {
		return err
	}
	return tx.IdempotentRequest.Create().
		SetID(typeid.New("idr", now)).
		SetOrganizationID(p.OrganizationID).
		SetCallerFamilyID(p.FamilyID).
		SetIdempotencyKey(r.key).
		SetInputDigest(r.digest[:]).
		SetKeyID(keyID).
		SetCreatedAt(now).
		Exec(ctx)
}

// replayed is the key that an earlier call with the same idempotency key made, with a fresh secret
// while none of its secrets has been used.
type replayed struct {
	key    *View
	secret secret.Secret
}

func (r *replayed) issued() Issued {
	if r == nil {
		return Issued{}
	}
	return Issued{APIKey: r.key, Replayed: true, Warnings: []string{}, secret: r.secret}
}

// replay looks for an earlier call of the same caller with r's key; nil when there is none. Unless
// the caller is the key that rotated itself, it must hold every scope of the key whose secret it
// would get: another generation of its family may hold less.
func (a *Authority) replay(ctx context.Context, now time.Time, r *request, self bool) (*replayed, error) {
	if r == nil {
		return nil, nil
	}
	p := principal.From(ctx)
	earlier, err := a.store.Client.IdempotentRequest.Query().
		Where(
			idempotentrequest.CallerFamilyID(p.FamilyID),
			idempotentrequest.IdempotencyKey(r.key),
			idempotentrequest.CreatedAtGT(now.Add(-replayWindow)),
		).Only(ctx)
	switch {
	case db.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	case [sha256.Size]byte(earlier.InputDigest) != r.digest:
		return nil, fault.Input("idempotency.conflict", "idempotencyKey was used with another operation or input within the last 24 hours", "idempotencyKey")
	}
	return a.freshSecret(ctx, now, earlier.KeyID, self)
}

// freshSecret is a key that an earlier call made, with a fresh secret while it lives and has never
// authenticated. self: the call was one that a key makes about itself.
func (a *Authority) freshSecret(ctx context.Context, now time.Time, keyID string, self bool) (*replayed, error) {
	p := principal.From(ctx)
	for {
		// The caller made this key, so what it may read now does not hide it.
		row, err := a.store.Client.APIKey.Get(principal.System(ctx), keyID)
		if err != nil {
			return nil, err
		}
		if !p.IsAdmin() && row.OwnerID != p.UserID { // the caller made it as an administrator and is none any more
			return nil, fault.NotFound("API key", "idempotencyKey")
		}
		successor := row.ReplacesID != nil && *row.ReplacesID == p.KeyID
		if p.ReplayOnly && !successor {
			return nil, ReplayOnlyRefusal(ctx)
		}
		found := &replayed{key: view(ctx, row, now)}
		if row.AuthenticatedAt != nil || found.key.Status().Ended() {
			return found, nil
		}
		if lacked := p.Lacks(row.Scopes); len(lacked) > 0 && !(self && successor) {
			return nil, scopesNotHeld(lacked)
		}
		fresh, err := a.replaceSecret(ctx, now, row)
		if err != nil {
			return nil, err
		}
		if !fresh.IsZero() {
			found.secret = fresh
			return found, nil
		}
	}
}

// replaceSecret puts a fresh secret in the place of one that was never used, under the same public
// prefix; the old text is dead for ever. The zero Secret means that the key has changed meanwhile.
func (a *Authority) replaceSecret(ctx context.Context, now time.Time, row *db.APIKey) (secret.Secret, error) {
	fresh := secret.MintWithPrefix(row.KeyPrefix)
	digest := fresh.Digest()
	err := a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.APIKey.Update().
			Where(apikey.ID(row.ID), apikey.AuthenticatedAtIsNil(), apikey.RevokedAtIsNil(), apikey.Digest(row.Digest)).
			SetDigest(digest[:]).
			Save(principal.System(ctx))
		if err == nil && n == 0 {
			err = errChanged
		}
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Event{At: now, Action: "api_key.secret_replaced", SubjectID: row.ID, OwnerID: row.OwnerID})
	})
	if errors.Is(err, errChanged) {
		return secret.Secret{}, nil
	}
	return fresh, err
}

// errUnchanged means that there was nothing to do.
var errUnchanged = errors.New("nothing to change")

// errChanged means that a guarded update found the row in another state than it was read in.
var errChanged = errors.New("changed meanwhile")

// orReplay runs an operation and, if it fails though the caller gave an idempotency key, once more:
// another call with the same key may have won the race to be the first, or the commit may have
// happened unheard, and then there is something to replay.
func orReplay[T any](r *request, operation func() (T, error)) (T, error) {
	result, err := operation()
	if err != nil && r != nil {
		return operation()
	}
	return result, err
}

package keys

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
)

// Use says from where a key is used and whether that counts.
type Use struct {
	// IP is the zero Addr when unknown; a key bound to addresses is then refused.
	IP netip.Addr
	// Probe marks a look that does not count as use.
	Probe bool
}

// MinNotAccessed is the shortest period of disuse that a policy may end keys after: much less than
// useInterval could end a key that is used all the time.
const MinNotAccessed = 5 * useInterval

// useWrite is how long a request waits for its use to be written.
const useWrite = 2 * time.Second

// useInterval is how much a stored last use must be behind for a use to move it.
const useInterval = time.Minute

// present looks a key up by its digest, with its owner; nil when there is none.
func (a *Authority) present(ctx context.Context, presented secret.Secret) (*db.APIKey, error) {
	digest := presented.Digest()
	row, err := a.store.Client.APIKey.Query().
		Where(apikey.Digest(digest[:]), apikey.RemovedAtIsNil()).
		WithOwner().
		Only(principal.System(ctx))
	switch {
	case db.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look up a presented key: %w", err)
	}
	return row, nil
}

// moves reports whether a use at now is to be written.
func (u Use) moves(key *db.APIKey, now time.Time) bool {
	if key.AuthenticatedAt == nil {
		return true
	}
	return !u.Probe && (key.LastUsedAt == nil || !now.Before(key.LastUsedAt.Add(useInterval)))
}

// recordUse writes that a key authenticated, and unless u is a probe moves its last use and its
// inactivity end, if no other request has done so. It answers the key as it is then, nil when its
// secret has been replaced meanwhile: a secret takes effect, by its first use, only while it is the
// stored one.
func (a *Authority) recordUse(ctx context.Context, key *db.APIKey, presented secret.Secret, u Use, now time.Time) (*db.APIKey, error) {
	if !u.moves(key, now) {
		return key, nil
	}
	digest := presented.Digest()
	writing, cancel := context.WithTimeout(principal.System(ctx), useWrite)
	defer cancel()
	err := a.store.Write(writing, func(ctx context.Context, tx *store.Tx) error {
		update := tx.APIKey.Update().Where(apikey.ID(key.ID), apikey.Digest(digest[:]))
		if key.AuthenticatedAt == nil {
			update.SetAuthenticatedAt(now)
		}
		if !u.Probe {
			policy, err := policyOf(ctx, tx, key.OrganizationID, key.ProjectID)
			if err != nil {
				return err
			}
			update.Where(
				apikey.Or(apikey.LastUsedAtIsNil(), apikey.LastUsedAtLTE(now.Add(-useInterval))),
				// A key past its end stays dead, whatever is written.
				apikey.Or(apikey.InactivityExpiresAtIsNil(), apikey.InactivityExpiresAtGT(now)),
			).SetLastUsedAt(now).ClearUnusedSince()
			end := policy.inactivityEnd(now)
			if end != nil {
				update.SetInactivityExpiresAt(*end)
			} else {
				update.ClearInactivityExpiresAt()
			}
			if look := policy.lookAfterUse(key, now, end); look != nil {
				update.Modify(lookBy(tx, *look))
			}
			if u.IP.IsValid() {
				update.SetLastUsedIP(u.IP.Unmap().String())
			} else {
				update.ClearLastUsedIP()
			}
		}
		return update.Exec(ctx)
	})
	if err != nil {
		// A use that cannot be written shortens the key's inactivity; it never fails a request.
		a.log.WarnContext(ctx, "record use", "key", key.ID, "error", err)
		return key, nil
	}
	return a.present(ctx, presented)
}

// lookAfterUse is when there will first be something to tell of a key whose inactivity end a use moves;
// nil when that changes nothing: the key ends by its lifetime, as before.
func (p Policy) lookAfterUse(key *db.APIKey, now time.Time, inactivity *time.Time) *time.Time {
	earlier := func(end *time.Time) bool {
		return end != nil && (key.ExpiresAt == nil || end.Before(*key.ExpiresAt))
	}
	if !earlier(inactivity) {
		if earlier(key.InactivityExpiresAt) {
			return &now // lead times of the end by lifetime may have begun
		}
		return nil
	}
	look := *inactivity
	for _, lead := range p.leadTimes {
		if at := lead.Back(*inactivity); at.After(now) && at.Before(look) {
			look = at
		}
	}
	return &look
}

// lookBy has a key looked at by an instant at the latest, whatever others write meanwhile.
func lookBy(tx *store.Tx, at time.Time) func(*sql.UpdateBuilder) {
	least := "min"
	if tx.Dialect() == dialect.Postgres {
		least = "least"
	}
	return func(u *sql.UpdateBuilder) {
		u.Set(apikey.FieldLookAt, sql.ExprFunc(func(b *sql.Builder) {
			b.WriteString(least + "(coalesce(").Ident(apikey.FieldLookAt).WriteString(", ").Arg(at).WriteString("), ").Arg(at).WriteString(")")
		}))
	}
}

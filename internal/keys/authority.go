// Package keys is the authority over API keys: the one place that issues, rotates, revokes, finds
// and authenticates them. One operation, one file, one transaction. Who calls is read from the
// context (internal/principal); which rows that caller reaches is decided in ent/policy.
package keys

import (
	"context"
	"log/slog"
	"time"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/keyfamily"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/epoch"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
)

// Authority decides over keys. It is safe for concurrent use.
type Authority struct {
	store *store.Store
	clock func() time.Time
	log   *slog.Logger
	// searches has room for those that are under way: not for as many as the store can read at a time, so
	// that slow ones leave connections to those who present their keys.
	searches chan struct{}
	few      int
	wide     *widths

	// What is remembered of keys that were presented, what is being looked up, and what is to be written of them.
	known, unknown *memory
	desk           *desk
	uses           uses
	homes          *epoch.Memo[string, string] // projects, by environment

	hooks    Hooks
	outbound Outbound
}

// New returns an Authority over the keys in s that reads the time from clock.
func New(s *store.Store, clock func() time.Time, log *slog.Logger) *Authority {
	a := &Authority{
		store: s, clock: clock, log: log,
		searches: make(chan struct{}, max(1, s.Readers()*3/4)), few: few, wide: newWidths(),
		known: newMemory(rememberedKeys), unknown: newMemory(rememberedUnknown),
		uses: uses{waiting: map[string]lastUse{}}, homes: epoch.NewMemo[string, string](s.Epoch),
	}
	a.desk = &desk{read: a.lookUp, now: a.moment, clerks: s.Lookers(), of: map[digest]*lookUp{}}
	return a
}

// now is the instant of one operation; each reads it once.
func (a *Authority) now() time.Time { return lifecycle.Instant(a.clock()) }

// Key returns one key that the caller may see, nil when there is none. An id of another kind is a
// user error.
func (a *Authority) Key(ctx context.Context, id string) (*View, error) {
	if err := typeid.Want(typeid.APIKey, "id", id); err != nil {
		return nil, err
	}
	return a.get(ctx, id)
}

// KeysByID are the keys with these ids that the caller may see, by id.
func (a *Authority) KeysByID(ctx context.Context, ids []string) (map[string]*View, error) {
	rows, err := a.store.Client.APIKey.Query().Where(apikey.IDIn(ids...)).All(ctx)
	now, views := a.now(), make([]*View, len(rows))
	for i, row := range rows {
		views[i] = view(ctx, row, now)
	}
	return store.By(func(v *View) string { return v.ID }, views, err)
}

func (a *Authority) get(ctx context.Context, id string) (*View, error) {
	row, err := a.store.Client.APIKey.Get(ctx, id)
	switch {
	case db.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return view(ctx, row, a.now()), nil
}

// Hold takes a key, and with it its family, for the rest of the transaction: whoever else wants to
// change a key of the family waits, and then sees what became of it. It answers the row as it is
// now, and a user error on field `id` when there is none that the caller may see.
func Hold(ctx context.Context, tx *store.Tx, id string) (*db.APIKey, error) {
	seen, err := tx.APIKey.Get(ctx, id)
	if db.IsNotFound(err) {
		return nil, fault.NotFound("API key", "id")
	}
	if err != nil {
		return nil, err
	}
	key, err := holdFamily(ctx, tx, seen.ID, seen.FamilyID)
	if err == nil && key.RemovedAt != nil { // while this waited
		return nil, fault.NotFound("API key", "id")
	}
	return key, err
}

// instant is when something happens to a key that is held, or when it is judged: now, but not before what happened
// to it last, whatever this server's clock says and however long it was waited for. A revoked key is revoked for
// whoever comes after.
func (a *Authority) instant(key *db.APIKey) time.Time {
	if now := a.now(); now.After(key.UpdatedAt) {
		return now
	}
	return key.UpdatedAt
}

// holdAny is Hold for the server itself: a removed key is held like any other.
func holdAny(ctx context.Context, tx *store.Tx, id string) (*db.APIKey, error) {
	seen, err := tx.APIKey.Get(principal.System(ctx), id)
	if err != nil {
		return nil, err
	}
	return holdFamily(ctx, tx, id, seen.FamilyID)
}

func holdFamily(ctx context.Context, tx *store.Tx, id, familyID string) (*db.APIKey, error) {
	system := principal.System(ctx)
	held := tx.APIKey.Query().Where(apikey.ID(id)).WithOwner().WithReplacedBy()
	if tx.Dialect() == dialect.Postgres { // SQLite has one writer
		if _, err := tx.KeyFamily.Query().Where(keyfamily.ID(familyID)).ForUpdate().OnlyID(system); err != nil {
			return nil, err
		}
		held.ForUpdate()
	}
	return held.Only(system)
}

// conclude reads a held key after it was changed and records what happened to it.
func conclude(ctx context.Context, tx *store.Tx, now time.Time, before *db.APIKey, action, reason string, more ...change.Field) (*db.APIKey, error) {
	after, err := tx.APIKey.Get(principal.System(ctx), before.ID)
	if err != nil {
		return nil, err
	}
	return after, audit.Record(ctx, tx, audit.Event{
		At: now, Action: action, SubjectID: before.ID, OwnerID: before.OwnerID, Reason: reason, Changes: append(change.Between(before, after, recorded), more...),
	})
}

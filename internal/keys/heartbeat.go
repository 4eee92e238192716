package keys

import (
	"context"
	"time"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/heartbeat"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/store"
)

const (
	theHeartbeat = 1 // one row for all replicas
	// BeatInterval is how often a replica tells that it lives.
	BeatInterval = time.Minute
	// downtime is how long no replica may have lived before that counts as downtime.
	downtime = 5 * time.Minute
)

// Start makes up for the time in which no replica lived: if that was more than five minutes, it is
// added to the inactivity end of every key that was alive when it began. Of several that start at
// once one does so; all return when it is done. Call it before the first request is served.
func (a *Authority) Start(ctx context.Context) error {
	return a.beat(ctx, func(ctx context.Context, tx *store.Tx, last, now time.Time) error {
		gap := now.Sub(last)
		if gap <= downtime {
			return nil
		}
		return tx.APIKey.Update().
			Where(apikey.EffectiveExpiresAtGT(last), apikey.InactivityExpiresAtNotNil()).
			Modify(func(u *sql.UpdateBuilder) {
				u.Set(apikey.FieldInactivityExpiresAt, postponed(tx, gap, apikey.FieldInactivityExpiresAt))
				u.Set(apikey.FieldLookAt, now)
				u.Set(apikey.FieldUnusedSince, postponed(tx, gap, apikey.FieldUnusedSince, apikey.FieldLastUsedAt, apikey.FieldCreatedAt))
			}).
			Exec(ctx)
	})
}

// Alive reports whether a replica lives. While none does, it is not known which keys end by disuse: the
// next to start puts their ends off.
func (a *Authority) Alive(ctx context.Context) (bool, error) {
	beat, err := a.store.Client.Heartbeat.Get(principal.System(ctx), theHeartbeat)
	if db.IsNotFound(err) {
		return true, nil // none has lived yet
	}
	return err == nil && !beat.BeatAt.Before(a.now().Add(-downtime)), err
}

// Beat tells that this replica lives.
func (a *Authority) Beat(ctx context.Context) error {
	return a.beat(ctx, func(context.Context, *store.Tx, time.Time, time.Time) error { return nil })
}

// beat moves the heartbeat to now, never backwards, after letting since look at the one before.
func (a *Authority) beat(ctx context.Context, since func(ctx context.Context, tx *store.Tx, last, now time.Time) error) error {
	now := a.now()
	err := a.store.Write(principal.System(ctx), func(ctx context.Context, tx *store.Tx) error {
		// Taking the row makes other replicas wait and then find the beat moved.
		last, err := tx.Heartbeat.UpdateOneID(theHeartbeat).
			Modify(func(u *sql.UpdateBuilder) { u.Set(heartbeat.FieldBeatAt, sql.Expr(heartbeat.FieldBeatAt)) }).
			Save(ctx)
		if db.IsNotFound(err) {
			return tx.Heartbeat.Create().SetID(theHeartbeat).SetBeatAt(now).Exec(ctx)
		}
		if err != nil || !last.BeatAt.Before(now) {
			return err
		}
		if err := since(ctx, tx, last.BeatAt, now); err != nil {
			return err
		}
		return tx.Heartbeat.UpdateOneID(theHeartbeat).SetBeatAt(now).Exec(ctx)
	})
	if store.Violates(err, "heartbeats", "id") {
		return nil // another replica made the first
	}
	return err
}

// postponed is the first of columns that is set, plus a gap, in the database's own arithmetic.
func postponed(tx *store.Tx, gap time.Duration, columns ...string) sql.Querier {
	return sql.ExprFunc(func(b *sql.Builder) {
		b.WriteString("coalesce(").IdentComma(columns...)
		if len(columns) == 1 { // SQLite's takes two at least
			b.WriteString(", NULL")
		}
		b.WriteString(") + ").Arg(gap.Microseconds())
		if tx.Dialect() == dialect.Postgres {
			b.WriteString(" * interval '1 microsecond'")
		}
	})
}

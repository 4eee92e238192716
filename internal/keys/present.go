package keys

import (
	"context"
	"fmt"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/telemetry"
)

// present answers what there is for a presented key: from memory if that is trusted now, else from the
// database. Its key is nil when there is none.
func (a *Authority) present(ctx context.Context, presented secret.Secret) (*remembered, error) {
	d, now := presented.Digest(), a.moment()
	if now.trusted {
		if r := a.known.find(d, now.generation); r != nil && !a.mayLiveOn(r) {
			telemetry.Lookups.Add("memory")
			return r, nil
		}
		if r := a.unknown.find(d, now.generation); r != nil && time.Since(r.read) < unknownFor {
			telemetry.Lookups.Add("unknown")
			return r, nil
		}
	}
	telemetry.Lookups.Add("database")
	return a.desk.ask(ctx, d, now, !a.known.holds(d))
}

func (a *Authority) moment() moment {
	generation, trusted := a.store.Epoch.Now()
	return moment{generation, trusted}
}

// mayLiveOn reports that a key has ended by disuse, and was remembered before: another replica may have seen
// it used, and may still be writing that.
func (a *Authority) mayLiveOn(r *remembered) bool {
	end := r.key.InactivityExpiresAt
	return end != nil && !a.now().Before(*end) && (r.at.Before(*end) || time.Since(r.read) >= unknownFor)
}

// presentAfresh is present after the key was changed in a way that others need not notice.
func (a *Authority) presentAfresh(ctx context.Context, presented secret.Secret) (*remembered, error) {
	d := presented.Digest()
	a.known.drop(d)
	return a.desk.ask(ctx, d, moment{}, false)
}

// lookUp asks the database for the keys with some digests, and remembers what it answers if that may be trusted.
func (a *Authority) lookUp(ctx context.Context, wanted []*lookUp) error {
	read, at := time.Now(), a.now()
	digests := make([][]byte, len(wanted))
	for i, l := range wanted {
		digests[i] = l.digest[:]
	}
	rows, err := a.store.Lookups.APIKey.LookUp(ctx, digests)
	if err != nil {
		return fmt.Errorf("look up presented keys: %w", err)
	}
	found := make(map[digest]*db.APIKey, len(rows))
	for _, row := range rows {
		found[digest(row.Digest)] = row
	}
	for _, l := range wanted {
		r := &remembered{digest: l.digest, generation: l.began.generation, read: read, at: at, key: found[l.digest]}
		if r.key != nil {
			r.key.Digest = nil // r has it
			r.rights = rightsOf(r.key)
		}
		l.result = r
		switch {
		case !l.began.trusted:
		case r.key != nil:
			a.known.put(r)
		default:
			a.known.drop(r.digest)
			a.unknown.put(r)
		}
	}
	return nil
}

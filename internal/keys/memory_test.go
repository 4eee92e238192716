package keys_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
)

// replica is one of several processes over one database, with a memory.
type replica struct {
	*keys.Authority
	store *store.Store
}

// replicas are n, the first of which is that of the world.
func (w *world) replicas(t *testing.T, url string, n int) []replica {
	t.Helper()
	all := []replica{{w.Authority, w.store}}
	for range n - 1 {
		s := storetest.Connect(t, url)
		all = append(all, replica{keys.New(s, w.clock, telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json")), s})
	}
	for _, r := range all {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.store.Follow(ctx, telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json"))
		}()
		t.Cleanup(func() { cancel(); <-ended })
		r.trusted(t)
	}
	return all
}

func (r replica) trusted(t *testing.T) {
	t.Helper()
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, ok := r.store.Epoch.Now(); ok {
			return
		}
		if time.Now().After(until) {
			t.Fatal("memory is not trusted")
		}
	}
}

// asks is how many statements it takes a replica to authenticate a key, and what the key is told.
func (r replica) asks(t *testing.T, text string) (statements int32, code string) {
	t.Helper()
	var n atomic.Int32
	_, err := r.Authenticate(store.Observe(t.Context(), func(store.Statement) { n.Add(1) }), text, keys.Use{})
	if err != nil {
		code = err.(*fault.Error).Code
	}
	return n.Load(), code
}

// Whatever another replica changes about a key that is remembered, the next request sees.
func TestNoReplicaAnswersFromBeforeAChange(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Migrated(t, dialect)
		w := newWorld(t, storetest.Connect(t, url))
		admin := w.as(w.admin)
		all := w.replicas(t, url, 3)
		user, err := w.directory.CreateUser(admin, directory.CreateUserInput{Login: "robot"})
		must(t, err)
		update := func(in directory.UpdateUserInput) func(*keys.View, *string) error {
			return func(*keys.View, *string) error {
				in.ID = user.ID
				_, err := w.directory.UpdateUser(admin, in)
				return err
			}
		}
		cases := []struct {
			name   string
			change func(key *keys.View, text *string) error
			want   string
		}{
			{"suspend", func(k *keys.View, _ *string) error {
				_, err := w.Suspend(admin, keys.SuspendInput{ID: k.ID})
				return err
			}, "api_keys.suspended"},
			{"revoke", func(k *keys.View, _ *string) error { _, err := w.Revoke(admin, keys.RevokeInput{ID: k.ID}); return err }, "api_keys.revoked"},
			{"remove", func(k *keys.View, _ *string) error { return w.Remove(admin, keys.RemoveInput{ID: k.ID}) }, "api_keys.invalid"},
			{"rotate", func(k *keys.View, _ *string) error {
				_, err := w.Rotate(admin, keys.RotateInput{ID: k.ID, GracePeriod: period("PT0S")})
				return err
			}, ""}, // it may ask for the reply
			{"rotate, the new one", func(k *keys.View, text *string) error {
				rotated, err := w.Rotate(admin, keys.RotateInput{ID: k.ID, GracePeriod: period("PT0S")})
				if err == nil {
					*text = *rotated.Secret()
				}
				return err
			}, ""},
			{"bind to an address", func(k *keys.View, _ *string) error {
				_, err := w.Update(admin, keys.UpdateInput{ID: k.ID, AllowedIPs: graphql.OmittableOf([]string{"10.0.0.0/8"})})
				return err
			}, "auth.ip_not_allowed"},
			{"end", func(k *keys.View, _ *string) error {
				_, err := w.Update(admin, keys.UpdateInput{ID: k.ID, ExpiresAt: graphql.OmittableOf(new(w.clock().Add(2 * time.Minute)))})
				w.pass(2 * time.Minute)
				return err
			}, "api_keys.expired"},
			{"create", func(_ *keys.View, text *string) error {
				_, *text = w.issue(admin, keys.CreateInput{OwnerID: &user.ID})
				return nil
			}, ""},
			{"take the privilege", update(directory.UpdateUserInput{MayUseAPIKeys: graphql.OmittableOf(new(false))}), "auth.owner_not_privileged"},
			{"give it back", update(directory.UpdateUserInput{MayUseAPIKeys: graphql.OmittableOf(new(true))}), ""},
			{"disable the owner", update(directory.UpdateUserInput{Disabled: graphql.OmittableOf(new(true))}), "auth.owner_disabled"},
		}
		var issued []*keys.View
		var texts []string
		for range cases {
			key, text := w.issue(admin, keys.CreateInput{OwnerID: &user.ID})
			issued, texts = append(issued, key), append(texts, text)
		}
		for n, c := range cases {
			key, text := issued[n], texts[n]
			for _, r := range all { // the first use is written, then it is remembered
				r.asks(t, text)
				r.asks(t, text)
			}
			if err := c.change(key, &text); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			for i, r := range all {
				if _, code := r.asks(t, text); code != c.want {
					t.Errorf("%s: replica %d answers %q, want %q", c.name, i, code, c.want)
				}
			}
		}
	})
}

// A key that is remembered costs no statement; what is no key of ours costs none for the same second, and
// what cannot be one none at all.
func TestWhatIsRememberedCostsNoStatement(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Migrated(t, dialect)
		w := newWorld(t, storetest.Connect(t, url))
		r := w.replicas(t, url, 1)[0]
		r.asks(t, w.admin)
		for range 100 {
			r.trusted(t)
			n, code := r.asks(t, w.admin)
			if _, ok := r.store.Epoch.Now(); ok && n > 0 || code != "" { // else the machine paused for a second
				t.Fatalf("a key that is remembered: %d statements, %q", n, code)
			}
		}
		unknown := secret.Mint().Reveal()
		if n, code := r.asks(t, unknown); n != 1 || code != "api_keys.invalid" {
			t.Errorf("an unknown key: %d statements, %q", n, code)
		}
		if n, code := r.asks(t, unknown); n != 0 || code != "api_keys.invalid" {
			t.Errorf("an unknown key again: %d statements, %q", n, code)
		}
		time.Sleep(time.Second)
		r.trusted(t)
		if n, _ := r.asks(t, unknown); n != 1 {
			t.Errorf("an unknown key after a second: %d statements", n)
		}
		if n, code := r.asks(t, unknown[:len(unknown)-1]+"x"); n != 0 || code != "api_keys.invalid" {
			t.Errorf("a wrong checksum: %d statements, %q", n, code)
		}
	})
}

// Many who ask at once are answered by few statements, whether memory is trusted or not, each with its own key.
func TestLookUpsAreShared(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Migrated(t, dialect)
		w := newWorld(t, storetest.Connect(t, url))
		var texts, ids []string
		for range 150 {
			key, text := w.issue(w.as(w.admin), keys.CreateInput{})
			texts, ids = append(texts, text), append(ids, key.ID)
			_, err := w.Authenticate(t.Context(), text, keys.Use{}) // the first use is written
			must(t, err)
		}
		for range 50 {
			texts, ids = append(texts, secret.Mint().Reveal()), append(ids, "")
		}
		ask := func() int32 {
			t.Helper()
			var statements atomic.Int32
			var group sync.WaitGroup
			for n := range 2000 {
				group.Go(func() {
					ctx := store.Observe(t.Context(), func(store.Statement) { statements.Add(1) })
					ctx, err := w.Authenticate(ctx, texts[n%200], keys.Use{})
					id := ""
					if err == nil {
						id = w.ViewerKey(ctx).ID
					}
					if want := ids[n%200]; id != want {
						t.Errorf("asked for %q, answered %q: %v", want, id, err)
					}
				})
			}
			group.Wait()
			return statements.Load()
		}
		if n := ask(); n > 1000 {
			t.Errorf("memory is not trusted: %d statements for 2000 who asked", n)
		}
		w.replicas(t, url, 1)
		if n := ask(); n > 400 { // twice, had memory not been trusted for a moment
			t.Errorf("memory is trusted: %d statements for 2000 who asked", n)
		}
	})
}

// A use that one replica has seen keeps a key alive for another that remembers it from before.
func TestAKeyThatIsUsedElsewhereLivesOn(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Migrated(t, dialect)
		w := newWorld(t, storetest.Connect(t, url))
		_, err := w.directory.UpdatePolicy(w.as(w.admin), directory.UpdatePolicyInput{NotAccessedExpirationPeriod: graphql.OmittableOf(period("PT1H"))})
		must(t, err)
		_, text := w.issue(w.as(w.admin), keys.CreateInput{})
		all := w.replicas(t, url, 2)
		for _, r := range all {
			r.asks(t, text)
			r.asks(t, text)
		}
		w.pass(30 * time.Minute)
		if _, code := all[0].asks(t, text); code != "" {
			t.Fatal(code)
		}
		w.pass(45 * time.Minute)
		if _, code := all[1].asks(t, text); code != "" {
			t.Errorf("a key that was used 45 minutes ago: %s", code)
		}
		w.pass(time.Hour)
		for i, r := range all {
			if _, code := r.asks(t, text); code != "api_keys.inactive" {
				t.Errorf("replica %d answers %q", i, code)
			}
			if n, code := r.asks(t, text); n != 0 || code != "api_keys.inactive" {
				t.Errorf("replica %d: %d statements, %q", i, n, code)
			}
		}
	})
}

// Uses but the first wait to be written together, and are written when it ends.
func TestUsesAreWrittenTogether(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Migrated(t, dialect)
		w := newWorld(t, storetest.Connect(t, url))
		var ids, texts []string
		for range 250 {
			key, text := w.issue(w.as(w.admin), keys.CreateInput{})
			ids, texts = append(ids, key.ID), append(texts, text)
		}
		r := w.replicas(t, url, 1)[0]
		ctx, cancel := context.WithCancel(t.Context())
		kept := make(chan struct{})
		go func() { defer close(kept); r.KeepUses(ctx) }()
		lastUse := func(id string) time.Time {
			t.Helper()
			row, err := w.store.Client.APIKey.Get(w.system(), id)
			must(t, err)
			if row.LastUsedAt == nil {
				return time.Time{}
			}
			return *row.LastUsedAt
		}
		first := w.clock()
		for _, text := range texts {
			r.asks(t, text)
		}
		if got := lastUse(ids[0]); !got.Equal(first) {
			t.Fatalf("the first use is stored as %s", got)
		}
		w.pass(time.Minute)
		for range 3 {
			for _, text := range texts {
				if _, code := r.asks(t, text); code != "" {
					t.Fatal(code)
				}
			}
		}
		cancel()
		<-kept
		for i, id := range ids {
			if got := lastUse(id); !got.Equal(w.clock()) {
				t.Fatalf("the use of key %d is stored as %s", i, got)
			}
		}
		w.pass(time.Minute)
		if r.asks(t, texts[0]); !lastUse(ids[0]).Equal(w.clock()) {
			t.Error("with nobody to write it, a use was not written at once")
		}
	})
}

// A use under a policy that has become stricter makes the end by disuse earlier: all replicas see it, and keys
// beside it in the same batch are prolonged.
func TestAUseThatShortensIsSeenByAll(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Migrated(t, dialect)
		w := newWorld(t, storetest.Connect(t, url))
		var ids, texts []string
		for range 20 {
			key, text := w.issue(w.as(w.admin), keys.CreateInput{})
			ids, texts = append(ids, key.ID), append(texts, text)
			_, err := w.Authenticate(t.Context(), text, keys.Use{})
			must(t, err)
		}
		all := w.replicas(t, url, 2)
		for i, end := range []any{w.clock().AddDate(1, 0, 0), nil} { // the policy ends it after three months
			must(t, w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
				_, err := tx.ExecContext(ctx, `UPDATE api_keys SET inactivity_expires_at = $1 WHERE id = $2`, end, ids[i])
				return err
			}))
		}
		w.pass(time.Minute)
		want := keys.BuiltInNotAccessed.From(w.clock())
		for _, text := range texts { // so that it is remembered
			_, err := all[1].Authenticate(t.Context(), text, keys.Use{Probe: true})
			must(t, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		kept := make(chan struct{})
		go func() { defer close(kept); all[0].KeepUses(ctx) }()
		time.Sleep(10 * time.Millisecond)
		for _, text := range texts {
			all[0].asks(t, text)
		}
		cancel()
		<-kept
		for i, text := range texts {
			row, err := w.store.Client.APIKey.Get(w.system(), ids[i])
			must(t, err)
			if row.InactivityExpiresAt == nil || !row.InactivityExpiresAt.Equal(want) {
				t.Fatalf("key %d: stored as ending at %v, want %s", i, row.InactivityExpiresAt, want)
			}
			if i > 1 {
				continue
			}
			ctx, err := all[1].Authenticate(t.Context(), text, keys.Use{Probe: true})
			must(t, err)
			if end := all[1].ViewerKey(ctx).InactivityExpiresAt; end == nil || !end.Equal(want) {
				t.Errorf("key %d: another replica has it end at %v", i, end)
			}
		}
	})
}

// A use that might be written after the key's end by disuse is written at once.
func TestAUseThatIsNeededSoonIsWrittenAtOnce(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Migrated(t, dialect)
		w := newWorld(t, storetest.Connect(t, url))
		_, err := w.directory.UpdatePolicy(w.as(w.admin), directory.UpdatePolicyInput{NotAccessedExpirationPeriod: graphql.OmittableOf(period("PT10M"))})
		must(t, err)
		key, text := w.issue(w.as(w.admin), keys.CreateInput{})
		r := w.replicas(t, url, 1)[0]
		ctx, cancel := context.WithCancel(t.Context())
		kept := make(chan struct{})
		go func() { defer close(kept); r.KeepUses(ctx) }()
		defer func() { cancel(); <-kept }()
		time.Sleep(10 * time.Millisecond)
		r.asks(t, text)
		used := w.clock()
		for _, c := range []struct {
			before time.Duration
			once   bool
		}{{10*time.Second + time.Microsecond, false}, {10 * time.Second, true}} {
			w.at(used.Add(10*time.Minute - c.before))
			if _, code := r.asks(t, text); code != "" {
				t.Fatal(code)
			}
			row, err := w.store.Client.APIKey.Get(w.system(), key.ID)
			must(t, err)
			if row.LastUsedAt.Equal(w.clock()) != c.once {
				t.Errorf("%v before the end: the last use is stored as %s at %s", c.before, row.LastUsedAt, w.clock())
			}
			if c.once {
				break
			}
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	for _, dialect := range []string{"sqlite3", "postgres"} {
		b.Run(dialect, func(b *testing.B) {
			w := newWorld(b, storetest.Open(b, dialect))
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				w.store.Follow(ctx, telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json"))
			}()
			defer func() { cancel(); <-ended }()
			time.Sleep(200 * time.Millisecond)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := w.Authenticate(ctx, w.admin, keys.Use{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// Keys that nobody remembers, presented by sixteen at a time.
func BenchmarkAuthenticateCold(b *testing.B) {
	for _, dialect := range []string{"sqlite3", "postgres"} {
		b.Run(dialect, func(b *testing.B) {
			w := newWorld(b, storetest.Open(b, dialect))
			var texts []string
			for range 1000 {
				_, text := w.issue(w.as(w.admin), keys.CreateInput{})
				texts = append(texts, text)
				if _, err := w.Authenticate(b.Context(), text, keys.Use{}); err != nil {
					b.Fatal(err)
				}
			}
			var next atomic.Int64
			b.SetParallelism(8)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := w.Authenticate(b.Context(), texts[next.Add(1)%1000], keys.Use{}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// A key that is verified for an environment is answered from memory, too, and from none that is gone.
func TestVerifyingForAnEnvironmentAsksNoDatabase(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, dialect string) {
		url := storetest.Migrated(t, dialect)
		w := newWorld(t, storetest.Connect(t, url))
		replicas := w.replicas(t, url, 2)
		admin := w.as(w.admin)
		_, text := w.issue(admin, keys.CreateInput{})
		environment, err := w.directory.CreateEnvironment(admin, directory.CreateEnvironmentInput{ProjectID: w.project, Name: "test"})
		must(t, err)
		verify := func() (bool, int32) {
			t.Helper()
			var statements atomic.Int32
			ctx := store.Observe(admin, func(store.Statement) { statements.Add(1) })
			v, err := w.Verify(ctx, keys.VerifyInput{Secret: text, EnvironmentID: &environment.ID})
			must(t, err)
			return v.Valid(), statements.Load()
		}
		if valid, _ := verify(); !valid {
			t.Fatal("the key works in no environment")
		}
		for until := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			valid, n := verify()
			if valid && n == 0 {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("%v after %d statements", valid, n)
			}
		}
		must(t, directory.New(replicas[1].store, replicas[1].Authority, w.clock).DeleteEnvironment(admin, directory.DeleteEnvironmentInput{ID: environment.ID}))
		if valid, _ := verify(); valid {
			t.Error("the key is verified for an environment that is gone")
		}
	})
}

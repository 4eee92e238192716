package keys_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/typeid"
)

func TestVerifyAnswersTheFirstReason(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		shop, err := w.directory.CreateProject(admin, directory.CreateProjectInput{Name: "shop", Environments: []string{"live", "test"}})
		must(t, err)
		environments := w.environments(admin, shop.ID)
		live, test := environments[0].ID, environments[1].ID
		userID, _ := w.member("mia")
		key, text := w.issue(admin, keys.CreateInput{ProjectID: shop.ID, EnvironmentID: &live, OwnerID: &userID, Scopes: []string{"a:*"}, AllowedIPs: []string{"192.0.2.0/24", "2001:db8::1"}})
		verify := func(in keys.VerifyInput) keys.Verification {
			t.Helper()
			v, err := w.Verify(admin, in)
			must(t, err)
			return v
		}
		good := keys.VerifyInput{Secret: text, ClientIP: new("192.0.2.7"), ProjectID: &shop.ID, EnvironmentID: &live, RequiredScopes: []string{"a:b", "a:*"}}
		if v := verify(good); !v.Valid() || v.APIKey.ID != key.ID || !v.APIKey.LastUsedAt.Equal(start) || *v.APIKey.LastUsedIP != "192.0.2.7" {
			t.Errorf("%+v", v)
		}
		// Each reason is made to hold on top of all that come behind it.
		asked := good
		expect := func(code keys.VerificationCode) {
			t.Helper()
			if v := verify(asked); v.Code != code || (v.APIKey == nil) != (code == keys.NotFound) {
				t.Errorf("got %s, want %s", v.Code, code)
			}
		}
		update := func(in directory.UpdateUserInput) {
			t.Helper()
			in.ID = userID
			_, err := w.directory.UpdateUser(admin, in)
			must(t, err)
		}
		asked.RequiredScopes = []string{"a:b", "b", "keytag:policy:write"}
		expect(keys.InsufficientScope)
		if v := verify(asked); !slices.Equal(v.MissingScopes, []string{"b", "keytag:policy:write"}) {
			t.Errorf("missing %v", v.MissingScopes)
		}
		asked.EnvironmentID = &test
		expect(keys.WrongEnvironment)
		asked.ProjectID = &w.project
		expect(keys.WrongProject)
		for _, ip := range []*string{nil, new("192.0.3.7"), new("::ffff:192.0.3.7")} {
			asked.ClientIP = ip
			expect(keys.IPNotAllowed)
		}
		update(directory.UpdateUserInput{MayUseAPIKeys: omit(new(false))})
		expect(keys.OwnerNotPrivileged)
		update(directory.UpdateUserInput{Disabled: omit(new(true))})
		expect(keys.OwnerDisabled)
		_, err = w.Suspend(admin, keys.SuspendInput{ID: key.ID})
		must(t, err)
		expect(keys.Suspended)
		must(t, w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
			return tx.APIKey.UpdateOneID(key.ID).SetGraceExpiresAt(start).SetRotatedAt(start).Exec(ctx)
		}))
		expect(keys.GraceOver)
		must(t, w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
			return tx.APIKey.UpdateOneID(key.ID).SetInactivityExpiresAt(start).Exec(ctx)
		}))
		expect(keys.Inactive)
		must(t, w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
			return tx.APIKey.UpdateOneID(key.ID).SetExpiresAt(start).Exec(ctx)
		}))
		expect(keys.Expired)
		must(t, w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
			return tx.APIKey.UpdateOneID(key.ID).SetRevokedAt(start.Add(-tick)).Exec(ctx)
		}))
		expect(keys.Revoked)
		must(t, w.Remove(admin, keys.RemoveInput{ID: key.ID}))
		expect(keys.NotFound)
		asked.Secret = "garbage"
		expect(keys.NotFound)
	})
}

func TestAddresses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		key, text := w.issue(admin, keys.CreateInput{AllowedIPs: []string{"10.0.0.0/8", "10.0.0.0/8", "2001:db8::/32", "192.0.2.1"}})
		if !slices.Equal(key.AllowedIps, []string{"10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"}) {
			t.Errorf("%v", key.AllowedIps)
		}
		for ip, ok := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "2001:db8:1::": true, "192.0.2.1": true, "192.0.2.2": false, "::1": false, "": false} {
			use := keys.Use{}
			if ip != "" {
				use.IP = netip.MustParseAddr(ip)
			}
			_, err := w.Authenticate(t.Context(), text, use)
			if refused, _ := err.(*fault.Error); (err == nil) != ok || !ok && refused.Code != "auth.ip_not_allowed" {
				t.Errorf("%q: %v", ip, err)
			}
		}
		for _, bad := range []string{"10.0.0.1/8", "10.0.0.0/33", "x", "fe80::1%eth0", "::ffff:10.0.0.0/104", ""} {
			_, err := w.Create(admin, keys.CreateInput{ProjectID: w.project, Name: new("n"), AllowedIPs: []string{bad}})
			if e := userError[*fault.InputError](t, err); e.Fields[0] != "allowedIps" {
				t.Errorf("%q: %+v", bad, e)
			}
		}
		_, text = w.member("mia", "keytag:keys:read", "keytag:keys:write")
		member := w.as(text)
		mine, _ := w.issue(member, keys.CreateInput{AllowedIPs: []string{"10.0.0.0/8"}})
		for _, c := range []struct {
			blocks []string
			ok     bool
		}{{[]string{"10.1.0.0/16"}, true}, {[]string{"10.0.0.0/8"}, false}, {nil, false}, {[]string{"10.1.0.0/16", "::1"}, false}} {
			_, err := w.Update(member, keys.UpdateInput{ID: mine.ID, AllowedIPs: omit(c.blocks)})
			if c.ok {
				must(t, err)
			} else if code(t, err) != "auth.forbidden" {
				t.Errorf("%v: %v", c.blocks, err)
			}
		}
		_, err := w.Update(admin, keys.UpdateInput{ID: mine.ID, AllowedIPs: omit([]string(nil))})
		must(t, err)
	})
}

func TestSuspendAndResume(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		_, text := w.member("mia", "keytag:keys:read", "keytag:keys:write")
		member := w.as(text)
		key, keyText := w.issue(member, keys.CreateInput{})
		suspended, err := w.Suspend(member, keys.SuspendInput{ID: key.ID, Note: new("travelling")})
		must(t, err)
		w.pass(time.Minute)
		again, err := w.Suspend(member, keys.SuspendInput{ID: key.ID})
		must(t, err)
		if suspended.Status() != lifecycle.Suspended || !again.SuspendedAt.Equal(start) || w.refused(keyText) != "api_keys.suspended" {
			t.Errorf("%+v", again.APIKey)
		}
		_, err = w.Resume(member, keys.ResumeInput{ID: key.ID})
		must(t, err)
		if w.refused(keyText) != "" {
			t.Error("a resumed key must work")
		}
		_, err = w.Suspend(admin, keys.SuspendInput{ID: key.ID})
		must(t, err)
		_, err = w.Suspend(member, keys.SuspendInput{ID: key.ID})
		must(t, err)
		_, err = w.Resume(member, keys.ResumeInput{ID: key.ID})
		if code(t, err) != "auth.forbidden" {
			t.Errorf("a member lifted an administrator's suspension: %v", err)
		}
		key, err = w.Key(admin, key.ID)
		must(t, err)
		w.at(*key.InactivityExpiresAt) // a suspended key's clocks run on
		_, err = w.Resume(w.freshAdmin(), keys.ResumeInput{ID: key.ID})
		userError[*keys.KeyNotLiveError](t, err)
	})
}

// freshAdmin is an administrator whose key lives at whatever time it is.
func (w *world) freshAdmin() contextT {
	w.t.Helper()
	must(w.t, w.store.Write(w.system(), func(ctx contextT, tx *store.Tx) error {
		later := w.clock().Add(24 * time.Hour)
		return tx.APIKey.Update().Where(nameIs("First administrator key")).SetExpiresAt(later).SetInactivityExpiresAt(later).Exec(ctx)
	}))
	return w.as(w.admin)
}

func TestRemove(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		first, text := w.issue(admin, keys.CreateInput{Name: new("build"), Scopes: []string{"a"}})
		r, err := w.Rotate(admin, keys.RotateInput{ID: first.ID})
		must(t, err)
		must(t, w.Remove(admin, keys.RemoveInput{ID: first.ID}))
		if w.refused(text) != "api_keys.invalid" {
			t.Error("a removed key is not found")
		}
		if found, err := w.Key(admin, first.ID); err != nil || found != nil {
			t.Errorf("%v %v", found, err)
		}
		if code(t, w.Remove(admin, keys.RemoveInput{ID: first.ID})) != "not_found" {
			t.Error("removed twice")
		}
		_, err = w.Create(admin, keys.CreateInput{ProjectID: w.project, Name: new("build")})
		if e := userError[*keys.DescriptionTakenError](t, err); e.ExistingKey.ID != r.NewKey.ID {
			t.Errorf("while one of the family is left: %+v", e)
		}
		// The two last go at the same time.
		third, err := w.Rotate(admin, keys.RotateInput{ID: r.NewKey.ID})
		must(t, err)
		_, errs := race(func(i int) (struct{}, error) {
			return struct{}{}, w.Remove(admin, keys.RemoveInput{ID: []string{r.NewKey.ID, third.NewKey.ID}[i%2]})
		})
		removed := 0
		for _, err := range errs {
			if err == nil {
				removed++
			}
		}
		if removed != 2 {
			t.Errorf("%d removed", removed)
		}
		_, err = w.Create(admin, keys.CreateInput{ProjectID: w.project, Name: new("build")})
		must(t, err)
		if found := w.list(admin, keys.Search{Filter: &keys.Filter{Scopes: &keys.ScopeFilter{Any: []string{"a"}}}}, 10); len(found) != 0 {
			t.Errorf("found %v", found)
		}
	})
}

func TestCompleteRotation(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		key, text := w.issue(admin, keys.CreateInput{})
		_, err := w.Complete(admin, keys.CompleteInput{ID: key.ID})
		if code(t, err) != "api_keys.not_rotated" {
			t.Errorf("%v", err)
		}
		_, err = w.Rotate(admin, keys.RotateInput{ID: key.ID})
		must(t, err)
		w.pass(time.Minute)
		done, err := w.Complete(admin, keys.CompleteInput{ID: key.ID})
		must(t, err)
		w.pass(time.Minute)
		again, err := w.Complete(admin, keys.CompleteInput{ID: key.ID})
		must(t, err)
		if done.Status() != lifecycle.Expired || !again.GraceExpiresAt.Equal(start.Add(time.Minute)) || w.refused(text) != "api_keys.grace_ended" {
			t.Errorf("%+v", again.APIKey)
		}
	})
}

func TestProbesDoNotCountAsUse(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		in := keys.CreateInput{ProjectID: w.project, Name: new("build"), IdempotencyKey: new(onceKey)}
		made, err := w.Create(w.as(w.admin), in)
		must(t, err)
		ctx, err := w.Authenticate(t.Context(), *made.Secret(), keys.Use{Probe: true})
		must(t, err)
		if key := w.ViewerKey(ctx); key.LastUsedAt != nil || key.AuthenticatedAt == nil {
			t.Errorf("%+v", key.APIKey)
		}
		again, err := w.Create(w.as(w.admin), in)
		must(t, err)
		if again.Secret() != nil {
			t.Error("who looked has the secret: a replay must not replace it")
		}
	})
}

func TestCan(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		end := start.Add(time.Hour)
		key, _ := w.issue(admin, keys.CreateInput{Scopes: []string{"a:*"}, ExpiresAt: &end})
		now, err := w.Can(admin, key, keys.Question{Scopes: []string{"a:b"}})
		must(t, err)
		if !now.Allowed() || !now.Until.Equal(end) {
			t.Errorf("%+v", now)
		}
		then, err := w.Can(admin, key, keys.Question{Scopes: []string{"a:b", "c"}, At: &end})
		must(t, err)
		if then.Code != keys.Expired || then.Until != nil || !slices.Equal(then.MissingScopes, []string{"c"}) {
			t.Errorf("%+v", then)
		}
		_, err = w.Can(admin, key, keys.Question{Scopes: []string{"A"}})
		userError[*keys.ScopeError](t, err)
		_, err = w.Can(admin, key, keys.Question{At: new(start.Add(-tick))})
		userError[*fault.InputError](t, err)
	})
}

// A verifier that sees nothing of the directory is told where the key belongs all the same: no
// environment would read as any.
func TestAVerifierLearnsWhereTheKeyBelongs(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		shop, err := w.directory.CreateProject(admin, directory.CreateProjectInput{Name: "shop", Environments: []string{"live"}})
		must(t, err)
		environments := w.environments(admin, shop.ID)
		_, text := w.issue(admin, keys.CreateInput{ProjectID: shop.ID, EnvironmentID: &environments[0].ID})
		_, verifier := w.member("gateway", "keytag:keys:verify")
		v, err := w.Verify(w.as(verifier), keys.VerifyInput{Secret: text})
		must(t, err)
		if e := v.APIKey.Edges; !v.Valid() || e.Project == nil || e.Project.Name != "shop" || e.Environment == nil || e.Environment.Name != "live" || e.Organization == nil {
			t.Errorf("%+v", v.APIKey.Edges)
		}
	})
}

// Whatever is not a key of the organization is answered alike.
func TestNotFoundSaysNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		admin := w.as(w.admin)
		removed, text := w.issue(admin, keys.CreateInput{})
		must(t, w.Remove(admin, keys.RemoveInput{ID: removed.ID}))
		var foreign string
		must(t, w.directory.AddOrganization(t.Context(), "foreign", "admin", func(k secret.Secret) error { foreign = k.Reveal(); return nil }))
		for name, presented := range map[string]string{"malformed": "x", "unknown": secret.Mint().Reveal(), "removed": text, "foreign": foreign} {
			v, err := w.Verify(admin, keys.VerifyInput{Secret: presented, RequiredScopes: []string{"a"}, ProjectID: &w.project})
			must(t, err)
			if v.Code != keys.NotFound || v.APIKey != nil || v.MissingScopes == nil || len(v.MissingScopes) > 0 {
				t.Errorf("%s: %+v", name, v)
			}
		}
	})
}

// A key that cannot be looked up is neither valid nor unknown, and no fault of the server.
func TestVerifyingWithoutADatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		admin := w.as(w.admin)
		_, text := w.issue(admin, keys.CreateInput{})
		environment := typeid.New(typeid.Environment, w.clock())
		must(t, s.Close())
		for _, in := range []keys.VerifyInput{{Secret: text}, {Secret: text, EnvironmentID: &environment}} {
			_, err := w.Verify(admin, in)
			if refused := (*fault.Error)(nil); !errors.As(err, &refused) || refused.Code != fault.CodeUnavailable {
				t.Errorf("%v", err)
			}
		}
		if v, err := w.Verify(admin, keys.VerifyInput{Secret: text + "0"}); err != nil || v.Code != keys.NotFound {
			t.Errorf("a malformed text needs no database: %v, %v", v.Code, err)
		}
	})
}

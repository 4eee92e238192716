package auth

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/ratelimit"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
)

func TestPresented(t *testing.T) {
	const none, ambiguous = "(none)", "(ambiguous)"
	for _, c := range []struct {
		authorization, apiKey []string
		want                  string
	}{
		{nil, nil, none},
		{[]string{"Bearer k"}, nil, "k"},
		{[]string{"bearer k"}, nil, "k"},
		{[]string{" BEARER   k "}, nil, "k"},
		{nil, []string{" k "}, "k"},
		{[]string{"Bearer k"}, []string{"k"}, "k"},
		{[]string{"Bearer k", "Bearer k"}, []string{"k", "k"}, "k"},
		{[]string{"Bearer k"}, []string{"l"}, ambiguous},
		{[]string{"Bearer k", "Bearer l"}, nil, ambiguous},
		{nil, []string{"k", "l"}, ambiguous},
		{[]string{"Bearer k"}, []string{"K"}, ambiguous},
		{[]string{"Basic k"}, []string{"k"}, ambiguous},
		// Something that is no key is not the same as nothing.
		{[]string{""}, nil, ""},
		{[]string{"Bearer"}, nil, ""},
		{[]string{"Basic k"}, nil, ""},
		{[]string{"k"}, nil, ""},
		{[]string{"Bearer,k"}, nil, ""},
		{nil, []string{""}, ""},
	} {
		text, given, err := presented(http.Header{"Authorization": c.authorization, "X-Api-Key": c.apiKey})
		got := none
		switch refused := (*fault.Error)(nil); {
		case errors.As(err, &refused) && refused.Code == "auth.ambiguous":
			got = ambiguous
		case err != nil:
			t.Errorf("%v", err)
		case given:
			got = text
		}
		if got != c.want {
			t.Errorf("Authorization %q, X-Api-Key %q: %q, want %q", c.authorization, c.apiKey, got, c.want)
		}
	}
}

// A key that cannot be looked up is neither let in nor called invalid; the log has the cause and not
// the key.
func TestClosedWithoutADatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		var lines bytes.Buffer
		log := telemetry.Logger(&lines, "debug", "json")
		a := &Authenticator{Keys: keys.New(st, time.Now, log), Log: log}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		key := secret.Mint().Reveal()
		for text, code := range map[string]string{key: fault.CodeUnavailable, "no key": "api_keys.invalid", "": "api_keys.invalid"} {
			r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
			r.Header.Set("X-Api-Key", text)
			ctx, err := a.Authenticate(r)
			var refused *fault.Error
			if ctx != nil || !errors.As(err, &refused) || refused.Code != code {
				t.Errorf("%q: %v, want %s", text, err, code)
			}
		}
		if ctx, err := a.Authenticate(httptest.NewRequest(http.MethodPost, "/graphql", nil)); err != nil || principal.From(ctx) != nil {
			t.Errorf("without a key: %v", err)
		}
		if text := lines.String(); !strings.Contains(text, `"error"`) || strings.Contains(text, key[len(key)-38:]) {
			t.Errorf("%s", text)
		}
	})
}

// A key has its own limit. What carries no key that works shares that of its network, which keys that work
// do not take from.
func TestRateLimits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		now := time.Date(2026, 8, 31, 10, 0, 0, 0, time.UTC)
		clock := func() time.Time { return now }
		log := telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json")
		authority := keys.New(st, clock, log)
		var working string
		if err := directory.New(st, authority, clock).Bootstrap(t.Context(), func(k secret.Secret) error { working = k.Reveal(); return nil }); err != nil {
			t.Fatal(err)
		}
		a := &Authenticator{Keys: authority, Log: log, PerKey: ratelimit.New[string](1, 2, clock), PerNetwork: ratelimit.New[netip.Prefix](1, 3, clock)}
		for i, step := range []struct {
			key, address, want string
		}{
			{"", "192.0.2.1", ""}, {"wrong", "192.0.2.1", "api_keys.invalid"}, {secret.Mint().Reveal(), "192.0.2.1", "api_keys.invalid"},
			{"", "192.0.2.1", fault.CodeRateLimited}, {"wrong", "192.0.2.1", fault.CodeRateLimited},
			{working, "192.0.2.1", ""}, {working, "192.0.2.9", ""}, {working, "192.0.2.1", fault.CodeRateLimited},
			{"", "192.0.2.2", ""},
			{"", "2001:db8::1", ""}, {"", "2001:db8::2:3", ""}, {"", "2001:db8::ffff:4:5:6", ""}, {"", "2001:db8::7", fault.CodeRateLimited},
			{"", "2001:db8:0:1::1", ""},
			{"wait", "", ""},
			{"", "192.0.2.1", ""}, {"", "192.0.2.1", fault.CodeRateLimited},
			{working, "192.0.2.1", ""}, {working, "192.0.2.1", fault.CodeRateLimited},
		} {
			if step.key == "wait" {
				now = now.Add(time.Second)
				continue
			}
			r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
			r = r.WithContext(telemetry.WithRequest(r.Context(), &telemetry.Request{RemoteIP: netip.MustParseAddr(step.address)}))
			if step.key != "" {
				r.Header.Set("X-Api-Key", step.key)
			}
			_, err := a.Authenticate(r)
			got := ""
			if refused := (*fault.Error)(nil); errors.As(err, &refused) {
				got = refused.Code
			}
			if got != step.want {
				t.Errorf("step %d: %q, want %q", i, got, step.want)
			}
		}
	})
}

// Who has no key pays for what an operation costs; who has one does not.
func TestCostlyOperationsWithoutAKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		clock := func() time.Time { return time.Date(2026, 8, 31, 10, 0, 0, 0, time.UTC) }
		log := slog.New(slog.DiscardHandler)
		authority := keys.New(st, clock, log)
		var working string
		if err := directory.New(st, authority, clock).Bootstrap(t.Context(), func(k secret.Secret) error { working = k.Reveal(); return nil }); err != nil {
			t.Fatal(err)
		}
		a := &Authenticator{Keys: authority, Log: log, PerNetwork: ratelimit.New[netip.Prefix](1, 10, clock)}
		ask := func(key string, cost int64) error {
			r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
			r = r.WithContext(telemetry.WithRequest(r.Context(), &telemetry.Request{RemoteIP: netip.MustParseAddr("192.0.2.1")}))
			if key != "" {
				r.Header.Set("X-Api-Key", key)
			}
			ctx, err := a.Authenticate(r)
			if err == nil {
				err = a.Afford(ctx, cost)
			}
			return err
		}
		for i, step := range []struct {
			key  string
			cost int64
			want error
		}{
			{"", 1_999, nil}, {"", 2_000, nil}, {"", 12_000, nil}, // 1, 2 and 7 of 10
			{"", 0, rateLimited}, {working, 100_000, nil}, {working, 100_000, nil},
		} {
			if err := ask(step.key, step.cost); err != step.want {
				t.Errorf("%d: %v, want %v", i, err, step.want)
			}
		}
	})
}

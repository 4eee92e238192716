package auth

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/principal"
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
		text, err := presented(http.Header{"Authorization": c.authorization, "X-Api-Key": c.apiKey})
		got := none
		switch refused := (*fault.Error)(nil); {
		case errors.As(err, &refused) && refused.Code == "auth.ambiguous":
			got = ambiguous
		case err != nil:
			t.Errorf("%v", err)
		case text != nil:
			got = *text
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

package graph_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/mail"
	"github.com/keytag/keytag/internal/mail/smtptest"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

const oneDay = 24 * time.Hour

// telling is one operator message.
type telling struct {
	id, text string
	at       time.Time
}

// told are the operator messages about a key, oldest first.
func (s *site) told(keyID string) []telling {
	s.t.Helper()
	return s.everythingTold()[keyID]
}

// everythingTold is all operator messages by key, oldest first.
func (s *site) everythingTold() map[string][]telling {
	s.t.Helper()
	all := map[string][]telling{}
	var before any
	for {
		a := s.ask(s.admin, `query($b: String) { operatorMessages(last: 100, before: $b) { pageInfo { hasPreviousPage startCursor } nodes { id text createdAt apiKey { id } } } }`, map[string]any{"b": before})
		nodes := a.at(s.t, "operatorMessages", "nodes").([]any)
		slices.Reverse(nodes)
		for _, node := range nodes {
			node := node.(map[string]any)
			if key, ok := node["apiKey"].(map[string]any); ok {
				id := key["id"].(string)
				all[id] = append(all[id], telling{node["id"].(string), node["text"].(string), instant(s.t, node["createdAt"].(string))})
			}
		}
		if a.at(s.t, "operatorMessages", "pageInfo", "hasPreviousPage") == false {
			return all
		}
		before = a.str(s.t, "operatorMessages", "pageInfo", "startCursor")
	}
}

// wantTold checks when the owner of a key was told something, all in all.
func (s *site) wantTold(keyID string, at ...time.Time) {
	s.t.Helper()
	got := s.told(keyID)
	same := len(got) == len(at)
	for i := 0; same && i < len(at); i++ {
		same = got[i].at.Equal(at[i])
	}
	if !same {
		s.t.Fatalf("at %s: told %v, want %v", s.clock(), got, at)
	}
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// end is the effective end of a key.
func (s *site) end(keyID string) time.Time {
	s.t.Helper()
	return instant(s.t, s.ask(s.admin, fmt.Sprintf(`{ apiKey(id: %q) { effectiveExpiresAt } }`, keyID), nil).str(s.t, "apiKey", "effectiveExpiresAt"))
}

// goTo moves the clock to an instant.
func (s *site) goTo(at time.Time) { s.pass(at.Sub(s.clock())) }

// mutate runs a mutation that must succeed, given by its name and the text of its input.
func (s *site) mutate(mutation, input string) answer {
	s.t.Helper()
	a := s.ask(s.admin, fmt.Sprintf(`mutation { %s(input: {%s}) { userErrors { code message fields } } }`, mutation, input), nil)
	if errors := a.at(s.t, mutation, "userErrors").([]any); len(errors) > 0 {
		s.t.Fatal(a.text)
	}
	return a
}

// policy changes a policy, the organization's unless the input names a project.
func (s *site) policy(input string) { s.t.Helper(); s.mutate("updateApiKeyPolicy", input) }

// use lets a key be used.
func (s *site) use(text string) {
	s.t.Helper()
	if a := s.ask(text, `{ viewerKey { id } }`, nil); a.status != 200 {
		s.t.Fatal(a.text)
	}
}

// user makes a user and answers its id.
func (s *site) user(input string) string {
	s.t.Helper()
	return s.ask(s.admin, fmt.Sprintf(`mutation { createUser(input: {%s}) { user { id } userErrors { message } } }`, input), nil).str(s.t, "createUser", "user", "id")
}

// newProject makes a project and answers its id.
func (s *site) newProject(name string) string {
	s.t.Helper()
	return s.ask(s.admin, fmt.Sprintf(`mutation { createProject(input: {name: %q}) { project { id } } }`, name), nil).str(s.t, "createProject", "project", "id")
}

// eachWithMail is each with a server that e-mails are sent to, in clear so that its faults can be set
// at every stage.
func eachWithMail(t *testing.T, fn func(t *testing.T, s *site, post *smtptest.Server)) {
	storetest.Each(t, func(t *testing.T, st *store.Store) {
		post := smtptest.Start(t, smtptest.Options{Security: smtptest.InClear})
		sender, err := mail.New(post.URL(), "Keytag <keytag@example.org>")
		if err != nil {
			t.Fatal(err)
		}
		s := newSiteWith(t, st, func(o *alert.Options) { o.Mail, o.PublicURL = sender, "https://keys.example.org" })
		fn(t, s, post)
	})
}

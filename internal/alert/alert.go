// Package alert tells people of their keys in time: the one notification of a key through an alert
// source, reminders before every end, operator messages with replies, e-mail.
package alert

import (
	"log/slog"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/mail"
	"github.com/keytag/keytag/internal/store"
)

// Alerts raises alerts. It is safe for concurrent use.
type Alerts struct {
	store    *store.Store
	keys     *keys.Authority
	clock    func() time.Time
	log      *slog.Logger
	outbound keys.Outbound
	mail     *mail.Sender
	// url is where users reach the server.
	url string
}

// Options say by which ways alerts go out. Without Mail no e-mail is sent, without a Sealer no webhook.
type Options struct {
	Outbound  keys.Outbound
	Mail      *mail.Sender
	PublicURL string
}

// New returns the Alerts about the keys of an authority, which it makes known to the authority.
func New(s *store.Store, authority *keys.Authority, clock func() time.Time, log *slog.Logger, o Options) *Alerts {
	a := &Alerts{store: s, keys: authority, clock: clock, log: log, outbound: o.Outbound, mail: o.Mail, url: o.PublicURL}
	authority.Use(keys.Hooks{Notify: a.notifyNew, Silence: a.silence, Tell: a.tell}, o.Outbound)
	return a
}

func (a *Alerts) now() time.Time { return lifecycle.Instant(a.clock()) }

// readable answers a row that was looked up: nil when there is none that the caller may see.
func readable[T any](row *T, err error) (*T, error) {
	if db.IsNotFound(err) {
		return nil, nil
	}
	return row, err
}

// zoneOf is the time zone of a user, UTC if it is unknown.
func zoneOf(u *db.User) *time.Location {
	if u != nil {
		if zone, ok := lifecycle.Zone(u.TimeZone); ok {
			return zone
		}
	}
	return time.UTC
}

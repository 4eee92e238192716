package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/keytag/keytag/internal/queue"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/telemetry"
)

// finding is what one check found.
type finding struct {
	Check string `json:"check"`
	// State is `ok`, `warning` or `failure`.
	State   string `json:"state"`
	Finding string `json:"finding"`
	// Remedy is what to do, unless State is `ok`.
	Remedy string `json:"remedy,omitempty"`
}

func ok(check, what string) finding { return finding{check, "ok", what, ""} }

func warning(check, what, remedy string) finding { return finding{check, "warning", what, remedy} }

func failure(check, what, remedy string) finding { return finding{check, "failure", what, remedy} }

// broken is a check that could not be made. The error of a database may repeat what it was asked.
func broken(check string, err error, remedy string) finding {
	return failure(check, telemetry.Redact(err.Error()), remedy)
}

// checkLimit is how long all checks together may take.
const checkLimit = 30 * time.Second

func (p *program) doctorCommand() *cobra.Command {
	var o *output
	c := p.configured("doctor", "Check what the server depends on, and tell what to do; changes nothing", func(ctx context.Context) error {
		if err := o.check(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, checkLimit)
		defer cancel()
		found := p.diagnose(ctx, time.Now)
		if err := p.show(o, found, func(w *tabwriter.Writer) {
			tabled(w, "CHECK", "STATE", "FINDING", "REMEDY")
			for _, f := range found {
				tabled(w, f.Check, f.State, f.Finding, f.Remedy)
			}
		}); err != nil {
			return err
		}
		failures := 0
		for _, f := range found {
			if f.State == "failure" {
				failures++
			}
		}
		if failures > 0 {
			return fmt.Errorf("%d of %d checks failed", failures, len(found))
		}
		return nil
	})
	o = outputFlag(c, "table", "json", "yaml")
	return c
}

// diagnose makes all checks.
func (p *program) diagnose(ctx context.Context, clock func() time.Time) []finding {
	var found []finding
	found = append(found, p.checkFiles()...)
	found = append(found, p.checkDatabase(ctx, clock)...)
	return append(found, p.checkMail(ctx), p.checkPublicURL())
}

// checkFiles looks at who can read the database and the files of secret settings.
func (p *program) checkFiles() []finding {
	var found []finding
	for _, path := range store.SQLiteFiles(p.config.DatabaseURL.Reveal()) {
		if info, err := os.Stat(path); err == nil {
			found = append(found, checkMode("file "+path, info))
		}
	}
	for _, path := range p.config.SecretFiles() {
		info, err := os.Stat(path)
		if err != nil {
			found = append(found, broken("file "+path, err, "let the server's user read it"))
			continue
		}
		found = append(found, checkMode("file "+path, info))
	}
	return found
}

func checkMode(check string, info fs.FileInfo) finding {
	mode, remedy := fmt.Sprintf("mode %04o", info.Mode().Perm()), "chmod 600, for the server's user alone"
	switch {
	case info.Mode().Perm()&0o007 != 0:
		return failure(check, mode+": every user of this machine can read or change it", remedy)
	case info.Mode().Perm()&0o070 != 0:
		return warning(check, mode+": its group can read or change it", remedy)
	}
	return ok(check, mode)
}

// checkDatabase looks at the database, as far as it gets. It makes none that is missing.
func (p *program) checkDatabase(ctx context.Context, clock func() time.Time) []finding {
	if files := store.SQLiteFiles(p.config.DatabaseURL.Reveal()); len(files) > 0 {
		if _, err := os.Stat(files[0]); errors.Is(err, fs.ErrNotExist) {
			return []finding{failure("database", files[0]+" does not exist", "start `keytag serve`, which makes it, or correct KEYTAG_DATABASE_URL")}
		}
	}
	s, err := p.open(ctx)
	if err != nil {
		return []finding{broken("database", err, "start the database, and check host, user and password in KEYTAG_DATABASE_URL")}
	}
	defer s.Close()
	found := []finding{checkWritable(ctx, s)}
	found = append(found, checkDurability(ctx, s)...)
	if f, any := checkClock(ctx, s, clock); any {
		found = append(found, f)
	}
	pending, err := s.Pending(ctx)
	switch {
	case err != nil:
		return append(found, broken("migrations", err, "let the database's user read its tables"))
	case pending > 0:
		return append(found, failure("migrations", fmt.Sprintf("%d are pending", pending), "run `keytag migrate up`, or start `keytag serve`"))
	}
	return append(found, ok("migrations", "all are applied"), checkWorker(ctx, s, clock), p.checkSecrets(ctx, s))
}

// maxDelay is how long a job may be due without anybody taking it, while some are under way.
const maxDelay = 5 * time.Minute

func checkWorker(ctx context.Context, s *store.Store, clock func() time.Time) finding {
	late, err := queue.Due(ctx, s, clock().Add(-maxDelay))
	switch {
	case err != nil:
		return broken("worker", err, "check that the database answers")
	case late:
		return warning("worker", "a job has been due for more than "+maxDelay.String()+", and nobody took it", "start `keytag serve`, or `keytag work`; if one runs, see its log")
	}
	return ok("worker", "no job waits to be taken")
}

func checkWritable(ctx context.Context, s *store.Store) finding {
	writable, err := s.IsWritable(ctx)
	switch {
	case err != nil:
		return broken("database", err, "check that the database answers")
	case !writable:
		return failure("database", s.Dialect()+" answers, and is read-only", "let KEYTAG_DATABASE_URL lead to the primary, and the user write there")
	}
	return ok("database", s.Dialect()+" answers")
}

func checkDurability(ctx context.Context, s *store.Store) []finding {
	settings, err := s.Durability(ctx)
	if err != nil {
		return []finding{broken("durability", err, "let the database's user read its settings")}
	}
	var found []finding
	for _, setting := range settings {
		what := setting.Name + " is " + setting.Value
		if setting.IsSafe() {
			found = append(found, ok("durability", what))
			continue
		}
		remedy := "set it to " + setting.Safe[0] + " in postgresql.conf: else a crash or a power cut loses what was acknowledged"
		if s.Dialect() == "sqlite3" {
			remedy = "put the database on a local disk: this file system does not take " + setting.Safe[0]
		}
		found = append(found, failure("durability", what, remedy))
	}
	return found
}

// maxSkew is how far apart the clocks of this machine and of the database may be: instants are told to the second.
const maxSkew = time.Second

// checkClock compares with the database's clock, where that is another one. The way there and back is given credit for.
func checkClock(ctx context.Context, s *store.Store, clock func() time.Time) (finding, bool) {
	sent := clock()
	theirs, other, err := s.Clock(ctx)
	back := clock()
	if err != nil {
		return broken("clock", err, "check that the database answers"), true
	}
	if !other {
		return finding{}, false
	}
	return judgeClock(sent, theirs, back), true
}

func judgeClock(sent, theirs, back time.Time) finding {
	if skew := max(sent.Sub(theirs), theirs.Sub(back)); skew > maxSkew {
		return failure("clock", fmt.Sprintf("%s from the database's", skew.Round(time.Millisecond)), "have both machines follow a time server (NTP)")
	}
	return ok("clock", "agrees with the database's")
}

// checkSecrets looks whether what is sealed can be opened.
func (p *program) checkSecrets(ctx context.Context, s *store.Store) finding {
	const check = "encryption key"
	c, err := p.assemble(ctx, s, false)
	if err != nil {
		return broken(check, err, "correct what it says")
	}
	ofKeys, lostOfKeys, err := c.keys.Secrets(ctx)
	if err != nil {
		return broken(check, err, "check that the database answers")
	}
	ofAlerts, lostOfAlerts, err := c.alerts.Secrets(ctx)
	if err != nil {
		return broken(check, err, "check that the database answers")
	}
	kept, lost := ofKeys+ofAlerts, lostOfKeys+lostOfAlerts
	switch {
	case lost > 0:
		return failure(check, fmt.Sprintf("%d of %d webhook secrets cannot be opened, and their webhooks are not sent", lost, kept),
			"put the key that sealed them into KEYTAG_ENCRYPTION_KEY, after the one that is there")
	case p.config.EncryptionKey == "":
		return warning(check, "not set: webhooks and INLINE rotation are refused", "set KEYTAG_ENCRYPTION_KEY, to what `openssl rand -base64 32` prints")
	}
	return ok(check, fmt.Sprintf("set, and opens %d of %d webhook secrets", kept, kept))
}

func (p *program) checkMail(ctx context.Context) finding {
	sender, err := p.config.Mail()
	switch {
	case err != nil:
		return broken("mail", err, "correct what it says")
	case sender == nil:
		return warning("mail", "not set: alerts and reminders are not sent by e-mail", "set KEYTAG_SMTP_URL and KEYTAG_SMTP_FROM")
	}
	if err := sender.Check(ctx); err != nil {
		return broken("mail", err, "check KEYTAG_SMTP_URL, and that the mail server is reached from here")
	}
	return ok("mail", "the mail server answers, and lets keytag in")
}

func (p *program) checkPublicURL() finding {
	parsed, err := url.Parse(p.config.PublicURL)
	if err != nil {
		return broken("public URL", err, "correct KEYTAG_PUBLIC_URL")
	}
	host := parsed.Hostname()
	if ip := net.ParseIP(host); parsed.Scheme == "http" && host != "localhost" && !strings.HasSuffix(host, ".localhost") && (ip == nil || !ip.IsLoopback()) {
		return warning("public URL", p.config.PublicURL+" is not encrypted: keys are presented in the clear", "put a proxy with TLS before the server, and set KEYTAG_PUBLIC_URL to https://…")
	}
	return ok("public URL", p.config.PublicURL)
}

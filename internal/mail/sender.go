// Package mail sends e-mail through one SMTP server.
//
// Formats: RFC 5321 (SMTP), 3207 (STARTTLS), 4954 (AUTH), 5322 and 2045–2047 (messages), 3834
// (Auto-Submitted).
package mail

import (
	"context"
	"crypto/x509"
	"errors"
	netmail "net/mail"
	"time"
)

// Sender sends each message over a connection of its own: alerts are rare, and a connection that idles
// is one that has died when it is needed. It may be used by several goroutines.
type Sender struct {
	// Limit is how long one call may take.
	Limit time.Duration
	// RootCAs judge the server's certificate; nil stands for those of the system.
	RootCAs *x509.CertPool

	server *server
	from   *netmail.Address
}

// New reads KEYTAG_SMTP_URL and KEYTAG_SMTP_FROM; nothing connects yet. Errors name the variable and what
// it allows, and never repeat its value.
func New(url, from string) (*Sender, error) {
	server, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	address, ok := mailbox(from)
	if !ok {
		return nil, errors.New("KEYTAG_SMTP_FROM: write one address, anna@example.org or Anna <anna@example.org>")
	}
	return &Sender{Limit: 20 * time.Second, server: server, from: address}, nil
}

// Send sends m to all its recipients, or says in a *Failure why it did not.
//
// A server may accept some recipients and refuse others: those accepted get the message, and the failure
// lists them in Delivered, to be left out of a retry.
func (s *Sender) Send(ctx context.Context, m Message) error {
	to, content, err := s.compose(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Limit)
	defer cancel()
	client, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer quit(client)

	// A sender that is refused is a matter of settings: once they are corrected a retry succeeds.
	if err := client.Mail("<" + s.from.Address + ">"); err != nil {
		return s.temporary(ctx, "sender "+s.from.Address, err)
	}
	var delivered []string
	var refused refusals
	for i, address := range to {
		if err := client.Rcpt("<" + address.Address + ">"); err == nil {
			delivered = append(delivered, m.To[i])
		} else if reply, ok := replyTo(err); ok && reply.Code != 421 { // 421: the server hangs up
			refused = append(refused, refusal{address.Address, reply})
		} else {
			return s.temporary(ctx, address.Address, err)
		}
	}
	if len(delivered) == 0 {
		return &Failure{Permanent: refused.permanent(), Reason: refused.String()}
	}

	data, err := client.Data()
	if err != nil {
		return s.failure(ctx, "message", err)
	}
	if _, err := data.Write(content); err != nil {
		return s.failure(ctx, "message", err)
	}
	if err := data.Close(); err != nil {
		return s.failure(ctx, "message", err)
	}
	if len(refused) > 0 {
		return &Failure{Reason: refused.String(), Delivered: delivered}
	}
	return nil
}

// Check connects and authenticates, and sends nothing. The error is a *Failure.
func (s *Sender) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.Limit)
	defer cancel()
	client, err := s.connect(ctx)
	if err != nil {
		return err
	}
	quit(client)
	return nil
}

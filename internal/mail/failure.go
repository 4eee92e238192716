package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"strings"

	"github.com/keytag/keytag/internal/telemetry"
)

// Failure is why a message was not sent, or not to everyone.
type Failure struct {
	// Permanent says that the same message will be refused again: the server refused every recipient or
	// the message for good (5xx), or it is one that cannot be built.
	Permanent bool
	// Reason is short and safe to keep and to show. Of what a server says it holds the codes only: texts
	// of servers repeat what they were sent.
	Reason string
	// Delivered are those of To who got the message all the same.
	Delivered []string
}

func (f *Failure) Error() string { return "e-mail: " + f.Reason }

func (s *Sender) temporary(ctx context.Context, what string, err error) error {
	return &Failure{Reason: what + ": " + s.cause(ctx, err)}
}

// failure is permanent if the server said so.
func (s *Sender) failure(ctx context.Context, what string, err error) error {
	reply, ok := replyTo(err)
	return &Failure{Permanent: ok && reply.Code/100 == 5, Reason: what + ": " + s.cause(ctx, err)}
}

// cause tells err without anything the server or the message wrote.
func (s *Sender) cause(ctx context.Context, err error) string {
	var (
		network     *net.OpError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		malformed   textproto.ProtocolError
	)
	if reply, ok := replyTo(err); ok {
		return "refused with " + codes(reply)
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Sprintf("no answer in time, at most %s", s.Limit)
	case ctx.Err() != nil:
		return "cancelled"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server closed the connection"
	case errors.As(err, &malformed):
		return "the server does not answer in SMTP"
	case errors.As(err, &certificate):
		return short(certificate.Error())
	case errors.As(err, &record):
		return "the server does not answer in TLS"
	case errors.As(err, &network):
		return short(network.Error())
	}
	return "failed"
}

func replyTo(err error) (*textproto.Error, bool) {
	var reply *textproto.Error
	ok := errors.As(err, &reply)
	return reply, ok
}

var enhancedCode = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`) // RFC 3463

func codes(reply *textproto.Error) string {
	return strings.TrimSpace(fmt.Sprint(reply.Code, " ", enhancedCode.FindString(reply.Msg)))
}

// short is the first 200 bytes in one printable line. A certificate may hold any text.
func short(text string) string {
	text = telemetry.Redact(strings.ToValidUTF8(text, "?"))
	text = strings.Map(func(r rune) rune {
		if hasControl(string(r)) {
			return ' '
		}
		return r
	}, text)
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return text
}

type refusal struct {
	address string
	reply   *textproto.Error
}

type refusals []refusal

// permanent: a 552 to a recipient means too many of them, RFC 5321 section 4.5.3.1.10.
func (r refusals) permanent() bool {
	for _, one := range r {
		if one.reply.Code/100 != 5 || one.reply.Code == 552 {
			return false
		}
	}
	return true
}

func (r refusals) String() string {
	const named = 3
	var texts []string
	for _, one := range r[:min(len(r), named)] {
		texts = append(texts, one.address+" refused with "+codes(one.reply))
	}
	if more := len(r) - named; more > 0 {
		texts = append(texts, fmt.Sprintf("%d more refused", more))
	}
	return strings.Join(texts, ", ")
}

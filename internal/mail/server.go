package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

type security int

const (
	startTLS security = iota
	implicitTLS
	inClear
)

// server is where to send, and how to log in there.
type server struct {
	host, port string
	security   security
	// login answers the mechanism to use out of those offered, nil for none; login itself is nil without
	// credentials. A function, because fmt prints no password out of one.
	login func(offered []string) smtp.Auth
}

const urlForms = "write smtp://[user:password@]host[:587] (STARTTLS is required) or " +
	"smtps://[user:password@]host[:465], special characters of user and password percent-encoded"

func parseURL(text string) (*server, error) {
	invalid := func(why string) error { return errors.New("KEYTAG_SMTP_URL: " + why + "; " + urlForms) }

	u, err := url.Parse(text)
	if err != nil {
		return nil, invalid("not a URL") // err repeats the text, password and all
	}
	s := &server{host: u.Hostname(), port: u.Port()}
	switch u.Scheme {
	case "smtp":
		s.port = orElse(s.port, "587")
	case "smtps":
		s.port, s.security = orElse(s.port, "465"), implicitTLS
	default:
		return nil, invalid("the scheme is neither smtp nor smtps")
	}
	if s.host == "" || hasControl(s.host) {
		return nil, invalid("no host")
	}
	if n, err := strconv.ParseUint(s.port, 10, 16); err != nil || n == 0 {
		return nil, invalid("the port is not between 1 and 65535")
	}
	if u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return nil, invalid("something follows the host")
	}
	switch {
	case u.RawQuery == "":
	case u.RawQuery != "tls=none" || u.Scheme != "smtp":
		return nil, invalid("the only parameter is tls=none, of smtp:// to a loopback host")
	case !isLoopback(s.host):
		return nil, invalid("tls=none is for loopback hosts only: localhost, 127.0.0.0/8, ::1")
	default:
		s.security = inClear
	}
	if u.User == nil {
		return s, nil
	}
	user := u.User.Username()
	password, _ := u.User.Password()
	if user == "" || password == "" || hasControl(user) || hasControl(password) {
		return nil, invalid("user and password go together, without control characters")
	}
	s.login = func(offered []string) smtp.Auth {
		switch { // either inside verified TLS or on a loopback host
		case slices.Contains(offered, "PLAIN"):
			return smtp.PlainAuth("", user, password, s.host, true)
		case slices.Contains(offered, "LOGIN"):
			return smtp.LoginAuth(user, password, s.host, true)
		case slices.Contains(offered, "SCRAM-SHA-256"):
			return smtp.ScramSHA256Auth(user, password)
		}
		return nil
	}
	return s, nil
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// connect answers a connection that is ready for a message. It is severed when ctx ends, which no server
// can delay.
func (s *Sender) connect(ctx context.Context) (*smtp.Client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(s.server.host, s.server.port))
	if err != nil {
		return nil, s.temporary(ctx, "connection", err)
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })

	config := &tls.Config{ServerName: s.server.host, RootCAs: s.RootCAs, MinVersion: tls.VersionTLS12}
	talk := conn
	if s.server.security == implicitTLS {
		talk = tls.Client(conn, config)
	}
	client, err := smtp.NewClient(talk, s.server.host)
	if err != nil {
		return nil, s.temporary(ctx, "connection", err)
	}
	client.SkipSMTPUTF8(true) // every address is ASCII
	if err := client.Hello(localName()); err != nil {
		return nil, s.temporary(ctx, "greeting", err)
	}
	if s.server.security == startTLS {
		if offered, _ := client.Extension("STARTTLS"); !offered {
			return nil, &Failure{Reason: "the server offers no STARTTLS; nothing is sent in clear"}
		}
		if err := client.StartTLS(config); err != nil {
			return nil, s.temporary(ctx, "STARTTLS", err)
		}
	}
	if s.server.login == nil {
		return client, nil
	}
	_, offered := client.Extension("AUTH")
	auth := s.server.login(strings.Fields(strings.ToUpper(offered)))
	if auth == nil {
		return nil, &Failure{Reason: "the server offers no authentication by PLAIN, LOGIN or SCRAM-SHA-256"}
	}
	if err := client.Auth(auth); err != nil {
		return nil, s.temporary(ctx, "authentication", err)
	}
	return client, nil
}

// quit takes leave. What the server has accepted it has accepted, so it gets little time to answer.
func quit(client *smtp.Client) {
	if client.UpdateDeadline(2*time.Second) == nil {
		_ = client.Quit()
	}
}

func localName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return name
}

package smtptest

import (
	"io"
	"net"
	"slices"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/keytag/keytag/internal/evidence"
)

type session struct {
	server *Server
	conn   *smtp.Conn
	user   string
	from   string
	to     []string
}

func (s *Server) session(conn *smtp.Conn) (smtp.Session, error) {
	one := &session{server: s, conn: conn}
	return one, one.at(Hello)
}

func (s *session) at(stage Stage) error {
	if fault, ok := s.server.faultAt(stage); ok {
		return s.server.commit(fault, s.raw())
	}
	return nil
}

func (s *session) raw() net.Conn { return s.conn.Conn() }

func (s *session) AuthMechanisms() []string {
	if s.server.options.User == "" {
		return nil
	}
	return s.server.options.Mechanisms
}

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	if err := s.at(Auth); err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains(s.AuthMechanisms(), mechanism):
	case mechanism == "PLAIN":
		return sasl.NewPlainServer(func(_, user, password string) error { return s.admit(user, password) }), nil
	case mechanism == "LOGIN":
		return &login{admit: s.admit}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (s *session) admit(user, password string) error {
	if user != s.server.options.User || password != s.server.options.Password {
		return smtp.ErrAuthFailed
	}
	s.user = user
	return nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if err := s.at(Mail); err != nil {
		return err
	}
	if s.user != s.server.options.User {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.at(Rcpt); err != nil {
		return err
	}
	if fault, ok := s.server.faultOf(to); ok {
		return s.server.commit(fault, s.raw())
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	evidence.Keep(evidence.Mails, content)
	if err := s.at(Content); err != nil {
		return err
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.server.mutex.Lock()
	defer s.server.mutex.Unlock()
	s.server.messages = append(s.server.messages,
		Message{From: s.from, To: slices.Clone(s.to), Content: content, User: s.user, TLS: encrypted})
	return nil
}

func (s *session) Reset()        { s.from, s.to = "", nil }
func (s *session) Logout() error { return nil }

// login is the server's side of AUTH LOGIN: it asks for the user, then for the password.
type login struct {
	admit func(user, password string) error
	heard []string
}

func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	if response != nil {
		l.heard = append(l.heard, string(response))
	}
	switch len(l.heard) {
	case 0:
		return []byte("Username:"), false, nil
	case 1:
		return []byte("Password:"), false, nil
	}
	return nil, true, l.admit(l.heard[0], l.heard[1])
}

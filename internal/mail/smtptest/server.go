// Package smtptest runs an SMTP server that keeps what it receives, and fails where it is told to.
package smtptest

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// Security is how the server speaks TLS.
type Security int

// The server offers STARTTLS, speaks TLS from the first byte, or knows no TLS.
const (
	StartTLS Security = iota
	ImplicitTLS
	InClear
)

// Options of a server. The zero value offers STARTTLS and lets anyone send.
type Options struct {
	Security Security
	// User and Password are asked for unless empty.
	User, Password string
	// Mechanisms offered for them, out of PLAIN and LOGIN; PLAIN when nil.
	Mechanisms []string
	// CertifiedHost is the host the certificate speaks of; 127.0.0.1, where the server is, when empty.
	CertifiedHost string
}

// Message is one that the server accepted.
type Message struct {
	From string
	To   []string
	// Content is the message in the format of RFC 5322.
	Content []byte
	// User is who logged in, TLS whether the message came encrypted.
	User string
	TLS  bool
}

// Server listens on a free port of 127.0.0.1.
type Server struct {
	// RootCAs hold the authority that signed the server's certificate.
	RootCAs *x509.CertPool

	options Options
	address string
	done    chan struct{}

	mutex      sync.Mutex
	faults     map[Stage]Fault
	recipients map[string]Fault
	messages   []Message
	heard      []byte
}

// Start runs a server until the test ends.
func Start(t testing.TB, options Options) *Server {
	t.Helper()
	if options.CertifiedHost == "" {
		options.CertifiedHost = "127.0.0.1"
	}
	if options.Mechanisms == nil {
		options.Mechanisms = []string{"PLAIN"}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	certificate, roots := certify(t, options.CertifiedHost)
	s := &Server{
		RootCAs: roots, options: options, address: listener.Addr().String(), done: make(chan struct{}),
		faults: map[Stage]Fault{}, recipients: map[string]Fault{},
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	listener = tap{listener, s}

	server := smtp.NewServer(smtp.BackendFunc(s.session))
	server.Domain = "smtptest"
	server.ErrorLog = log.New(io.Discard, "", 0)
	switch options.Security {
	case StartTLS:
		server.TLSConfig = config
	case ImplicitTLS:
		listener = tls.NewListener(listener, config)
	case InClear:
		server.AllowInsecureAuth = true
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		close(s.done)
		_ = server.Close()
		_ = listener.Close() // which Close does not know if Serve has not come that far
		<-stopped
	})
	return s
}

// URL is where a client sends to, with user and password if the server asks for them.
func (s *Server) URL() string {
	u := url.URL{Scheme: "smtp", Host: s.address}
	if s.options.User != "" {
		u.User = url.UserPassword(s.options.User, s.options.Password)
	}
	switch s.options.Security {
	case ImplicitTLS:
		u.Scheme = "smtps"
	case InClear:
		u.RawQuery = "tls=none"
	}
	return u.String()
}

// Messages are those accepted so far.
func (s *Server) Messages() []Message {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.messages)
}

// Heard is every byte that came in, as it was on the wire.
func (s *Server) Heard() []byte {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.heard)
}

// Forget drops what was accepted and heard.
func (s *Server) Forget() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.messages, s.heard = nil, nil
}

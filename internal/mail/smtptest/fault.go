package smtptest

import (
	"bytes"
	"fmt"
	"net"

	"github.com/emersion/go-smtp"
)

// Stage is a step of the conversation.
type Stage string

// The stages in the order of a conversation. Data is the command, Content the message after it; Data and
// Quit fail only on a connection in clear.
const (
	Greeting Stage = "greeting"
	Hello    Stage = "EHLO"
	TLS      Stage = "STARTTLS"
	Auth     Stage = "AUTH"
	Mail     Stage = "MAIL"
	Rcpt     Stage = "RCPT"
	Data     Stage = "DATA"
	Content  Stage = "content"
	Quit     Stage = "QUIT"
)

// Fault is what happens at a stage instead of its work: a reply, or silence, or the end of the connection.
type Fault struct {
	Code     int
	Enhanced smtp.EnhancedCode
	Text     string

	Hang, Close bool
}

// Fail sets the fault of a stage.
func (s *Server) Fail(at Stage, fault Fault) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.faults[at] = fault
}

// FailRecipient sets the fault of one address.
func (s *Server) FailRecipient(address string, fault Fault) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.recipients[address] = fault
}

// Heal removes all faults.
func (s *Server) Heal() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	clear(s.faults)
	clear(s.recipients)
}

func (s *Server) faultAt(stage Stage) (Fault, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	fault, ok := s.faults[stage]
	return fault, ok
}

func (s *Server) faultOf(address string) (Fault, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	fault, ok := s.recipients[address]
	return fault, ok
}

// commit does what the fault says; the error is the reply.
func (s *Server) commit(fault Fault, conn net.Conn) error {
	switch {
	case fault.Hang:
		<-s.done
		return net.ErrClosed
	case fault.Close:
		_ = conn.Close()
		return net.ErrClosed
	}
	return &smtp.SMTPError{Code: fault.Code, EnhancedCode: fault.Enhanced, Message: fault.Text}
}

// tap is a listener whose connections record what they hear, and fail at the stages the library gives no
// hand in, which they know by the reply about to be written.
type tap struct {
	net.Listener
	server *Server
}

func (t tap) Accept() (net.Conn, error) {
	conn, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tapped{conn, t.server}, nil
}

type tapped struct {
	net.Conn
	server *Server
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.server.mutex.Lock()
	defer c.server.mutex.Unlock()
	c.server.heard = append(c.server.heard, p[:n]...)
	return n, err
}

var stageOfReply = []struct {
	start string
	stage Stage
}{{"220 2.0.0", TLS}, {"220 ", Greeting}, {"354 ", Data}, {"221 ", Quit}}

func (c *tapped) Write(p []byte) (int, error) {
	for _, reply := range stageOfReply {
		if !bytes.HasPrefix(p, []byte(reply.start)) {
			continue
		}
		fault, ok := c.server.faultAt(reply.stage)
		if !ok {
			break
		}
		if fault.Code != 0 {
			_, _ = fmt.Fprintf(c.Conn, "%d %s\r\n", fault.Code, fault.Text)
			fault.Close = true
		}
		return 0, c.server.commit(fault, c.Conn)
	}
	return c.Conn.Write(p)
}

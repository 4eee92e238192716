package mail_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/keytag/keytag/internal/mail"
	"github.com/keytag/keytag/internal/mail/smtptest"
)

var stages = []smtptest.Stage{
	smtptest.Greeting, smtptest.Hello, smtptest.TLS, smtptest.Auth, smtptest.Mail, smtptest.Rcpt, smtptest.Data, smtptest.Content,
}

// serverFor is one whose conversation has the stage.
func serverFor(t *testing.T, stage smtptest.Stage) *smtptest.Server {
	t.Helper()
	options := smtptest.Options{User: "keytag", Password: password}
	if stage == smtptest.Data || stage == smtptest.Quit {
		options.Security = smtptest.InClear
	}
	return smtptest.Start(t, options)
}

func failureOf(t *testing.T, err error) *mail.Failure {
	t.Helper()
	var failure *mail.Failure
	if !errors.As(err, &failure) {
		t.Fatalf("want a failure, got %v", err)
	}
	if strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "echo") || len(err.Error()) > 300 ||
		strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("not short, or it repeats what was sent: %q", err)
	}
	return failure
}

// A refusal is for good if it is the message or the recipients that were refused; what is wrong with
// connection, account or sender, somebody corrects.
func TestRefusalsAtEachStage(t *testing.T) {
	final := []smtptest.Stage{smtptest.Rcpt, smtptest.Data, smtptest.Content}
	for _, stage := range stages {
		for _, code := range []int{421, 451, 550, 554} {
			t.Run(fmt.Sprint(stage, " ", code), func(t *testing.T) {
				server := serverFor(t, stage)
				server.Fail(stage, smtptest.Fault{
					Code: code, Enhanced: smtp.EnhancedCode{code / 100, 1, 1}, Text: "echo " + password + " " + message.Subject,
				})
				sender := newSender(t, server)
				failure := failureOf(t, sender.Send(t.Context(), message))
				if want := code >= 500 && slices.Contains(final, stage); failure.Permanent != want {
					t.Errorf("permanent is %t, want %t: %v", failure.Permanent, want, failure)
				}
				if !strings.Contains(failure.Reason, fmt.Sprint("refused with ", code)) {
					t.Errorf("does not say %d: %s", code, failure.Reason)
				}
				if len(failure.Delivered) > 0 || len(server.Messages()) > 0 {
					t.Errorf("sent all the same: %v", failure.Delivered)
				}
				server.Heal()
				if err := sender.Send(t.Context(), message); err != nil || len(server.Messages()) != 1 {
					t.Errorf("once the server is healed: %v, %d messages", err, len(server.Messages()))
				}
			})
		}
	}
}

func TestServersThatHangOrClose(t *testing.T) {
	const limit = 300 * time.Millisecond
	for _, stage := range stages {
		t.Run("hang "+string(stage), func(t *testing.T) {
			t.Parallel()
			server := serverFor(t, stage)
			server.Fail(stage, smtptest.Fault{Hang: true})
			sender := newSender(t, server)
			sender.Limit = limit
			start := time.Now()
			failure := failureOf(t, sender.Send(t.Context(), message))
			if failure.Permanent || !strings.Contains(failure.Reason, "no answer in time, at most 300ms") {
				t.Errorf("permanent %t: %s", failure.Permanent, failure.Reason)
			}
			if took := time.Since(start); took < limit || took > limit+5*time.Second {
				t.Errorf("took %s, the limit is %s", took, limit)
			}
		})
		t.Run("close "+string(stage), func(t *testing.T) {
			t.Parallel()
			server := serverFor(t, stage)
			server.Fail(stage, smtptest.Fault{Close: true})
			failure := failureOf(t, newSender(t, server).Send(t.Context(), message))
			if failure.Permanent || strings.Contains(failure.Reason, "no answer") {
				t.Errorf("permanent %t: %s", failure.Permanent, failure.Reason)
			}
		})
	}
}

func TestCancelledWhileTheServerHangs(t *testing.T) {
	server := serverFor(t, smtptest.Rcpt)
	server.Fail(smtptest.Rcpt, smtptest.Fault{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	start := time.Now()
	failure := failureOf(t, newSender(t, server).Send(ctx, message))
	if failure.Permanent || !strings.Contains(failure.Reason, "cancelled") || time.Since(start) > 10*time.Second {
		t.Errorf("after %s, permanent %t: %s", time.Since(start), failure.Permanent, failure.Reason)
	}
}

// What the server has accepted is sent, whatever it makes of QUIT.
func TestAnswerToQuitDoesNotMatter(t *testing.T) {
	for name, fault := range map[string]smtptest.Fault{
		"hang": {Hang: true}, "close": {Close: true}, "refuse": {Code: 554, Text: "stay"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serverFor(t, smtptest.Quit)
			server.Fail(smtptest.Quit, fault)
			start := time.Now()
			if err := newSender(t, server).Send(t.Context(), message); err != nil {
				t.Error(err)
			}
			if len(server.Messages()) != 1 || time.Since(start) > 10*time.Second {
				t.Errorf("%d messages after %s", len(server.Messages()), time.Since(start))
			}
		})
	}
}

func TestSeveralRecipients(t *testing.T) {
	const anna, bob, carl = "anna@example.org", "Bob <bob@example.org>", "carl@example.org"
	gone := smtptest.Fault{Code: 550, Enhanced: smtp.EnhancedCode{5, 1, 1}, Text: "echo"}
	full := smtptest.Fault{Code: 452, Enhanced: smtp.EnhancedCode{4, 2, 2}, Text: "echo"}
	tooMany := smtptest.Fault{Code: 552, Enhanced: smtp.EnhancedCode{5, 5, 3}, Text: "echo"}
	for name, c := range map[string]struct {
		faults    map[string]smtptest.Fault
		delivered []string
		permanent bool
	}{
		"one gone":             {map[string]smtptest.Fault{"bob@example.org": gone}, []string{anna, carl}, false},
		"one full":             {map[string]smtptest.Fault{anna: full}, []string{bob, carl}, false},
		"the server hangs up":  {map[string]smtptest.Fault{carl: {Code: 421, Enhanced: smtp.EnhancedCode{4, 3, 2}}}, nil, false},
		"one left":             {map[string]smtptest.Fault{anna: full, carl: gone}, []string{bob}, false},
		"all gone":             {map[string]smtptest.Fault{anna: gone, "bob@example.org": gone, carl: gone}, nil, true},
		"all, one only full":   {map[string]smtptest.Fault{anna: gone, "bob@example.org": full, carl: gone}, nil, false},
		"all, one as too many": {map[string]smtptest.Fault{anna: gone, "bob@example.org": gone, carl: tooMany}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := smtptest.Start(t, smtptest.Options{})
			for address, fault := range c.faults {
				server.FailRecipient(address, fault)
			}
			m := message
			m.To = []string{anna, bob, carl}
			failure := failureOf(t, newSender(t, server).Send(t.Context(), m))
			if failure.Permanent != c.permanent || !slices.Equal(failure.Delivered, c.delivered) {
				t.Errorf("permanent %t, delivered %q; want %t, %q", failure.Permanent, failure.Delivered, c.permanent, c.delivered)
			}
			for address, fault := range c.faults {
				code := fmt.Sprint("refused with ", fault.Code)
				if !strings.Contains(failure.Reason, address) || !strings.Contains(failure.Reason, code) {
					t.Errorf("does not say %s, %s: %s", address, code, failure.Reason)
				}
			}
			got := 0
			for _, m := range server.Messages() {
				got += len(m.To)
			}
			if got != len(c.delivered) {
				t.Errorf("the server took it for %d, want %d", got, len(c.delivered))
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	sender, err := mail.New("smtp://keytag:"+password+"@"+address, from)
	if err != nil {
		t.Fatal(err)
	}
	failure := failureOf(t, sender.Send(t.Context(), message))
	if failure.Permanent || !strings.Contains(failure.Reason, "connection refused") {
		t.Errorf("permanent %t: %s", failure.Permanent, failure.Reason)
	}
}

// A server that answers the password with a line outside the protocol: parsers quote such lines.
func TestAnswersOutsideTheProtocol(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		buffer := make([]byte, 1024)
		for _, answer := range []string{"220 hello\r\n", "250-hello\r\n250 AUTH PLAIN\r\n", "echo " + password + "\r\n"} {
			_, _ = conn.Write([]byte(answer))
			_, _ = conn.Read(buffer)
		}
	}()
	sender, err := mail.New("smtp://keytag:"+password+"@"+listener.Addr().String()+"?tls=none", from)
	if err != nil {
		t.Fatal(err)
	}
	failure := failureOf(t, sender.Send(t.Context(), message))
	if failure.Permanent || !strings.Contains(failure.Reason, "does not answer in SMTP") {
		t.Errorf("permanent %t: %s", failure.Permanent, failure.Reason)
	}
}

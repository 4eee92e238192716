// Package rig is what benchmarks of the whole program stand on: a filled database, and the real
// server over it, in a process of its own.
package rig

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Program is the real one, built afresh.
type Program struct{ directory string }

// Build builds the program from the module that the working directory is in.
func Build(ctx context.Context) (*Program, error) {
	directory, err := os.MkdirTemp("", "keytag-bench-")
	if err != nil {
		return nil, err
	}
	p := &Program{directory}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", p.path(), "github.com/keytag/keytag/cmd/keytag").CombinedOutput(); err != nil {
		p.Remove()
		return nil, fmt.Errorf("build: %w: %s", err, out)
	}
	return p, nil
}

func (p *Program) path() string { return filepath.Join(p.directory, "keytag") }

// Remove deletes what Build made.
func (p *Program) Remove() { os.RemoveAll(p.directory) }

// Core is one that a process is held to.
type Core int

// AnyCore holds a process to none.
const AnyCore Core = -1

// Command is one that runs on a core.
func (c Core) Command(ctx context.Context, path string, args ...string) *exec.Cmd {
	if c == AnyCore {
		return exec.CommandContext(ctx, path, args...)
	}
	return exec.CommandContext(ctx, "taskset", append([]string{"--cpu-list", strconv.Itoa(int(c)), path}, args...)...)
}

// Serve returns a server over a database, as KEYTAG_DATABASE_URL takes it, that listens.
func (p *Program) Serve(ctx context.Context, core Core, database string, args ...string) (*Server, error) {
	c := core.Command(ctx, p.path(), append([]string{"serve"}, args...)...)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "KEYTAG_DATABASE_URL=" + absolute(database), "KEYTAG_LISTEN=127.0.0.1:0", "KEYTAG_LOG_FORMAT=json"}
	c.Dir = p.directory
	return Listen(c)
}

func absolute(database string) string {
	path, ok := strings.CutPrefix(database, "sqlite://")
	if !ok {
		return database
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return database
	}
	return "sqlite://" + path
}

// Server is a process that serves HTTP, until Kill.
type Server struct {
	// Address is host:port.
	Address string
	command *exec.Cmd
	ended   chan struct{}
}

// Listen starts a command that logs as keytag does, in JSON to standard error, and returns when it
// listens. Its warnings go to standard error.
func Listen(c *exec.Cmd) (*Server, error) {
	stderr, err := c.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	s := &Server{command: c, ended: make(chan struct{})}
	listening := make(chan string, 1)
	go func() {
		defer close(s.ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if bytes.Contains(lines.Bytes(), requestLine) {
				continue // one for each: to read them all would take the core from the load
			}
			var line struct{ Level, Msg, Address string }
			switch err := json.Unmarshal(lines.Bytes(), &line); {
			case err != nil || line.Level == "WARN" || line.Level == "ERROR":
				fmt.Fprintln(os.Stderr, lines.Text())
			case line.Msg == "listening":
				listening <- line.Address
			}
		}
		_ = c.Wait() // it is killed in the end
	}()
	select {
	case s.Address = <-listening:
		return s, nil
	case <-s.ended:
		return nil, errors.New("the server ended at once")
	case <-time.After(30 * time.Second):
		s.Kill()
		return nil, errors.New("the server does not listen")
	}
}

var requestLine = []byte(`"level":"INFO","msg":"request"`)

// URL is that of the server, without a slash at its end.
func (s *Server) URL() string { return "http://" + s.Address }

// Kill ends the process and waits for its end.
func (s *Server) Kill() {
	_ = s.command.Process.Kill() // it may have ended
	<-s.ended
}

// Resident is the memory of the process that is in RAM, in MiB.
func (s *Server) Resident() float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kib, _ := strconv.ParseFloat(fields[1], 64)
			return kib / 1024
		}
	}
	return 0
}

// ticks are the units of time in /proc on Linux, a second.
const ticks = 100

// CPU is what the process has used up to now, in steps of 10 ms.
func (s *Server) CPU() time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.command.Process.Pid))
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks
}

// Settle waits until the machine has little to do, such as what servers write after they answered; for half a
// minute at most.
func Settle(ctx context.Context) {
	const span, most = 200 * time.Millisecond, 0.06 // of one core
	before := busy()
	for over := time.Now().Add(30 * time.Second); time.Now().Before(over) && ctx.Err() == nil; {
		time.Sleep(span)
		now := busy()
		if (now - before).Seconds() < most*span.Seconds() {
			return
		}
		before = now
	}
}

// busy is how long all cores together have worked up to now.
func busy() time.Duration {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	var worked int
	for i, field := range strings.Fields(line) {
		if n, err := strconv.Atoi(field); err == nil && i != 4 && i != 5 { // idle, and waiting for a disk
			worked += n
		}
	}
	return time.Duration(worked) * time.Second / ticks
}

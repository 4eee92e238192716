package main

import (
	"bufio"
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

// program is the real one, built afresh.
type program struct{ directory string }

func build(ctx context.Context) (*program, error) {
	directory, err := os.MkdirTemp("", "keytag-policy-")
	if err != nil {
		return nil, err
	}
	p := &program{directory}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", p.path(), "github.com/keytag/keytag/cmd/keytag").CombinedOutput(); err != nil {
		p.remove()
		return nil, fmt.Errorf("build: %w: %s", err, out)
	}
	return p, nil
}

func (p *program) path() string { return filepath.Join(p.directory, "keytag") }
func (p *program) remove()      { os.RemoveAll(p.directory) }

// server is one that runs, until kill.
type server struct {
	command *exec.Cmd
	url     string
	ended   chan struct{}
}

// start returns a server that listens. Its warnings go to standard error.
func (p *program) start(ctx context.Context, database string) (*server, error) {
	c := exec.CommandContext(ctx, p.path(), "serve")
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "KEYTAG_DATABASE_URL=" + absolute(database), "KEYTAG_LISTEN=127.0.0.1:0", "KEYTAG_LOG_FORMAT=json"}
	c.Dir = p.directory
	stderr, err := c.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	s := &server{command: c, ended: make(chan struct{})}
	listening := make(chan string, 1)
	go func() {
		defer close(s.ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
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
	case address := <-listening:
		s.url = "http://" + address
		return s, nil
	case <-s.ended:
		return nil, errors.New("the server ended at once")
	case <-time.After(30 * time.Second):
		s.kill()
		return nil, errors.New("the server does not listen")
	}
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

func (s *server) kill() {
	_ = s.command.Process.Kill() // it may have ended
	<-s.ended
}

// resident is the memory of the server's process that is in RAM, in MiB.
func (s *server) resident() float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kib, _ := strconv.ParseFloat(fields[1], 64)
			return kib / 1024
		}
	}
	return 0
}

// Command withpostgres runs a command with KEYTAG_TEST_POSTGRES_URL leading to a throw-away
// PostgreSQL server, so that all test packages share one: withpostgres go test ./...
// It exits as the command does. If the variable is set already, the command gets that server.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/store/storetest/pgserver"
)

const variable = "KEYTAG_TEST_POSTGRES_URL"

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "withpostgres:", err)
	}
	os.Exit(code)
}

func run(command []string) (int, error) {
	if len(command) == 0 {
		return 2, errors.New("usage: withpostgres COMMAND [ARGUMENT…]")
	}
	// The command decides what a signal means; the server ends when the command has.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if os.Getenv(variable) == "" {
		server, err := pgserver.Start(context.Background())
		if err != nil {
			return 1, err
		}
		defer func() {
			evidence.Link(evidence.Logs, "postgresql", server.Log())
			_ = server.Stop()
		}()
		if err := os.Setenv(variable, server.URL()); err != nil {
			return 1, err
		}
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may just have ended
		}
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// Command withevidence runs a command that runs all tests, has them keep what they leave behind, and searches
// that for every secret that they minted: withevidence go test -tags keytaghooks ./...
// It exits as the command does if that fails, and otherwise with 1 when a secret is found or too little was
// kept to tell. The evidence goes, unless something was found in it.
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
)

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "withevidence:", err)
	}
	os.Exit(code)
}

func run(command []string) (int, error) {
	if len(command) == 0 {
		return 2, errors.New("usage: withevidence COMMAND [ARGUMENT…]")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	directory, err := os.MkdirTemp("", "keytag-evidence-")
	if err != nil {
		return 1, err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), evidence.Variable+"="+directory)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Run(); err != nil {
		err = errors.Join(err, os.RemoveAll(directory))
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
			return exit.ExitCode(), err
		}
		return 1, err
	}
	found, err := search(directory)
	if err != nil {
		return 1, errors.Join(err, os.RemoveAll(directory))
	}
	fmt.Print(found)
	if err := found.verdict(); err != nil {
		if len(found.hits) == 0 {
			err = errors.Join(err, os.RemoveAll(directory))
		}
		return 1, err
	}
	return 0, os.RemoveAll(directory)
}

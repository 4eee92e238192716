package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/keytag/keytag/internal/config"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/telemetry"
)

// version is set by the linker for releases.
var version = "dev"

// program is what every command works with.
type program struct {
	config  config.Config
	log     *slog.Logger
	environ []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
}

// run executes the command line and returns the exit code. Data goes to stdout, talk to stderr.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{environ: environ, stdin: stdin, stdout: stdout, stderr: stderr}
	root := p.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "keytag:", telemetry.Redact(err.Error()))
	}
	return exitCode(err)
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "keytag",
		Short:         "A self-hosted GraphQL server for the whole life of API keys",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return errUsage{err} })
	root.AddCommand(p.serveCommand(), p.workCommand(), p.migrateCommand(), p.initCommand(), p.adminCommand(),
		p.whoamiCommand(), p.keysCommand(), p.configCommand(), p.doctorCommand(), p.healthCommand(), p.versionCommand())
	return root
}

// noArgs refuses arguments, also a command that does not exist.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errUsage{fmt.Errorf("unknown command or argument %q; see %s --help", args[0], c.CommandPath())}
	}
	return nil
}

// configured makes a command that needs the configuration.
func (p *program) configured(use, short string, do func(context.Context) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noArgs}
	config.Flags(c.Flags())
	c.RunE = func(c *cobra.Command, _ []string) error {
		var err error
		if p.config, err = config.Load(c.Flags(), p.environ); err != nil {
			return errUsage{err}
		}
		p.log = telemetry.Logger(p.stderr, p.config.LogLevel, p.config.LogFormat)
		for _, name := range p.config.Unknown() {
			p.log.Warn("unknown setting in the environment", "variable", name)
		}
		return do(c.Context())
	}
	return c
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		Run: func(*cobra.Command, []string) { fmt.Fprintln(p.stdout, "keytag", programVersion()) },
	}
}

// programVersion is the one the linker set, else that of the module.
func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && version == "dev" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return version
}

// open opens the database that the configuration names.
func (p *program) open(ctx context.Context) (*store.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return store.Open(ctx, p.config.DatabaseURL.Reveal())
}

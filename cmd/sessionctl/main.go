// Command sessionctl looks after the sessions of any driver: it lists, shows, ends,
// counts, sweeps, checks and moves them. See sessionctl --help.
//
// It knows sessions by their keys, which end a session and admit nobody; of IDs it
// has none.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	_ "gosession.dev/session/drivers/cookie"
	_ "gosession.dev/session/drivers/memcache"
	_ "gosession.dev/session/drivers/memory"
	_ "gosession.dev/session/drivers/migrate"
	_ "gosession.dev/session/drivers/mongo"
	_ "gosession.dev/session/drivers/sqlite"
)

// Exit codes, for scripts.
const (
	exitFailed   = 1 // the store failed, or the answer to a question was no
	exitUsage    = 2
	exitNotFound = 3 // there is no such session
	exitCorrupt  = 4 // there are sessions that can't be read
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	c := &ctl{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	os.Exit(c.run(ctx, os.Args[1:]))
}

// ctl is one run of the program.
type ctl struct {
	in          io.Reader
	out, err    io.Writer
	driver, dsn string
}

// run executes the command that args are, and returns the exit code.
func (c *ctl) run(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(long(root, args))
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(c.err, "%s %v\n", paint(c.err, red, "sessionctl:"), err)
	return exitCode(err)
}

// coded is an error with an exit code.
type coded struct {
	error
	code int
}

func (e coded) Unwrap() error { return e.error }

func exitCode(err error) int {
	e, ok := errors.AsType[coded](err)
	switch {
	case ok:
		return e.code
	case strings.HasPrefix(err.Error(), "unknown command"): // as cobra says it
		return exitUsage
	case errors.Is(err, session.ErrNotFound):
		return exitNotFound
	case isUnreadable(err):
		return exitCorrupt
	}
	return exitFailed
}

func usage(format string, args ...any) error { return coded{fmt.Errorf(format, args...), exitUsage} }

const description = `sessionctl looks after the sessions of any driver of gosession.dev/session.

Say which by --driver and --dsn, or by the environment: SESSION_DRIVER and
SESSION_DSN, where a password is not seen by others who list processes. If
sessions are sealed, SESSION_KEYS has the secrets of Config.Keys. It shows what
the backend has: an application that has shortened its timeouts since may hold
a session for over.

It exits with 1 if the store fails, 2 if it does not understand, 3 if there is no
such session, and 4 if there are sessions that can't be read.`

const examples = `  sessionctl list -driver sqlite -dsn file:sessions.db
  sessionctl end --subject user:42
  sessionctl copy --to-driver mongo --to-dsn mongodb://host/app`

func (c *ctl) root() *cobra.Command {
	root := &cobra.Command{
		Use: "sessionctl", Short: "look after sessions", Long: description, Example: examples,
		SilenceErrors: true, SilenceUsage: true,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		root.Version = info.Main.Version
	}
	root.PersistentFlags().StringVar(&c.driver, "driver", os.Getenv("SESSION_DRIVER"), "the driver: "+strings.Join(session.Drivers(), ", "))
	root.PersistentFlags().StringVar(&c.dsn, "dsn", "", "the DSN, as its driver wants it (default is SESSION_DSN)")
	_ = root.RegisterFlagCompletionFunc("driver", cobra.FixedCompletions(session.Drivers(), cobra.ShellCompDirectiveNoFileComp))
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return coded{err, exitUsage} })
	root.AddCommand(
		c.list(), c.show(), c.end(), c.count(), c.sweep(), c.ping(), c.drivers(), c.check(), c.bench(), c.copy(),
	)
	return root
}

// noTimeouts let no session be over but by what its record says: those of the
// application are not known here.
var noTimeouts = session.Timeouts{Idle: 100 * 365 * 24 * time.Hour, Lifetime: 100 * 365 * 24 * time.Hour}

// opened is the backend that the flags name.
type opened struct {
	*session.Factory
	store   driver.Store     // for what the factory does not tell
	secrets []session.Secret // of SESSION_KEYS
}

// open opens the backend that the flags name, and sweeps nothing by itself.
func (c *ctl) open(timeouts session.Timeouts) (f opened, err error) {
	cfg := session.Config{Timeouts: timeouts, SweepInterval: -1}
	if text := os.Getenv("SESSION_KEYS"); text != "" {
		if f.secrets, err = session.ParseSecrets(text); err != nil {
			return f, coded{fmt.Errorf("SESSION_KEYS: %w", err), exitUsage}
		}
		cfg.Keys, cfg.InsecureReadUnsealed = f.secrets, true
	}
	if f.store, err = openStore(c.driver, c.dsnOrEnv()); err != nil {
		return f, err
	}
	if odd := c.odd(); odd != "" {
		fmt.Fprintln(c.err, "sessionctl:", odd)
	}
	f.Factory, err = cfg.New(f.store)
	return f, err
}

func (c *ctl) dsnOrEnv() string {
	if c.dsn == "" {
		return os.Getenv("SESSION_DSN")
	}
	return c.dsn
}

type command func(cmd *cobra.Command, f opened, args []string) error

// with runs do with the backend that the flags name, to look at what there is.
func (c *ctl) with(do command) func(*cobra.Command, []string) error {
	return c.withTimeouts(noTimeouts, do)
}

// withTimeouts is for what makes sessions of its own.
func (c *ctl) withTimeouts(timeouts session.Timeouts, do command) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		f, err := c.open(timeouts)
		if err != nil {
			return err
		}
		return errors.Join(explain(do(cmd, f, args)), f.Close())
	}
}

// explain says what to do about an error.
func explain(err error) error {
	if errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("%w: this driver can't do that; see the comment of its package", err)
	}
	return err
}

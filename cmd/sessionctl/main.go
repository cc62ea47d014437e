// Command sessionctl manages the sessions in a backend: it lists, shows, ends, counts,
// sweeps, checks, reseals, copies and moves them, with any driver of this repository. See
// sessionctl --help.
//
// It names sessions by their keys. A key can end a session, and cannot sign in as its user;
// sessionctl has no session IDs.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/cookie"
	_ "gosession.dev/session/drivers/memcache"
	_ "gosession.dev/session/drivers/memory"
	_ "gosession.dev/session/drivers/migrate"
	_ "gosession.dev/session/drivers/mongo"
	_ "gosession.dev/session/drivers/mysql"
	_ "gosession.dev/session/drivers/postgres"
	_ "gosession.dev/session/drivers/redis"
	_ "gosession.dev/session/drivers/sqlite"
)

// Exit codes, for scripts.
const (
	exitFailed   = 1 // the backend failed, or the operator interrupted or did not confirm
	exitUsage    = 2 // the command line, the environment or the DSN is wrong
	exitNotFound = 3 // a key has no session
	exitCorrupt  = 4 // sessions can't be read, are not sealed, or were left behind
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills the process
	c := &ctl{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	os.Exit(c.run(ctx, os.Args[1:]))
}

// ctl is one run of the command.
type ctl struct {
	in          io.Reader
	out, err    io.Writer
	driver, dsn string
	json        bool
}

// run executes the command line args and returns the exit code.
func (c *ctl) run(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(normalize(root, args))
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(c.err, "%s %s\n", paint(c.err, red, "sessionctl:"), plain(strings.TrimSuffix(line, "\n")))
	}
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
	case strings.HasPrefix(err.Error(), "unknown command"): // an error of cobra
		return exitUsage
	case errors.Is(err, session.ErrNotFound):
		return exitNotFound
	case isUnreadable(err):
		return exitCorrupt
	}
	return exitFailed
}

func usage(format string, args ...any) error { return coded{fmt.Errorf(format, args...), exitUsage} }

const description = `Manage the sessions in a backend: list, show, end, count, check, copy and move them.

Name the backend with --driver and --dsn, or in the environment with SESSION_DRIVER
and SESSION_DSN. Every user of the machine can read the arguments of a process: put a
DSN that has a password in the environment. If sessions are sealed, set
SESSION_SECRETS to the secrets of the application's Config.Secrets, in Base64, in the
same order, separated by commas.

If the file, table or collection does not exist, commands fail and create nothing.
Only bench creates it, and copy and move create it in the target.

Results go to standard output, everything else to standard error. With --json, each
result is one JSON object on one line. Times include a zone. Characters that control a
terminal are escaped in subjects, labels and values.

sessionctl does not know the timeouts in the application's Config. After an
application has shortened them, sessionctl still lists sessions that it rejects.`

const exitCodes = `  0  success; end --subject also succeeds if the subject has no sessions
  1  the backend failed, or the command was interrupted or not confirmed
  2  the command line, the environment or the DSN is wrong
  3  a key has no session
  4  sessions can't be read; or copy or move left some that the target can't hold;
     or check found some that are not sealed, although SESSION_SECRETS is set`

// usageTemplate is cobra's, with the examples after the flags, and with the exit codes.
const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND [flags]{{else}}{{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Global Flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}

Exit codes:
` + exitCodes + `{{if .HasAvailableSubCommands}}

Use "{{.CommandPath}} COMMAND --help" for more about a command.{{end}}
`

const examples = `  sessionctl list -driver sqlite -dsn file:sessions.db
  sessionctl end --subject user:42
  sessionctl copy --to-driver sqlite --to-dsn file:backup.db`

func (c *ctl) root() *cobra.Command {
	root := &cobra.Command{
		Use: "sessionctl", Short: "manage the sessions in a backend", Long: description, Example: examples,
		SilenceErrors: true, SilenceUsage: true,
		Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// SESSION_DRIVER is not the default of the flag, which --help prints: it may hold a DSN by mistake.
		PersistentPreRun: func(*cobra.Command, []string) { c.driver = cmp.Or(c.driver, os.Getenv("SESSION_DRIVER")) },
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		root.Version = info.Main.Version
	}
	flags := root.PersistentFlags()
	flags.StringVar(&c.driver, "driver", "", "driver of the backend: "+strings.Join(session.Drivers(), ", ")+" (default $SESSION_DRIVER)")
	flags.StringVar(&c.dsn, "dsn", "", "data source name of the backend, in the driver's format (default $SESSION_DSN)")
	flags.BoolVar(&c.json, "json", false, "print each result as one line of JSON")
	_ = root.RegisterFlagCompletionFunc("driver", cobra.FixedCompletions(session.Drivers(), cobra.ShellCompDirectiveNoFileComp))
	root.SetUsageTemplate(usageTemplate)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.AddCommand(
		c.list(), c.show(), c.end(), c.count(), c.check(), c.reseal(), c.sweep(), c.ping(), c.drivers(), c.bench(), c.copy(), c.move(),
	)
	return root
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/move"
)

func (c *ctl) copy() *cobra.Command {
	var toDriver, toDSN string
	var parallel int
	cmd := &cobra.Command{
		Use: "copy", Short: "move all live sessions to another backend", Args: cobra.NoArgs,
		Long: `Move all live sessions to another backend, while applications use both by the driver
"migrate", or while none runs: see go doc gosession.dev/session/drivers/migrate.

It can be interrupted and run again: what has moved stays moved. The other backend
may be named by SESSION_TO_DRIVER and SESSION_TO_DSN too.`,
		Example: "  sessionctl copy -driver sqlite -dsn file:sessions.db --to-driver mongo --to-dsn mongodb://host/app",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if toDSN == "" {
				toDSN = os.Getenv("SESSION_TO_DSN")
			}
			return c.copyTo(cmd.Context(), toDriver, toDSN, parallel)
		},
	}
	cmd.Flags().StringVar(&toDriver, "to-driver", os.Getenv("SESSION_TO_DRIVER"), "the driver of the other backend")
	cmd.Flags().StringVar(&toDSN, "to-dsn", "", "its DSN (default is SESSION_TO_DSN)")
	cmd.Flags().IntVar(&parallel, "parallel", 8, "how many are moved at once")
	_ = cmd.RegisterFlagCompletionFunc("to-driver", cobra.FixedCompletions(session.Drivers(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *ctl) copyTo(ctx context.Context, toDriver, toDSN string, parallel int) (err error) {
	switch {
	case toDriver == "":
		return usage("say where to: --to-driver and --to-dsn")
	case toDriver == c.driver && toDSN == c.dsnOrEnv():
		return usage("--to-driver and --to-dsn name the backend that the sessions are in")
	}
	odd := c.odd() // asked before the file is there
	src, err := openStore(c.driver, c.dsnOrEnv())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	dst, err := openStore(toDriver, toDSN)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	if err := lasts(ctx, dst, toDriver, toDSN); err != nil {
		return explain(err)
	}
	p := newProgress(c.err)
	stats, err := session.Copy(ctx, dst, src, session.CopyOptions{Parallel: parallel, Progress: p.tell})
	p.end(stats)
	if stats.Done > 0 || err == nil {
		_ = c.say("moved: %d of %d in %v", stats.Moved, stats.Total, time.Since(p.begin).Round(time.Millisecond))
	}
	if stats.Left > 0 {
		_ = c.say("left, because they can't be read or are too large for the other: %d", stats.Left)
		err = errors.Join(err, coded{fmt.Errorf("%d sessions were left", stats.Left), exitCorrupt})
	}
	if err == nil && stats.Total == 0 && odd != "" {
		return usage("%s: there was nothing to move", odd)
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted; run it again to go on")
	}
	return explain(err)
}

// lasts sees whether another process finds what is put into a store. In memory it would
// not: sessions that move there are gone when this program ends.
func lasts(ctx context.Context, store driver.Store, name, dsn string) (err error) {
	if _, clientSide := store.(driver.ClientSide); clientSide {
		return nil // Copy says that it can't be
	}
	other, err := openStore(name, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	shows, err := move.Shows(ctx, store, other)
	if err == nil && !shows {
		err = usage("sessions would be gone: what is put into this %s no other process finds", name)
	}
	return err
}

// progress shows how far it is: on a terminal as a bar, elsewhere as lines.
type progress struct {
	out   io.Writer
	live  bool
	pause time.Duration // at least, between two times
	begin time.Time
	last  time.Time // zero if a bar was not shown yet
}

func newProgress(out io.Writer) *progress {
	now := time.Now()
	if isTerminal(out) {
		return &progress{out: out, live: true, pause: 100 * time.Millisecond, begin: now}
	}
	return &progress{out: out, pause: 10 * time.Second, begin: now, last: now}
}

// tell is called for each session.
func (p *progress) tell(s session.CopyStats) {
	if time.Since(p.last) >= p.pause {
		p.last = time.Now()
		p.show(s)
	}
}

func (p *progress) show(s session.CopyStats) {
	each := max(float64(s.Done)/time.Since(p.begin).Seconds(), 1e-3)
	left := time.Duration(float64(s.Total-s.Done) / each * float64(time.Second)).Round(time.Second)
	line := fmt.Sprintf("%d of %d sessions, %.0f a second, %v left", s.Done, s.Total, each, left)
	if p.live {
		fmt.Fprintf(p.out, "\r%s %s\x1b[K", bar(s.Done, s.Total), line)
		return
	}
	fmt.Fprintln(p.out, line)
}

// end shows how far it has come.
func (p *progress) end(s session.CopyStats) {
	if p.live && !p.last.IsZero() {
		p.show(s)
		fmt.Fprintln(p.out)
	}
}

// bar is narrow enough for a line of 80 to hold it with millions of sessions.
func bar(done, total int) string {
	const width = 16
	filled := width * done / max(total, 1)
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", width-filled) + "]"
}

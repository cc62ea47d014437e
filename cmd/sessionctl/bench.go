package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"gosession.dev/session"
)

func (c *ctl) bench() *cobra.Command {
	var length time.Duration
	var parallel, bytes int
	cmd := &cobra.Command{
		Use: "bench", Short: "measure how fast the backend is from this machine", Args: noArgs,
		Long: `Measure how fast the backend is from this machine. bench creates sessions of its own,
reads and writes each up to ten times, and ends them, also if it is interrupted. If
bench is killed, the sessions that it leaves expire within ` + benchTimeouts.Lifetime.String() + `. It does not touch
other sessions.`,
		Example: "  sessionctl bench --for 10s --parallel 64",
		RunE: c.withConfig(session.Config{Timeouts: benchTimeouts}, func(cmd *cobra.Command, f opened, _ []string) error {
			if parallel < 1 || bytes < 0 || length <= 0 {
				return usage("--for must be above 0, --parallel 1 or more, and --size 0 or more")
			}
			begin := time.Now()
			m, err := measure(cmd.Context(), f.Factory, length, parallel, strings.Repeat("x", bytes))
			if err != nil {
				return err
			}
			if cmd.Context().Err() != nil {
				return errors.New("interrupted; the sessions of bench have ended")
			}
			return c.sayMeasured(m, time.Since(begin))
		}),
	}
	cmd.Flags().DurationVar(&length, "for", 5*time.Second, "how long to measure")
	cmd.Flags().IntVar(&parallel, "parallel", 16, "number of sessions in use at once")
	cmd.Flags().IntVar(&bytes, "size", 450, "bytes of data in each session")
	return cmd
}

// benchTimeouts let the sessions expire that bench leaves when it is killed.
var benchTimeouts = session.Timeouts{Idle: 2 * time.Minute, Lifetime: 2 * time.Minute}

func (c *ctl) sayMeasured(m measured, took time.Duration) error {
	t := table{right: map[int]bool{1: true, 2: true, 3: true, 4: true}}
	t.add("", "per second", "median", "99th percentile", "longest")
	for _, op := range benchOps {
		all := m[op]
		slices.Sort(all)
		perSecond, p50, p99, longest := float64(len(all))/took.Seconds(), percentile(all, 50), percentile(all, 99), percentile(all, 100)
		t.add(op, fmt.Sprintf("%.0f", perSecond), p50.String(), p99.String(), longest.String())
		if !c.json {
			continue
		}
		if err := c.encode(map[string]any{
			"operation": op, "per_second": perSecond,
			"p50_seconds": p50.Seconds(), "p99_seconds": p99.Seconds(), "max_seconds": longest.Seconds(),
		}); err != nil {
			return err
		}
	}
	if c.json {
		return nil
	}
	return t.print(c.out, true)
}

var benchOps = []string{"create", "read", "write", "destroy"}

// measured holds how long each call took, by operation.
type measured map[string][]time.Duration

// measure runs parallel goroutines for a time of length. Each creates a session, uses it and
// ends it, again and again.
func measure(ctx context.Context, f *session.Factory, length time.Duration, parallel int, cargo string) (measured, error) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	all, errs := make([]measured, parallel), make([]error, parallel)
	var wg sync.WaitGroup
	for i := range parallel {
		wg.Go(func() {
			all[i] = measured{}
			for ctx.Err() == nil && errs[i] == nil {
				errs[i] = all[i].useSession(ctx, f, cargo)
			}
		})
	}
	wg.Wait()
	sum := measured{}
	for i := range parallel {
		if errs[i] != nil {
			return nil, errs[i]
		}
		for op, took := range all[i] {
			sum[op] = append(sum[op], took...)
		}
	}
	return sum, nil
}

// useSession creates a session, reads and writes it ten times, and ends it. When ctx is done it
// stops early, but cancels no call: the outcome of a canceled call is unknown.
func (m measured) useSession(ctx context.Context, f *session.Factory, cargo string) error {
	call := context.WithoutCancel(ctx)
	var s *session.Session
	err := m.time("create", func() (err error) { s, err = f.Create(call); return err })
	if err != nil {
		return err
	}
	for n := 0; n < 10 && err == nil && ctx.Err() == nil; n++ {
		err = m.time("read", func() (err error) {
			read, err := f.Retrieve(call, s.ID())
			if err == nil {
				s = read
			}
			return err
		})
		if err == nil {
			err = m.time("write", func() error {
				if err := s.Set("cargo", cargo); err != nil {
					return err
				}
				return s.Flush(call)
			})
		}
	}
	return errors.Join(err, m.time("destroy", func() error { return s.Destroy(call) }))
}

// time runs do and notes how long it took.
func (m measured) time(op string, do func() error) error {
	begin := time.Now()
	err := do()
	m[op] = append(m[op], time.Since(begin))
	return err
}

// percentile returns the value that percent of the sorted values do not exceed.
func percentile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)-1)*percent/100].Round(time.Microsecond)
}

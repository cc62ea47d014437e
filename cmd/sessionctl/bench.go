package main

import (
	"context"
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
		Use: "bench", Short: "measure this backend from here, with sessions of its own", Args: cobra.NoArgs,
		Example: "  sessionctl bench --for 10s --parallel 64",
		RunE: c.withTimeouts(session.Timeouts{}, func(cmd *cobra.Command, f opened, _ []string) error {
			if parallel < 1 || bytes < 0 || length <= 0 {
				return usage("--for and --parallel must be above 0, and --size not below")
			}
			begin := time.Now()
			m, err := measure(cmd.Context(), f.Factory, length, parallel, strings.Repeat("x", bytes))
			if err != nil {
				return err
			}
			took := time.Since(begin).Seconds()
			fmt.Fprint(c.out, paint(c.out, bold, fmt.Sprintf("%-9s %10s %10s %10s %10s\n", "", "a second", "median", "99 of 100", "longest")))
			for _, op := range benchOps {
				all := m[op]
				slices.Sort(all)
				fmt.Fprintf(c.out, "%-9s %10.0f %10v %10v %10v\n", op, float64(len(all))/took,
					at100(all, 50), at100(all, 99), at100(all, 100))
			}
			return nil
		}),
	}
	cmd.Flags().DurationVar(&length, "for", 5*time.Second, "how long")
	cmd.Flags().IntVar(&parallel, "parallel", 16, "how many sessions are used at once")
	cmd.Flags().IntVar(&bytes, "size", 450, "how many bytes each has")
	return cmd
}

var benchOps = []string{"create", "read", "write", "destroy"}

// measured is how long each call took, by operation.
type measured map[string][]time.Duration

// measure has some goroutines open sessions, read and write each ten times, and end
// them.
func measure(ctx context.Context, f *session.Factory, length time.Duration, parallel int, cargo string) (measured, error) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	all, errs := make([]measured, parallel), make([]error, parallel)
	var wg sync.WaitGroup
	for i := range parallel {
		wg.Go(func() {
			all[i] = measured{}
			for ctx.Err() == nil && errs[i] == nil {
				errs[i] = all[i].live(context.WithoutCancel(ctx), f, cargo)
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

// live takes a session from its beginning to its end.
func (m measured) live(ctx context.Context, f *session.Factory, cargo string) error {
	var s *session.Session
	err := m.time("create", func() (err error) { s, err = f.Create(ctx); return err })
	for n := 0; n < 10 && err == nil; n++ {
		err = m.time("read", func() (err error) { s, err = f.Retrieve(ctx, s.ID()); return err })
		if err == nil {
			err = m.time("write", func() error {
				if err := s.Set("cargo", cargo); err != nil {
					return err
				}
				return s.Flush(ctx)
			})
		}
	}
	if err != nil {
		return err
	}
	return m.time("destroy", func() error { return s.Destroy(ctx) })
}

func (m measured) time(op string, do func() error) error {
	begin := time.Now()
	err := do()
	m[op] = append(m[op], time.Since(begin))
	return err
}

// at100 is the value below which so many of a hundred are.
func at100(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)-1)*percent/100].Round(time.Microsecond)
}

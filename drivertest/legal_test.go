package drivertest

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

// What the contract allows has to pass: each of these stores is unlike a memory
// store, and correct.
var legalStores = map[string]mutant{
	"does not tell versions after a write": {breaks: func(s *store) { s.hideVersions() }},
	"has a clock of seconds": {
		breaks: func(s *store) { s.roundUp() },
		target: func(tgt *Target) { tgt.Resolution = time.Second },
	},
	"holds 64 KiB": {breaks: func(s *store) { s.limit(1 << 16) }},
	"can't list": {breaks: func(s *store) {
		s.sessions = func(context.Context) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) { yield("", errors.ErrUnsupported) }
		}
	}, target: func(tgt *Target) {
		tgt.Skip = map[string]string{"Expiry/Sessions": "can't list", "Keys/Listed": "can't list"}
		for _, c := range sessionsChecks {
			tgt.Skip[c.name] = "can't list"
		}
	}},
	"expires by itself": {breaks: func(s *store) {
		s.deleteExpired = func(ctx context.Context) (int, error) {
			_, err := s.correct.DeleteExpired(ctx)
			return 0, err
		}
	}},
	"forgets marks whose record has ended": {breaks: func(s *store) { s.inTwoSteps(twoSteps{forgets: true}) }},
	"changes an ID in two steps":           {breaks: func(s *store) { s.inTwoSteps(twoSteps{gap: pause}) }},
	"has nothing optional": {
		open: func(d *faultyDriver, dsn string) (driver.Store, error) {
			s, err := d.store(dsn)
			if err != nil {
				return nil, err
			}
			s.inTwoSteps(twoSteps{unmarked: true})
			return struct{ driver.Store }{s}, nil
		},
		target: func(tgt *Target) { tgt.Implements = 0 },
	},
}

func TestLegalStoresFailNothing(t *testing.T) {
	for name, legal := range legalStores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range checks {
				r := record(t, c, legal.targetOf())
				require.False(t, r.Failed(), "%s:\n%s", c.name, r.text())
			}
		})
	}
}

// hideVersions leaves Version 0 after a write, as memcached's text protocol does.
func (s *store) hideVersions() {
	before := *s
	s.create = func(ctx context.Context, r *driver.Record) error {
		err := before.create(ctx, r)
		if err == nil {
			r.Version = 0
		}
		return err
	}
	s.flush = func(ctx context.Context, r *driver.Record) error {
		err := before.flush(ctx, r)
		if err == nil {
			r.Version = 0
		}
		return err
	}
	s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
		err := before.changeID(ctx, oldKey, r)
		if err == nil {
			r.Version = 0
		}
		return err
	}
}

// roundUp has the backend end a record up to a second late.
func (s *store) roundUp() { s.lateBy(time.Second - time.Millisecond) }

// lateBy has the backend end a record later than it was told to.
func (s *store) lateBy(d time.Duration) {
	before := *s
	late := func(r *driver.Record) *driver.Record {
		c := copyOf(r)
		c.Expires = r.Expires.Add(d)
		return c
	}
	write := func(r *driver.Record, f func(*driver.Record) error) error {
		c := late(r)
		err := f(c)
		r.Version = c.Version
		return err
	}
	s.create = func(ctx context.Context, r *driver.Record) error {
		return write(r, func(c *driver.Record) error { return before.create(ctx, c) })
	}
	s.flush = func(ctx context.Context, r *driver.Record) error {
		return write(r, func(c *driver.Record) error { return before.flush(ctx, c) })
	}
	s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
		return write(r, func(c *driver.Record) error { return before.changeID(ctx, oldKey, c) })
	}
	s.touch = func(ctx context.Context, key string, expires time.Time) error {
		return before.touch(ctx, key, expires.Add(d))
	}
	s.alter(func(r *driver.Record) { r.Expires = r.Expires.Add(-d) })
}

// limit refuses records of more than n bytes.
func (s *store) limit(n int) {
	before := *s
	fits := func(r *driver.Record, f func() error) error {
		if len(r.Data) > n {
			return driver.ErrTooLarge
		}
		return f()
	}
	s.create = func(ctx context.Context, r *driver.Record) error {
		return fits(r, func() error { return before.create(ctx, r) })
	}
	s.flush = func(ctx context.Context, r *driver.Record) error {
		return fits(r, func() error { return before.flush(ctx, r) })
	}
	s.changeID = func(ctx context.Context, oldKey string, r *driver.Record) error {
		return fits(r, func() error { return before.changeID(ctx, oldKey, r) })
	}
}

func TestSkip(t *testing.T) {
	tgt := memoryTarget()
	tgt.Skip = map[string]string{"Flush/Conflict": "", "Flush/NoSuchRule": "because"}
	r := &recorder{TB: t}
	r.await(func() { tgt.validate(r) })
	require.Contains(t, r.text(), `Target.Skip names "Flush/NoSuchRule"`)
	require.Contains(t, r.text(), `Target.Skip["Flush/Conflict"] is empty`)

	tgt.Skip = map[string]string{checks[0].name: "the reason"}
	r = record(t, checks[0], tgt)
	require.True(t, r.Skipped())
	require.False(t, r.Failed())
	require.Contains(t, r.text(), "the reason")
}

func TestTargetNeedsDriverAndDSN(t *testing.T) {
	r := &recorder{TB: t}
	r.await(func() { Target{}.validate(r) })
	require.True(t, r.Failed())
	require.Contains(t, r.text(), "both are required")
}

func TestInterfacesPrintAsInGoSource(t *testing.T) {
	require.Equal(t, "0", Interfaces(0).String())
	require.Equal(t, "Toucher | SubjectLister", (Toucher | SubjectLister).String())
}

// A failure reads: call, got, want, and the sentence of the contract.
func TestFailureText(t *testing.T) {
	upsert := knownMutants[1]
	for _, c := range checks {
		if c.name == upsert.kills {
			lines := strings.Split(record(t, c, upsert.targetOf()).text(), "\n")
			require.Equal(t, []string{`Flush("key-2") = nil; want error "session not found"`, "Store.Flush says: " + flushRefuses}, lines)
		}
	}
}

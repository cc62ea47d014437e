package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

type messages = []string

func appends(text string) func(*session.Session) error {
	return func(s *session.Session) error {
		return session.Update(s, "flash", func(m messages) messages { return append(m, text) })
	}
}

func pops(want ...string) func(*session.Session) error {
	return func(s *session.Session) error {
		m, err := session.Pop[messages](s, "flash")
		if err != nil {
			return err
		}
		if !slices.Equal(m, want) {
			return fmt.Errorf("Pop = %q, %v; want %q", m, err, want)
		}
		return nil
	}
}

// If other requests change the value before a Pop is stored, their changes stay, and the popped
// value does not come back.
func TestPopMerges(t *testing.T) {
	ctx := t.Context()
	sets := func(m ...string) func(*session.Session) error {
		return func(s *session.Session) error { return s.Set("flash", m) }
	}
	deletes := func(s *session.Session) error { return s.Delete("flash") }
	other := func(s *session.Session) error { return s.Set("other", 1) }
	type steps []func(*session.Session) error
	for name, tt := range map[string]struct {
		popper, others steps
		want           messages
	}{
		"another value":              {steps{pops("a")}, steps{other}, nil},
		"appended":                   {steps{pops("a")}, steps{appends("b")}, messages{"a", "b"}},
		"set":                        {steps{pops("a")}, steps{sets("b")}, messages{"b"}},
		"set to the same":            {steps{pops("a")}, steps{sets("a")}, nil},
		"deleted":                    {steps{pops("a")}, steps{deletes}, nil},
		"popped too":                 {steps{pops("a")}, steps{pops("a")}, nil},
		"popped and appended":        {steps{pops("a")}, steps{pops("a"), appends("b")}, messages{"b"}},
		"popped twice":               {steps{pops("a"), pops()}, steps{other}, nil},
		"append and pop":             {steps{appends("x"), pops("a", "x")}, steps{other}, nil},
		"append and pop, appended":   {steps{appends("x"), pops("a", "x")}, steps{appends("b")}, messages{"a", "b", "x"}},
		"set and pop":                {steps{sets("x"), pops("x")}, steps{other}, nil},
		"set and pop, appended":      {steps{sets("x"), pops("x")}, steps{appends("b")}, nil},
		"pop and append":             {steps{pops("a"), appends("x")}, steps{other}, messages{"x"}},
		"pop and append, appended":   {steps{pops("a"), appends("x")}, steps{appends("b")}, messages{"a", "b", "x"}},
		"pop and set, appended":      {steps{pops("a"), sets("x")}, steps{appends("b")}, messages{"x"}},
		"pop, append, pop, appended": {steps{pops("a"), appends("x"), pops("x")}, steps{appends("b")}, messages{"a", "b", "x"}},
	} {
		for _, codec := range []session.Codec{session.JSON, session.Gob} {
			for kind, store := range stores() {
				t.Run(name+"/"+codec.Name()+"/"+kind, func(t *testing.T) {
					f := factory(t, with(codec), store)
					s := stored(t, f, map[string]any{"flash": messages{"a"}})
					slow, fast := same(t, f, s), same(t, f, s)
					for _, step := range tt.popper {
						require.NoError(t, step(slow))
					}
					for _, step := range tt.others {
						require.NoError(t, step(fast))
					}
					require.NoError(t, fast.Flush(ctx))
					require.NoError(t, slow.Flush(ctx))
					require.NoError(t, slow.Flush(ctx))
					for who, s := range map[string]*session.Session{"stored": same(t, f, s), "itself": slow} {
						m, err := session.Get[messages](s, "flash")
						require.NoError(t, err)
						require.Equal(t, tt.want, m, who)
					}
				})
			}
		}
	}
}

// An Update encodes its value anew at each merge; Gob writes the keys of a map in any order.
func TestPopOfWhatIsEncodedAnew(t *testing.T) {
	ctx := t.Context()
	for round := range 20 {
		f := factory(t, with(session.Gob), forgetful{newProbe()})
		s := stored(t, f, map[string]any{"a": 1})
		require.NoError(t, session.Update(s, "m", func(map[string]int) map[string]int {
			return map[string]int{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
		}))
		_, err := session.Pop[map[string]int](s, "m")
		require.NoError(t, err)
		require.NoError(t, s.Flush(ctx))
		require.False(t, same(t, f, s).Has("m"), "round %d", round)
	}
}

// Pop keeps a value that another request has changed, even if the popped type does not show the change.
func TestPopOfAPart(t *testing.T) {
	ctx := t.Context()
	f := factory(t, session.Config{}, newProbe())
	s := stored(t, f, map[string]any{"v": map[string]int{"a": 1}})
	slow, fast := same(t, f, s), same(t, f, s)
	_, err := session.Pop[struct{ A int }](slow, "v")
	require.NoError(t, err)
	require.NoError(t, fast.Set("v", map[string]int{"a": 1, "b": 2}))
	require.NoError(t, fast.Flush(ctx))
	require.NoError(t, slow.Flush(ctx))
	require.Equal(t, map[string]int{"a": 1, "b": 2}, got[map[string]int](t, same(t, f, s), "v"))
}

// A Pop whose write got no answer is neither lost nor undone.
func TestPopWithoutAnAnswer(t *testing.T) {
	ctx := t.Context()
	for name, acts := range map[string]struct {
		act  act
		want messages
	}{
		"made":   {lost, messages{"b"}},
		"unmade": {unmade, messages{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			f, st := onStage(t, session.Config{})
			s := stored(t, f, map[string]any{"flash": messages{"a"}})
			st.then("Flush", acts.act)
			st.then("Retrieve", func(ctx context.Context, do func(context.Context) error) error {
				other := same(t, f, s)
				require.NoError(t, errors.Join(appends("b")(other), other.Flush(context.Background())))
				return do(ctx)
			})
			require.NoError(t, pops("a")(s))
			require.NoError(t, s.Flush(ctx))
			require.Equal(t, acts.want, got[messages](t, same(t, f, s), "flash"))
		})
	}
}

// slow is a value whose decoding takes time.
type slow struct{ Text string }

var whileDecoding func() // called once

func (v slow) MarshalJSON() ([]byte, error) { return json.Marshal(v.Text) }

func (v *slow) UnmarshalJSON(b []byte) error {
	if do := whileDecoding; do != nil {
		whileDecoding = nil
		do()
	}
	return json.Unmarshal(b, &v.Text)
}

// If another goroutine removes the value while Pop decodes it, Pop finds none.
func TestPopOfRemoved(t *testing.T) {
	s := stored(t, factory(t, session.Config{}, newProbe()), map[string]any{"flash": slow{"hello"}})
	whileDecoding = func() {
		done := make(chan error)
		go func() { done <- s.Delete("flash") }()
		require.NoError(t, <-done)
	}
	v, err := session.Pop[slow](s, "flash")
	require.NoError(t, err)
	require.Nil(t, whileDecoding)
	require.Zero(t, v)
}

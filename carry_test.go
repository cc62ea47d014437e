package session_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// Set and Update refuse a value of which the codec would lose a part, with an error that says
// what to do. Package internal/carry has more tests of that.
func TestSetRefusesWhatIsNotCarried(t *testing.T) {
	type Mixed struct {
		A int
		b string
	}
	type LeftOut struct {
		A int
		b string `json:"-"`
	}
	var deep any = 1
	for range 10_001 {
		deep = []any{deep}
	}
	cycle := []any{nil}
	cycle[0] = cycle
	for name, tt := range map[string]struct {
		codec session.Codec
		v     any
		want  string
	}{
		"not exported":         {session.JSON, Mixed{b: "canary"}, "silently lose the field b"},
		"not exported, in any": {session.JSON, map[string]any{"a": []*Mixed{{}}}, `tag it json:"-"`},
		"too deep":             {session.JSON, deep, "10000 levels"},
		"rounded":              {session.JSON, []any{uint64(math.MaxUint64)}, "would be rounded"},
		"cycle":                {session.JSON, cycle, ""},
		"gob, not exported":    {session.Gob, Mixed{b: "canary"}, "silently lose the field b"},
		"gob, nil pointer":     {session.Gob, (*Mixed)(nil), "Gob has no nil"},
		"gob, nil":             {session.Gob, nil, "Gob has no nil"},
		"gob, cycle":           {session.Gob, cycle, "cycle"},
	} {
		s := created(t, factory(t, with(tt.codec), newProbe()))
		err := s.Set("v", tt.v)
		require.ErrorContains(t, err, `session: set: value "v" can't be stored as `, name)
		require.ErrorContains(t, err, tt.want, name)
		require.NotContains(t, err.Error(), "canary")
		err = session.Update(s, "v", func(any) any { return tt.v })
		require.ErrorContains(t, err, `session: update: value "v" can't be stored as `, name)
		require.False(t, s.Has("v"))
	}
	s := created(t, factory(t, session.Config{}, newProbe()))
	require.NoError(t, s.Set("v", LeftOut{A: 1, b: "x"}))
	require.Equal(t, LeftOut{A: 1}, got[LeftOut](t, s, "v"))
}

// A value of another package's type that Set refuses can be encoded by the caller, stored as
// json.RawMessage, and read as the type.
func TestTypeThatSetRefuses(t *testing.T) {
	type token struct {
		AccessToken string
		Expiry      time.Time
		Extra       any
		raw         any
		delta       time.Duration
	}
	type account struct{ Token token }
	s := created(t, factory(t, session.Config{}, newProbe()))
	want := token{AccessToken: "a", Expiry: time.Unix(1, 2).UTC(), raw: 1, delta: 1}
	require.ErrorContains(t, s.Set("token", want), "encode the value and store it as a json.RawMessage, which can be read as the type")
	data, err := json.Marshal(&want)
	require.NoError(t, err)
	require.NoError(t, s.Set("token", json.RawMessage(data)))
	want.raw, want.delta = nil, 0
	require.Equal(t, want, got[token](t, s, "token"))
	require.Equal(t, &want, got[*token](t, s, "token"))
	require.NoError(t, session.Update(s, "token", func(old json.RawMessage) json.RawMessage {
		return bytes.Replace(old, []byte(`"a"`), []byte(`"b"`), 1)
	}))
	require.Equal(t, "b", got[token](t, s, "token").AccessToken)

	require.NoError(t, s.Set("account", json.RawMessage(`{"Token":{"Extra":[9007199254740993]}}`)))
	_, err = session.Get[account](s, "account")
	require.ErrorContains(t, err, "float64")
	popped, err := session.Pop[token](s, "token")
	require.NoError(t, err)
	require.Equal(t, "b", popped.AccessToken)
}

// Get into an interface returns an error for a number that float64 would round. Get into a type
// that can hold the number returns it.
func TestGetDoesNotRound(t *testing.T) {
	s := created(t, factory(t, session.Config{}, newProbe()))
	type user struct{ ID int64 }
	require.NoError(t, s.Set("user", user{1<<60 + 1}))
	require.NoError(t, s.Set("n", uint64(math.MaxUint64)))
	require.Equal(t, user{1<<60 + 1}, got[user](t, s, "user"))
	require.Equal(t, uint64(math.MaxUint64), got[uint64](t, s, "n"))
	_, err := session.Get[any](s, "n")
	require.ErrorContains(t, err, "float64")
	require.ErrorContains(t, session.Update(s, "user", func(m map[string]any) map[string]any { return m }), "float64")
	require.Equal(t, user{1<<60 + 1}, got[user](t, s, "user"))
	require.NoError(t, s.Set("n", 1<<53))
	require.Equal(t, any(float64(1<<53)), got[any](t, s, "n"))
}

// Set of a large value costs little more than encoding it.
func TestSetOfALargeValue(t *testing.T) {
	type row struct {
		ID   int
		Name string
		Tags []string
	}
	rows := make([]row, 1000)
	for i := range rows {
		rows[i] = row{i, strings.Repeat("x", 50), []string{"a", "b"}}
	}
	small, large := rows[:10], rows
	allocated := func(v any) float64 {
		s := created(t, factory(t, session.Config{}, newProbe()))
		least := math.Inf(1)
		for range 20 { // the garbage collector empties pools of buffers in between, and so does the race detector
			least = min(least, testing.AllocsPerRun(1, func() {
				if err := s.Set("v", v); err != nil {
					t.Error(err)
				}
			}))
		}
		return least
	}
	// A buffer that grows, and that the pools lose under the race detector, makes some
	// allocations. A walk through the rows would make thousands.
	require.Less(t, allocated(large), allocated(small)+100)
	require.Equal(t, rows, func() []row {
		s := created(t, factory(t, session.Config{}, newProbe()))
		require.NoError(t, s.Set("v", rows))
		return got[[]row](t, s, "v")
	}())
}

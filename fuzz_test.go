package session_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
)

var idForm = regexp.MustCompile(`\A[A-Za-z0-9_-]{32}\z`)

// Only what has the form of an ID is asked for, and nothing is found.
func FuzzID(f *testing.F) {
	f.Add("")
	f.Add(strings.Repeat("a", 32))
	f.Add(strings.Repeat("a", 31) + "\n")
	p := newProbe()
	sessions := factory(f, session.Config{}, p)
	f.Fuzz(func(t *testing.T, id string) {
		_, err := sessions.Retrieve(t.Context(), session.ID(id))
		require.ErrorIs(t, err, session.ErrNotFound)
		require.Equal(t, idForm.MatchString(id), p.take()["Retrieve"] == 1)
	})
}

// A cookie of any bytes opens no session and is no reason to panic, whether IDs
// are drawn or are tokens.
func FuzzCookieHeader(f *testing.F) {
	f.Add("__Host-session=" + strings.Repeat("a", 32))
	f.Add("a=b; __Host-session=; __Host-session=\"x\";;;=")
	p := newProbe()
	sessions := factory(f, session.Config{}, p)
	f.Fuzz(func(t *testing.T, line string) {
		_, value, _ := strings.Cut(line, "=")
		w := exchangedLine(sessions, line)
		for _, c := range w.Result().Cookies() {
			require.Empty(t, c.Value, "cleared, at most")
		}
		require.LessOrEqual(t, p.take()["Retrieve"], 4, value)
	})
}

// What the codec makes of any bytes, it makes of them again, and it never panics.
// Gob is left out: encoding/gob is not made for hostile bytes, see [session.Gob].
func FuzzJSONCodec(f *testing.F) {
	for _, v := range []any{1, "x", []string{"a"}, map[string]float64{"a": 1.5}, nested{"a", []nested{{"b", nil}}}} {
		data, err := session.JSON.Marshal(v)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		again[int](t, session.JSON, data)
		again[string](t, session.JSON, data)
		again[[]string](t, session.JSON, data)
		again[map[string]float64](t, session.JSON, data)
		again[nested](t, session.JSON, data)
	})
}

type nested struct {
	Name string
	Sub  []nested
}

func again[T any](t *testing.T, c session.Codec, data []byte) {
	var v, w T
	if c.Unmarshal(data, &v) != nil {
		return
	}
	stored, err := c.Marshal(v)
	require.NoError(t, err, "%s of %#v", c.Name(), v)
	require.NoError(t, c.Unmarshal(stored, &w), "%s of %q", c.Name(), stored)
	require.Equal(t, fmt.Sprintf("%#v", v), fmt.Sprintf("%#v", w))
}

// operation is one of a random program: who does what to which key.
type operation struct{ who, what, key, value int }

func program(code []byte) []operation {
	var ops []operation
	for _, b := range code {
		ops = append(ops, operation{int(b & 1), int(b >> 1 & 3), int(b >> 3 & 3), int(b >> 5)})
	}
	return ops
}

func (o operation) do(t *testing.T, s *session.Session) {
	key := fmt.Sprint("k", o.key)
	switch o.what {
	case 0:
		require.NoError(t, s.Set(key, o.value))
	case 1:
		require.NoError(t, s.Delete(key))
	case 2:
		_, err := session.Pop[int](s, key)
		if err != nil {
			require.ErrorIs(t, err, session.ErrNoValue)
		}
	default:
		require.NoError(t, session.Update(s, key, func(n int) int { return n + 1 }))
	}
}

// apply is the model: what the operation means to a plain map. Deleting what the
// session had not is no change.
func (o operation) apply(m map[string]int, had bool) {
	key := fmt.Sprint("k", o.key)
	switch o.what {
	case 0:
		m[key] = o.value
	case 1, 2:
		if had {
			delete(m, key)
		}
	default:
		m[key]++
	}
}

// Two sessions of a client change the same record, in whatever order they are
// stored: the result is that of one after the other, and loses neither.
func FuzzMerge(f *testing.F) {
	f.Add([]byte{0, 1, 6, 7, 2, 3, 0x28, 0x29, 4, 5})
	f.Add([]byte("two tabs of one browser"))
	sessions := factory(f, session.Config{}, memory.New(memory.Options{}))
	f.Fuzz(func(t *testing.T, code []byte) {
		ops := program(code[:min(len(code), 40)])
		for first := range 2 {
			base := created(t, sessions)
			require.NoError(t, base.Set("k0", 10))
			require.NoError(t, base.Set("k1", 20))
			require.NoError(t, base.Flush(t.Context()))
			tabs := []*session.Session{same(t, sessions, base), same(t, sessions, base)}
			had := make([]bool, len(ops))
			for i, o := range ops {
				had[i] = tabs[o.who].Has(fmt.Sprint("k", o.key))
				o.do(t, tabs[o.who])
			}
			want := map[string]int{"k0": 10, "k1": 20}
			for _, who := range []int{first, 1 - first} {
				require.NoError(t, tabs[who].Flush(t.Context()))
				for i, o := range ops {
					if o.who == who {
						o.apply(want, had[i])
					}
				}
			}
			got := map[string]int{}
			result := same(t, sessions, base)
			for _, key := range result.Keys() {
				n, err := session.Get[int](result, key)
				require.NoError(t, err)
				got[key] = n
			}
			require.Equal(t, want, got, "tab %d first, %v", first, ops)
			require.NoError(t, result.Destroy(t.Context()))
		}
	})
}

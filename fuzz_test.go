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

// The store is asked for well-formed IDs only, and finds none.
func FuzzID(f *testing.F) {
	f.Add("")
	f.Add(strings.Repeat("a", 32))
	f.Add(strings.Repeat("a", 31) + "\n")
	p := newProbe()
	sessions := factory(f, session.Config{}, p)
	f.Fuzz(func(t *testing.T, id string) {
		_, err := sessions.Retrieve(t.Context(), session.NewID(id))
		require.ErrorIs(t, err, session.ErrNotFound)
		require.Equal(t, idForm.MatchString(id), p.take()["Retrieve"] == 1)
	})
}

// A cookie of random bytes finds no session and causes no panic, whether IDs are random or are the
// tokens of sessions in cookies.
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

// operation is one step of a random program: which session does what, to which name.
type operation struct{ who, what, name, value int }

func program(code []byte) []operation {
	var ops []operation
	for _, b := range code {
		ops = append(ops, operation{int(b & 1), int(b >> 1 & 3), int(b >> 3 & 3), int(b >> 5)})
	}
	return ops
}

// do returns the value that the operation has popped, or 0.
func (o operation) do(t *testing.T, s *session.Session) (popped int) {
	name := fmt.Sprint("k", o.name)
	switch o.what {
	case 0:
		require.NoError(t, s.Set(name, o.value))
	case 1:
		require.NoError(t, s.Delete(name))
	case 2:
		var err error
		popped, err = session.Pop[int](s, name)
		require.NoError(t, err)
	default:
		require.NoError(t, session.Update(s, name, func(n int) int { return n + 1 }))
	}
	return popped
}

// apply is the model: it does the operation on a plain map. Deleting a name without a value changes
// nothing, and a Pop deletes only the value that it has popped.
func (o operation) apply(m map[string]int, had bool, popped int) {
	name := fmt.Sprint("k", o.name)
	switch o.what {
	case 0:
		m[name] = o.value
	case 1, 2:
		if had && (o.what == 1 || m[name] == popped) {
			delete(m, name)
		}
	default:
		m[name]++
	}
}

// Two Sessions change the same record. In whatever order they are stored, the result is as if one ran
// after the other, and no change is lost.
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
			had, popped := make([]bool, len(ops)), make([]int, len(ops))
			for i, o := range ops {
				had[i] = tabs[o.who].Has(fmt.Sprint("k", o.name))
				popped[i] = o.do(t, tabs[o.who])
			}
			want := map[string]int{"k0": 10, "k1": 20}
			for _, who := range []int{first, 1 - first} {
				require.NoError(t, tabs[who].Flush(t.Context()))
				for i, o := range ops {
					if o.who == who {
						o.apply(want, had[i], popped[i])
					}
				}
			}
			got := map[string]int{}
			result := same(t, sessions, base)
			for _, name := range result.Names() {
				n, err := session.Get[int](result, name)
				require.NoError(t, err)
				got[name] = n
			}
			require.Equal(t, want, got, "tab %d first, %v", first, ops)
			require.NoError(t, result.Destroy(t.Context()))
		}
	})
}

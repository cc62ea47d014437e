package session_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
)

// largeSession stores a session of three values, the second of them large.
func largeSession(t *testing.T, f *session.Factory) *session.Session {
	t.Helper()
	s := created(t, f)
	require.NoError(t, s.Set("a", "first"))
	require.NoError(t, s.Set("b", strings.Repeat(`"},{"b":[`, 500)))
	require.NoError(t, s.Set("c", 3))
	require.NoError(t, s.Flush(t.Context()))
	return s
}

func requireLarge(t *testing.T, s *session.Session, a, b string) {
	t.Helper()
	require.Equal(t, []string{"a", "b", "c"}, s.Names())
	for name, want := range map[string]string{"a": a, "b": b} {
		got, err := session.Get[string](s, name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	n, err := session.Get[int](s, "c")
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

// The index of a large session has the lengths of its values. If another program has edited the
// data, the values are read correctly all the same.
func TestEditedByOthers(t *testing.T) {
	b := strings.Repeat(`"},{"b":[`, 500)
	for name, edit := range map[string]func(string) string{
		"not at all":        func(data string) string { return data },
		"of the same size":  func(data string) string { return strings.Replace(data, "first", "FIRST", 1) },
		"longer":            func(data string) string { return strings.Replace(data, "first", "the very first", 1) },
		"shifted by a byte": func(data string) string { return strings.Replace(data, `"first"`, `"firs" `, 1) },
		"spread out":        func(data string) string { return strings.Replace(data, `"a":"first"`, "\n\t\"a\" : \"first\"\n", 1) },
		"in another order": func(data string) string {
			return `{"c":3,` + strings.TrimSuffix(strings.TrimPrefix(data, "{"), `,"c":3}`) + "}"
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := memory.New(memory.Options{})
			f := sealing(t, store, session.Config{})
			s := largeSession(t, f)
			rec, err := store.Retrieve(t.Context(), string(s.Key()))
			require.NoError(t, err)
			rec.Data = []byte(edit(string(rec.Data)))
			require.NoError(t, store.Flush(t.Context(), rec))

			again, err := f.Retrieve(t.Context(), s.ID())
			require.NoError(t, err)
			a := map[string]string{"of the same size": "FIRST", "longer": "the very first", "shifted by a byte": "firs"}[name]
			if a == "" {
				a = "first"
			}
			requireLarge(t, again, a, b)
			require.NoError(t, session.Update(again, "c", func(int) int { return 3 }))
			require.NoError(t, again.Flush(t.Context()))
			again, err = f.Retrieve(t.Context(), s.ID())
			require.NoError(t, err)
			requireLarge(t, again, a, b)
		})
	}
}

// The metadata of a sealed session has no index of its values, even if it had one before sealing.
func TestSealedMetaHasNoIndex(t *testing.T) {
	meta := func(store driver.Store, s *session.Session) []byte {
		rec, err := store.Retrieve(t.Context(), string(s.Key()))
		require.NoError(t, err)
		return rec.Meta
	}
	store := memory.New(memory.Options{})
	s := largeSession(t, sealing(t, store, session.Config{}))
	indexed := meta(store, s)

	f := sealing(t, store, session.Config{Secrets: []session.Secret{secret(1)}, InsecureReadUnsealed: true})
	n, err := f.Reseal(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Less(t, len(meta(store, s)), len(indexed)-5)
	again, err := f.Retrieve(t.Context(), s.ID())
	require.NoError(t, err)
	requireLarge(t, again, "first", strings.Repeat(`"},{"b":[`, 500))

	sealed := meta(store, largeSession(t, f))
	require.Len(t, sealed, len(meta(store, s)))
	require.False(t, bytes.Equal(indexed, sealed))
}

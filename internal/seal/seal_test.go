package seal

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func secret(fill byte) []byte { return bytes.Repeat([]byte{fill}, SecretSize) }

func box(t testing.TB, purpose string, secrets ...[]byte) *Box {
	t.Helper()
	b, err := New(purpose, secrets...)
	require.NoError(t, err)
	return b
}

func TestSealedOpensOnlyAsItIs(t *testing.T) {
	b := box(t, "p", secret(1))
	sealed := b.Seal([]byte("data"), "a", "b")
	require.Len(t, sealed, 4+Overhead)
	plain, current, err := b.Open(sealed, "a", "b")
	require.NoError(t, err)
	require.True(t, current)
	require.Equal(t, "data", string(plain))
	require.NotContains(t, string(sealed), "data")
	require.NotEqual(t, sealed, b.Seal([]byte("data"), "a", "b"), "a fresh nonce each")

	for i := range 8 * len(sealed) {
		changed := bytes.Clone(sealed)
		changed[i/8] ^= 1 << (i % 8)
		_, _, err := b.Open(changed, "a", "b")
		require.ErrorIs(t, err, ErrRefused, "bit %d", i)
	}
	for n := range sealed {
		_, _, err := b.Open(sealed[:n], "a", "b")
		require.ErrorIs(t, err, ErrRefused, "%d bytes", n)
	}
	for _, bound := range [][]string{nil, {"a"}, {"b", "a"}, {"ab", ""}, {"", "ab"}, {"a", "b", ""}} {
		_, _, err := b.Open(sealed, bound...)
		require.ErrorIs(t, err, ErrRefused, bound)
	}
	_, _, err = box(t, "q", secret(1)).Open(sealed, "a", "b")
	require.ErrorIs(t, err, ErrRefused, "another purpose")
}

func TestRotation(t *testing.T) {
	older, newer := box(t, "p", secret(1)), box(t, "p", secret(2), secret(1))
	plain, current, err := newer.Open(older.Seal([]byte("x")))
	require.NoError(t, err)
	require.False(t, current)
	require.Equal(t, "x", string(plain))
	_, current, err = newer.Open(newer.Seal(nil))
	require.NoError(t, err)
	require.True(t, current)
	_, _, err = older.Open(newer.Seal(nil))
	require.ErrorIs(t, err, ErrRefused)
}

func TestSecretsOfAnotherSize(t *testing.T) {
	for _, secrets := range [][][]byte{nil, {nil}, {secret(1)[:31]}, {secret(1), append(secret(1), 1)}} {
		_, err := New("p", secrets...)
		require.Error(t, err)
	}
}

func FuzzOpen(f *testing.F) {
	b := box(f, "p", secret(1))
	f.Add(b.Seal([]byte("data"), "a"))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if plain, _, err := b.Open(data, "a"); err == nil {
			require.Equal(t, "data", string(plain), "forged")
		}
	})
}

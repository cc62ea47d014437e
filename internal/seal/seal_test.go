package seal

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

type revealed []byte

func (r revealed) Reveal() []byte { return r }

func secret(fill byte) revealed { return bytes.Repeat([]byte{fill}, SecretSize) }

func box(t testing.TB, purpose string, secrets ...revealed) *Box {
	t.Helper()
	b, err := New(purpose, secrets...)
	require.NoError(t, err)
	return b
}

func TestOpenDetectsChanges(t *testing.T) {
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
		want := ErrRefused
		if at := i/8 - len(magic); 0 <= at && at < numberSize {
			want = ErrUnknownSecret
		}
		plain, current, err := b.Open(changed, "a", "b")
		require.Equal(t, want, err, "bit %d", i)
		require.Nil(t, plain)
		require.False(t, current)
	}
	for n := range sealed {
		_, _, err := b.Open(sealed[:n], "a", "b")
		require.Equal(t, ErrRefused, err, "%d bytes", n)
	}
	for _, bound := range [][]string{nil, {"a"}, {"b", "a"}, {"ab", ""}, {"", "ab"}, {"a", "b", ""}} {
		_, _, err := b.Open(sealed, bound...)
		require.Equal(t, ErrRefused, err, bound)
	}
	_, _, err = box(t, "q", secret(1)).Open(sealed, "a", "b")
	require.Equal(t, ErrUnknownSecret, err, "each purpose has its own number")
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
	require.Equal(t, ErrUnknownSecret, err, "a process that does not have the new secret yet")

	changed := older.Seal([]byte("x"))
	changed[len(changed)-1] ^= 1
	_, _, err = newer.Open(changed)
	require.Equal(t, ErrRefused, err, "under the second secret too")
}

// A number has 32 bits, so two secrets may share one. Each still opens the data that it sealed.
func TestSharedNumber(t *testing.T) {
	b := box(t, "p", secret(1), secret(2))
	sealed := (&Box{b.keys[1:]}).Seal([]byte("x"))
	copy(b.keys[0].number, b.keys[1].number)
	plain, current, err := b.Open(sealed)
	require.NoError(t, err)
	require.False(t, current)
	require.Equal(t, "x", string(plain))
	sealed[len(sealed)-1] ^= 1
	_, _, err = b.Open(sealed)
	require.Equal(t, ErrRefused, err)
}

// Processes of all versions must compute the same numbers. The expected ones are the first four
// bytes of HKDF-SHA256, computed with another implementation.
func TestNumber(t *testing.T) {
	for _, tt := range []struct {
		purpose string
		secret  []byte
		want    string
	}{
		{"p", secret(1), "cc08b30f"},
		{"p", secret(2), "8e671d30"},
		{"record", secret(1), "a8d0157c"},
	} {
		require.Equal(t, tt.want, Number(box(t, tt.purpose, tt.secret).Seal([]byte("x"), "a")), tt)
	}
	rotated := box(t, "p", secret(2), secret(1))
	require.Equal(t, "8e671d30", Number(rotated.Seal(nil)), "the first secret seals")

	sealed := rotated.Seal(nil)
	for _, data := range [][]byte{nil, []byte("{}"), []byte(magic), sealed[:len(sealed)-1], sealed[1:]} {
		require.Empty(t, Number(data), "%q is not sealed", data)
	}
}

func TestSecretsOfAnotherSize(t *testing.T) {
	for _, secrets := range [][]revealed{nil, {nil}, {secret(1)[:31]}, {secret(1), append(secret(1), 1)}} {
		_, err := New("p", secrets...)
		require.Error(t, err)
	}
}

func FuzzOpen(f *testing.F) {
	b := box(f, "p", secret(1))
	f.Add(b.Seal([]byte("data"), "a"))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = Number(data)
		if plain, _, err := b.Open(data, "a"); err == nil {
			require.Equal(t, "data", string(plain), "forged")
		}
	})
}

package session_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

func TestIDs(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	s := created(t, f)
	id, key := s.ID().Reveal(), string(s.Key())
	require.Regexp(t, regexp.MustCompile(`^[A-Za-z0-9_-]{32}$`), id)
	require.Regexp(t, regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`), key)
	require.Equal(t, session.Key("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"), session.NewID("").Key(), "SHA-256 in URL-safe Base64")

	_, err := f.Retrieve(t.Context(), session.NewID(key))
	require.ErrorIs(t, err, session.ErrNotFound, "a key is not accepted as an ID")
	_, err = f.Retrieve(t.Context(), session.NewID(key[:32]))
	require.ErrorIs(t, err, session.ErrNotFound)
}

// An ID of the wrong form never reaches the store.
func TestMalformedID(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	good := strings.Repeat("a", 32)
	for _, id := range []string{"", "a", good[1:], good + "a", good[1:] + "=", good[1:] + " ", good[1:] + "\x00", good[1:] + "+", good[2:] + "é"} {
		_, err := f.Retrieve(t.Context(), session.NewID(id))
		require.ErrorIs(t, err, session.ErrNotFound, "%q", id)
	}
	require.Empty(t, p.take())
	_, err := f.Retrieve(t.Context(), session.NewID(good))
	require.ErrorIs(t, err, session.ErrNotFound)
	require.Equal(t, map[string]int{"Retrieve": 1}, p.take())
}

// A million IDs differ, and each of their random bits is set in half of them, within six standard
// deviations.
func TestMillionIDs(t *testing.T) {
	const n, timeBits, bound = 1_000_000, 32, 6 * 500
	ids := takesIDs{seen: make(map[session.Key]bool, n)}
	f := factory(t, session.Config{}, newProbe())
	for range 100 {
		ids.add(t, created(t, f).ID())
	}
	var set [192]int
	require.NoError(t, session.DrawIDs(n, func(id session.ID) {
		ids.add(t, id)
		b, err := base64.RawURLEncoding.DecodeString(id.Reveal())
		if err != nil || len(b) != len(set)/8 {
			t.Fatal("GenerateID() is not the Base64 of 192 bits")
		}
		for i := range set {
			set[i] += int(b[i/8] >> (i % 8) & 1)
		}
	}))
	for bit, count := range set[timeBits:] {
		require.InDelta(t, n/2, count, bound, "random bit %d", bit)
	}
}

type takesIDs struct{ seen map[session.Key]bool }

func (s takesIDs) add(t *testing.T, id session.ID) {
	key := id.Key()
	if s.seen[key] {
		t.Fatal("GenerateID() has returned an ID twice")
	}
	s.seen[key] = true
}

// If the random source fails, so does GenerateID: there is no fallback to a weaker source.
func TestRandomSourceFails(t *testing.T) {
	old := rand.Reader
	t.Cleanup(func() { rand.Reader = old })
	rand.Reader = iotest.ErrReader(errors.New("no entropy"))
	f := factory(t, session.Config{}, newProbe())
	_, err := f.Create(t.Context())
	require.ErrorContains(t, err, "the random source failed: no entropy")
	rand.Reader = io.LimitReader(old, 8)
	_, err = f.Create(t.Context())
	require.ErrorContains(t, err, "the random source failed")
}

// An ID that is printed, logged or marshalled is not shown.
func TestIDIsHidden(t *testing.T) {
	id := created(t, factory(t, session.Config{}, newProbe())).ID()
	secret := id.Reveal()
	holder := struct {
		ID  session.ID
		Ptr *session.ID
		Any any
	}{id, &id, id}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%10.3s"} {
		fmt.Fprintf(&out, verb, id)
		fmt.Fprintf(&out, verb, &id)
		fmt.Fprintf(&out, verb, holder)
		fmt.Fprintf(&out, verb, []session.ID{id})
	}
	fmt.Fprintln(&out, id, holder)
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("message", "id", id, "holder", holder, "ptr", &id)
	}
	_, err := json.Marshal(holder)
	require.ErrorContains(t, err, "an ID is a secret")
	fmt.Fprintln(&out, err)
	require.NotEmpty(t, out.String())
	require.NotContains(t, out.String(), secret)
	require.NotContains(t, out.String(), fmt.Sprintf("%x", secret))
	require.NotContains(t, out.String(), fmt.Sprintf("%X", secret))
}

type ownIDs struct{ ids []session.ID }

func (o *ownIDs) GenerateID() (session.ID, error) {
	if len(o.ids) == 0 {
		return session.ID{}, errors.New("none left")
	}
	id := o.ids[0]
	o.ids = o.ids[1:]
	return id, nil
}

func (o *ownIDs) ValidateID(id session.ID) bool { return strings.HasPrefix(id.Reveal(), "own-") }

func TestOwnIDs(t *testing.T) {
	var own ownIDs
	for _, text := range []string{"own-1", "own-1", "own-2", "other", "own-a b", "own-;", "own-\"", "own-" + strings.Repeat("x", 5000)} {
		own.ids = append(own.ids, session.NewID(text))
	}
	f := factory(t, session.Config{IDs: &own}, newProbe())
	require.Equal(t, session.NewID("own-1"), created(t, f).ID())
	require.Equal(t, session.NewID("own-2"), created(t, f).ID(), "own-1 is taken")
	for range 5 {
		_, err := f.Create(t.Context())
		require.ErrorContains(t, err, "no cookie can carry")
	}
	_, err := f.Create(t.Context())
	require.ErrorContains(t, err, "none left")
}

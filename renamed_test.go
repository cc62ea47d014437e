package session_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// A client that sends an old ID a minute after the change was not overtaken, and gets a new session.
func TestOldIDAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe()
		f := factory(t, session.Config{}, p)
		s := created(t, f)
		old := s.ID().Reveal()
		require.NoError(t, s.ChangeID(t.Context()))
		p.take()
		late := exchanged(f, counter(t), old)
		require.Equal(t, http.StatusOK, late.Code)
		require.Nil(t, cookieOf(late))
		require.Equal(t, map[string]int{"Retrieve": 1}, p.take(), "nothing is stored")

		exchanged(f, func(_ http.ResponseWriter, r *http.Request) {
			mine := current(t, r)
			require.NoError(t, mine.Set("n", 1))
			require.ErrorIs(t, mine.Flush(r.Context()), session.ErrNotFound, "Flush of an overtaken session fails")
		}, old)

		time.Sleep(time.Minute + time.Second)
		later := exchanged(f, counter(t), old)
		require.NotNil(t, cookieOf(later))
		require.NotEqual(t, old, cookieOf(later).Value)
		again := exchanged(f, counter(t), s.ID().Reveal())
		require.Nil(t, cookieOf(again))
	})
}

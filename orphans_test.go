package session_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// A sign-in that was stored, then refused, and could not be undone counts for MaxPerSubject only as
// long as the store fails.
func TestRefusedSignInThatCouldNotBeUndone(t *testing.T) {
	for name, tt := range map[string]struct {
		sweep time.Duration
		wait  time.Duration
	}{
		"the next sign-in ends it": {-1, 0},
		"the sweeper ends it":      {time.Minute, 2 * time.Minute},
	} {
		for kind, failure := range map[string]act{"unmade": unmade, "lost": lost, "hung": hung} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx := t.Context()
					f, st := onStage(t, session.Config{MaxPerSubject: 1, RefuseAtMax: true, SweepInterval: tt.sweep})
					s := f.NewSession()
					require.NoError(t, s.SignIn(ctx, "ada"))
					st.then("Create", afterIt(func() {
						st.then("Retrieve", unmade) // of the mark: whether the sign-in is stale is not known
						st.then("Destroy", failure)
					}))
					require.ErrorIs(t, s.Flush(ctx), session.ErrStaleSignIn)
					if kind != "lost" {
						require.Len(t, ofSubject(t, f, "ada"), 1)
					}
					if tt.wait > 0 {
						time.Sleep(tt.wait)
						require.Empty(t, ofSubject(t, f, "ada"))
					}
					st.took()
					mine := signedIn(t, f, "ada")
					require.Equal(t, []string{mine.Handle()}, ofSubject(t, f, "ada"))
					other := f.NewSession()
					require.NoError(t, other.SignIn(ctx, "ada"))
					require.ErrorIs(t, other.Flush(ctx), session.ErrTooManySessions)
					require.LessOrEqual(t, st.took()["Destroy"], 1, "once")
				})
			})
		}
	}
}

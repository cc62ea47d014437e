package session_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// A tool that has neither the secrets nor the codecs of the application reads the Info of a session,
// and none of its values.
func TestInspectWithoutTheApplication(t *testing.T) {
	ctx := t.Context()
	secrets := []session.Secret{secret(7)}
	for _, codec := range []session.Codec{session.JSON, session.Gob, named{session.JSON, "own"}, named{session.Gob, "binary"}} {
		for _, sealed := range []bool{false, true} {
			for _, subject := range []string{"", "ada"} {
				p := newProbe()
				cfg := with(codec)
				if sealed {
					cfg.Secrets = secrets
				}
				f, tool := factory(t, cfg, unclosed{p}), factory(t, session.Config{}, p)
				s := stored(t, f, map[string]any{"n": 1})
				require.NoError(t, s.SetLabel("Firefox"))
				if subject != "" {
					require.NoError(t, s.SignIn(ctx, subject))
				}
				require.NoError(t, s.Flush(ctx))
				if sealed {
					_, err := tool.Retrieve(ctx, s.ID())
					require.ErrorIs(t, err, session.ErrSealed, "an unknown codec is not the reason")
				}
				d, values, err := tool.Inspect(ctx, s.Key())
				require.NoError(t, err, "%s, sealed %v", codec.Name(), sealed)
				require.Equal(t, subject, d.Subject)
				require.Equal(t, "Firefox", d.Label)
				require.Equal(t, s.Handle(), d.Handle)
				require.Equal(t, subject == "", d.SignedInAt.IsZero())
				if sealed {
					require.Nil(t, values)
				} else {
					require.Len(t, values, 1)
				}
				if subject != "" {
					listed := 0
					for info, err := range tool.SubjectSessions(ctx, subject) {
						require.NoError(t, err)
						require.Equal(t, d, info)
						listed++
					}
					require.Equal(t, 1, listed)
				}
			}
		}
	}
}

//go:build !race

package session_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
)

// The allocations of a request that reads or writes its session have a limit.
func TestAllocations(t *testing.T) {
	for name, tt := range map[string]struct {
		most   float64
		handle func(s *session.Session) error
	}{
		"read":  {12, func(s *session.Session) error { _, err := session.Get[int](s, "n"); return err }},
		"write": {22, func(s *session.Session) error { return s.Set("n", 2) }},
	} {
		f := factory(t, quiet(session.Config{SweepInterval: -1}), memory.New(memory.Options{}))
		s := created(t, f)
		require.NoError(t, s.Set("n", 1))
		require.NoError(t, s.Flush(t.Context()))
		h := f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, err := session.FromContext(r.Context())
			if err == nil {
				err = tt.handle(s)
			}
			if err != nil {
				t.Error(err)
			}
		}))
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(s.Cookie())
		w := nowhere{http.Header{}}
		require.LessOrEqual(t, testing.AllocsPerRun(200, func() { h.ServeHTTP(w, r) }), tt.most, name)
	}
}

type nowhere struct{ h http.Header }

func (w nowhere) Header() http.Header         { return w.h }
func (w nowhere) WriteHeader(int)             {}
func (w nowhere) Write(b []byte) (int, error) { return len(b), nil }

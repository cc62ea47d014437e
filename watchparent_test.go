package session_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
)

// curious is a context of the application whose methods use the session.
type curious struct {
	context.Context
	s *session.Session
}

func (c curious) Value(key any) any {
	_ = c.s.Key()
	return c.Context.Value(key)
}

func (c curious) Done() <-chan struct{} {
	_ = c.s.Subject()
	return c.Context.Done()
}

// Methods of an application's parent context may use the session, whatever ends its contexts.
func TestContextOfACuriousParent(t *testing.T) {
	for name, end := range endings {
		if end.after > 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			store := memory.New(memory.Options{})
			cfg := session.Config{SweepInterval: -1}
			if end.why == session.ReasonTooMany {
				cfg.MaxPerSubject = 1
			}
			f := factory(t, quiet(cfg), store)
			s := signedIn(t, f, "ada")
			parent, cancel := context.WithCancel(t.Context())
			defer cancel()
			ctx, release := s.Context(curious{parent, s})
			defer release()
			ended := make(chan error, 1)
			go func() { ended <- end.end(t.Context(), f, store, s) }()
			select {
			case err := <-ended:
				require.NoError(t, err)
			case <-time.After(time.Minute):
				t.Fatal("a deadlock")
			}
			<-ctx.Done()
		})
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gosession.dev/session"
)

// events streams to an open page, and tells it when its session has ended elsewhere. The
// stream lasts for as long as the page is open, so it has to end when the server shuts
// down: Shutdown waits for all requests, and does not end their contexts.
func (sh *shop) events(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	if s.Subject() == "" {
		w.WriteHeader(http.StatusNoContent) // the browser does not connect again
		return nil
	}
	stream := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	if err := stream.Flush(); err != nil {
		return err
	}
	ctx, cancel := s.Context(r.Context())
	defer cancel()
	beat := time.NewTicker(30 * time.Second)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			if _, ended := errors.AsType[*session.EndedError](context.Cause(ctx)); !ended {
				return nil // the page was closed
			}
			_, err := fmt.Fprint(w, "event: ended\ndata:\n\n")
			return err
		case <-beat.C: // proxies cut a connection that stays silent
			if _, err := fmt.Fprint(w, ":\n\n"); err != nil {
				return nil // the page was closed
			}
			if err := stream.Flush(); err != nil {
				return nil
			}
		case <-sh.closing:
			return nil // the page connects again, to the next process
		}
	}
}

// endStreams ends all streams. The server calls it once, when it shuts down.
func (sh *shop) endStreams() { close(sh.closing) }

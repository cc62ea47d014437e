package main

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"gosession.dev/session"
)

type api struct {
	sessions   *session.Factory
	closing    context.Context // ends when the server shuts down
	endSockets context.CancelFunc
	sockets    sync.WaitGroup
}

func newAPI(sessions *session.Factory) *api {
	closing, end := context.WithCancel(context.Background())
	return &api{sessions: sessions, closing: closing, endSockets: end}
}

// socket is a websocket to which a client sends notes. Each is stored, and answered by the
// number of notes. The socket ends with its session, and when the server shuts down.
func (a *api) socket(w http.ResponseWriter, r *http.Request, s *session.Session) error {
	a.sockets.Add(1) // before Accept, while Shutdown still waits for this request
	defer a.sockets.Done()
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return nil // Accept has answered
	}
	defer context.AfterFunc(a.closing, func() { _ = conn.Close(websocket.StatusGoingAway, "the server shuts down") })()
	live, cancel := s.Context(r.Context())
	defer cancel()
	defer context.AfterFunc(live, func() { closeSocket(conn, context.Cause(live)) })()
	err = receive(r.Context(), conn, s)
	if live.Err() != nil {
		err = context.Cause(live)
	}
	closeSocket(conn, err)
	return nil
}

// receive stores what the client sends. Its ctx is that of the request, and not that of the
// session: if the context of a Read or a Write ends, package websocket cuts the connection,
// and the client does not learn why.
func receive(ctx context.Context, conn *websocket.Conn, s *session.Session) error {
	for {
		var n note
		if err := wsjson.Read(ctx, conn, &n); err != nil {
			return nil // the client has gone, or the socket was closed
		}
		if err := errors.Join(add(s, n), s.Flush(ctx)); err != nil {
			return err
		}
		notes, err := session.Get[[]note](s, "notes")
		if err != nil {
			return err
		}
		if err := wsjson.Write(ctx, conn, len(notes)); err != nil {
			return nil
		}
	}
}

// closeSocket tells the client why its socket ends. Of several calls the first has effect;
// the others wait for it.
func closeSocket(conn *websocket.Conn, err error) {
	switch {
	case err == nil:
		_ = conn.CloseNow()
	case errors.Is(err, session.ErrNotFound): // an EndedError, for instance
		_ = conn.Close(websocket.StatusPolicyViolation, err.Error())
	default:
		_ = conn.Close(websocket.StatusInternalError, "try again later")
	}
}

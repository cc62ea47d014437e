package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"gosession.dev/session/internal/header"
	"gosession.dev/session/internal/uptime"
)

// exchange is a request and its response, as far as the session is concerned. It is also the
// context of the request, so that a request that does not use its session costs little.
type exchange struct {
	context.Context
	*exchangeVeil
}

// exchangeVeil hides what an exchange holds from package fmt, as veil does for a session.
type exchangeVeil struct{ *exchangeContents }

type exchangeContents struct {
	f       *Factory
	outer   *exchange     // of the next handler outside; nil if there is none
	r       *http.Request // that next gets
	out     response
	arrived time.Duration // uptime at which Handler was called
	sent    string        // text of the first ID; see idOf

	inHeader bool     // the ID travels in Config.Header
	lines    []string // of that field in the request as it came in, or else of Cookie

	mu         sync.Mutex    // guards what follows
	asked      bool          // the session was asked for
	known      bool          // session and err are set
	waiting    chan struct{} // for callers that wait until then; nil if there are none
	session    *Session
	err        error
	forget     bool // the response has to clear the cookie
	headerSent bool
	reported   bool          // OnError was called
	givenUp    bool          // OnError is answering for HandlerFunc, so that an error of the commit changes nothing
	inside     []header.Line // set by handlers inside
}

func (f *Factory) newExchange(w http.ResponseWriter, r *http.Request) *exchange {
	all := new(struct { // one allocation
		exchange         exchange
		exchangeVeil     exchangeVeil
		exchangeContents exchangeContents
		responseVeil     responseVeil
		responseContents responseContents
	})
	x := &all.exchange
	x.exchangeVeil, all.exchangeVeil.exchangeContents = &all.exchangeVeil, &all.exchangeContents
	x.out.responseVeil, all.responseVeil.responseContents = &all.responseVeil, &all.responseContents
	x.Context, x.f, x.outer, x.arrived = r.Context(), f, exchangeOf(r), uptime.Now()
	x.out.x, x.out.inner, x.out.before = x, w, header.SnapshotOf(w.Header())
	x.lines, x.inHeader = f.idLines(r)
	return x
}

func (x *exchange) Value(key any) any {
	switch k := key.(type) {
	case contextKey:
		if k.f == nil || k.f == x.f {
			return x
		}
	case exchangeKey:
		return x
	}
	return x.Context.Value(key)
}

// Format keeps the request's cookies and the ID out of a context, or a
// ResponseWriter, that is printed.
func (x *exchange) Format(f fmt.State, _ rune) { io.WriteString(f, "session.Factory.Handler") }

// provide returns the session. The first call reads it under the context of the request, because
// a shorter deadline of this caller must not fail the others. No caller waits for longer than
// its own context lasts.
func (x *exchange) provide(ctx context.Context) (*Session, error) {
	x.mu.Lock()
	first := !x.asked
	x.asked = true
	x.mu.Unlock()
	switch {
	case first && ctx.Done() == x.Context.Done():
		x.load()
		return x.loaded()
	case first:
		go x.loadAside()
	}
	select {
	case <-x.loading():
		return x.loaded()
	case <-ctx.Done():
		return nil, wrap("retrieve", ctx.Err())
	}
}

// loading returns a channel that is closed when session and err are set.
func (x *exchange) loading() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.known:
		return closed
	case x.waiting == nil:
		x.waiting = make(chan struct{})
	}
	return x.waiting
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// loaded waits for load and returns its result, or nil, nil if the session was not asked for.
// If the session was destroyed, loaded returns a new one.
func (x *exchange) loaded() (*Session, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.asked {
		return nil, nil
	}
	if !x.known {
		x.mu.Unlock()
		<-x.loading()
		x.mu.Lock()
	}
	if x.session != nil && x.session.isDestroyed() {
		x.replaceDestroyedLocked()
	}
	return x.session, x.err
}

// replaceDestroyedLocked replaces a destroyed session by a new one. If the request was overtaken,
// the client may have another cookie by now, so the new session is overtaken too.
func (x *exchange) replaceDestroyedLocked() {
	s := x.f.newSession()
	switch {
	case x.session.Overtaken():
		s.phase = overtaken
	case x.session.wasKnown(), x.session.forgetsCookie():
		x.forget = true
	}
	s.belongTo(x, x.headerSent)
	x.session = s
}

// errPanicked is the error for other callers of FromContext if the store, a codec or the IDs have
// panicked while the session was read.
var errPanicked error = unavailableError{errors.New("the store has panicked")}

// loadAside is load in a goroutine of its own, where a panic would end the program.
func (x *exchange) loadAside() {
	defer func() {
		if v := recover(); v != nil {
			x.f.cfg.Logger.ErrorContext(x.Context, "session: the store has panicked", "stack", string(debug.Stack()))
		}
	}()
	x.load()
}

// load finds the session of the request and sets x.session and x.err.
func (x *exchange) load() {
	var s *Session
	err := errPanicked
	defer func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.session, x.err = s, wrap("retrieve", err); s != nil {
			s.belongTo(x, x.headerSent)
		}
		if x.known = true; x.waiting != nil {
			close(x.waiting)
		}
	}()
	s, err = x.find(x.Context)
}

// gone implements client.
func (x *exchange) gone() error { return x.Context.Err() }

func (x *exchange) sendsHeader() bool { return x.inHeader }

// finish stores what is left to store, and answers if next has not.
func (x *exchange) finish() {
	s, err := x.loaded()
	switch {
	case !x.out.begun && err != nil:
		x.out.fail(err)
	case !x.out.begun:
		_ = x.out.begin() // if it fails, it has answered with OnError
	case x.out.failed != nil, x.out.panicked:
		// Store nothing that the client can't know of.
	case err != nil:
		x.report(silent{}, err)
	case s != nil && !s.isSettled():
		if err := x.flush(s, func() {}); err != nil {
			x.report(silent{}, err)
		}
	}
}

// flush stores s even if the client has gone away, unless that would give s an ID. Then it calls
// then, whatever the result, while no other goroutine can store s. If the session has ended, or a
// client that has gone away would have got an ID, flush stores nothing and returns nil; but it
// returns the error if the changes have a sign-in. The deadline of a request does not mean that
// its client has gone away.
func (x *exchange) flush(s *Session, then func()) error {
	ctx := context.WithoutCancel(x.Context)
	return wrap("flush", s.exclusively(ctx, func() error {
		defer then()
		signsIn := s.signsIn()
		err := s.writeExclusively(ctx)
		if err != nil && s.isUnsure() { // the last chance to tell the client its new ID
			err = s.writeExclusively(ctx)
		}
		tooLate := isGone(err) || isClientGone(err) && errors.Is(err, context.Canceled)
		if tooLate && !signsIn {
			return nil
		}
		return err
	}))
}

// report calls OnError, unless it was called before for this request.
func (x *exchange) report(w http.ResponseWriter, err error) {
	x.mu.Lock()
	first := !x.reported
	x.reported = true
	x.mu.Unlock()
	if first {
		x.f.cfg.OnError(w, x.r, err)
	}
}

// hasSentHeader reports whether the header of the response has left, or is leaving.
func (x *exchange) hasSentHeader() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.headerSent
}

// giveUp notes that OnError answers for HandlerFunc, before the session is stored.
func (x *exchange) giveUp() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.givenUp = true
}

func (x *exchange) isGivenUp() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.givenUp
}

// endForgotten ends the session for Factory.Forget, under the ID that it has by now.
func (x *exchange) endForgotten(ctx context.Context) error {
	s, _ := x.loaded()
	if s != nil {
		if err := s.exclusively(ctx, func() error { return s.destroy(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

// noteForgotten makes the response clear the cookie.
func (x *exchange) noteForgotten() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.forget = true
}

func (s *Session) isDestroyed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == destroyed
}

package session

// The header of a response leaves once. Until then the session can get a new ID, and the
// cookie of that leaves with it, whatever answer it is the header of.

// commit stores the session and completes the header. It is called once, before
// the header leaves.
func (x *exchange) commit() error {
	for {
		s, err := x.loaded()
		if err != nil {
			x.report(silent{}, err) // next knows, and answers by itself
		}
		if s == nil {
			if x.closeWithout() {
				return nil
			}
			continue // another goroutine has just asked for the session
		}
		if !s.closeHeader(false) {
			if err := x.flush(s, func() { s.closeHeader(true) }); err != nil {
				return err
			}
		}
		if forget, done := x.closeWith(s); done {
			x.completeHeader(s, forget)
			return nil
		}
	}
}

// closeWithout completes the header of a response without a session, and reports whether
// there still is none.
func (x *exchange) closeWithout() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.loading != nil && x.err == nil {
		return false
	}
	x.headerSent = true
	if x.loading != nil {
		varyByCookie(x.out.inner.Header())
	}
	return true
}

// closeWith notes that the header leaves, unless another goroutine has just destroyed s,
// and reports whether it leaves. If s is new, forget is whether the client has to forget
// its cookie.
func (x *exchange) closeWith(s *Session) (forget, done bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.session != s || s.isDestroyed() {
		return false, false
	}
	x.headerSent = true
	return x.forget, true
}

// close notes that the header leaves as it is, and returns the session, if there is one.
func (x *exchange) close() *Session {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.headerSent = true
	if x.session != nil {
		x.session.closeHeader(true)
	}
	return x.session
}

// reopen undoes commit, as far as the header goes, which has not left.
func (x *exchange) reopen() {
	x.out.takeCookieBack()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.headerSent = false
	if x.session != nil {
		x.session.openHeader()
	}
}

// completeHeader sets the cookie if the client does not have it yet.
func (x *exchange) completeHeader(s *Session, forget bool) {
	varyByCookie(x.out.inner.Header())
	if state, news := s.news(); news {
		x.out.putCookie(x.f.cookie(state))
		x.hintAtLoopback()
	} else if forget && s.IsNew() && !s.Overtaken() {
		x.out.putCookie(x.f.expiredCookie())
	}
}

// closeUncommitted ends the session's part in a response that is not next's own. The
// client learns of an ID that was stored before.
func (x *exchange) closeUncommitted() {
	if s := x.close(); s != nil {
		x.completeHeader(s, false)
	}
}

// panicked leaves the header to a handler outside that recovers.
func (x *exchange) panicked() {
	if !x.out.begun {
		x.closeUncommitted()
	}
}

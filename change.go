package session

// A change is something done to a session since it was last stored. It is kept
// until it is stored, to be applied again to what others have stored meanwhile.
type change struct {
	// apply changes st. It must give the same result each time for the same
	// state; it is called while st belongs to nobody else.
	apply func(st *state) error

	key      string // of the value that is concerned
	replaces bool   // whatever was done to that value before is moot
	renames  bool   // the session has to be stored under a new ID
	signsIn  bool   // it says whose the session is
}

func deletion(key string) change {
	return change{key: key, replaces: true, apply: func(st *state) error {
		st.values.delete(key)
		return nil
	}}
}

// change applies c and keeps it. Its apply must not run code of the caller, for
// the session is locked.
func (s *Session) change(c change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mutableLocked(c.renames); err != nil {
		return err
	}
	if err := c.apply(&s.state); err != nil {
		return err
	}
	s.edits++
	s.keepLocked(c)
	return nil
}

// changeUnlocked applies c, whose apply runs code of the caller, to a copy of the
// state while the session is not locked, again if the state changes meanwhile.
// What it keeps is kept.
func (s *Session) changeUnlocked(c, kept change) error {
	for {
		s.mu.Lock()
		before, draft := s.edits, s.state.clone()
		s.mu.Unlock()
		if err := c.apply(&draft); err != nil {
			return err
		}
		if done, err := s.replaceState(before, draft, kept); done || err != nil {
			return err
		}
	}
}

// replaceState installs draft, which was made of the state as it was before, and
// reports whether the state still was that.
func (s *Session) replaceState(before uint64, draft state, kept change) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mutableLocked(kept.renames); err != nil {
		return false, err
	}
	if s.edits != before {
		return false, nil
	}
	s.state = draft
	s.edits++
	s.keepLocked(kept)
	return true, nil
}

// mutableLocked returns why the session can't be changed, if it can't.
func (s *Session) mutableLocked(renames bool) error {
	switch {
	case s.phase == lost || s.phase == destroyed:
		return ErrNotFound
	case s.headerSent && (renames || s.phase == fresh || s.f.inCookie):
		return ErrHeaderSent
	}
	return nil
}

// keepLocked appends c to the changes, in the place of what it makes moot. A
// write that is under way knows the first s.inFlight of them by number: those stay.
func (s *Session) keepLocked(c change) {
	if c.replaces {
		kept := s.changes[:s.inFlight]
		for _, earlier := range s.changes[s.inFlight:] {
			if earlier.key != c.key || earlier.renames {
				kept = append(kept, earlier)
			}
		}
		clear(s.changes[len(kept):])
		s.changes = kept
	}
	s.changes = append(s.changes, c)
}

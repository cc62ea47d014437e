package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"gosession.dev/session/driver"
)

// write stores what has to be stored, unless the session turns out to be gone.
func (s *Session) write(ctx context.Context) error {
	return s.exclusively(ctx, func() error {
		err := s.f.call(ctx, s.merge)
		switch {
		case errors.Is(err, ErrNotFound):
			s.end(lost)
		case errors.Is(err, ErrConflict):
			s.f.meter.mergesFailed.Add(1)
		}
		return err
	})
}

// exclusively runs do while no other write of this session is under way.
func (s *Session) exclusively(ctx context.Context, do func() error) error {
	s.mu.Lock()
	if s.writing == nil {
		s.writing = make(chan struct{}, 1)
	}
	writing := s.writing
	s.mu.Unlock()
	select {
	case writing <- struct{}{}:
		defer func() { <-writing }()
		return do()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// maxTaken is how many IDs in a row may be taken before we stop drawing.
const maxTaken = 10

// merge writes on the condition that nobody else has. If somebody has, it reads
// the session again, applies the changes of this one to that, and tries again
// until ctx is done. This is what keeps two requests from losing each other's
// change.
func (s *Session) merge(ctx context.Context) error {
	for conflicts, taken, reloaded := 0, 0, false; ; {
		p, err := s.prepare()
		if err != nil || p.step == nothing {
			return err
		}
		if p.versionUnknown() && !reloaded {
			if err := s.reload(ctx); err != nil {
				return err
			}
			reloaded = true
			continue
		}
		if err = s.f.admit(ctx, p); err == nil {
			err = s.f.perform(ctx, p)
		}
		s.settle(p, err)
		if err == nil {
			s.f.announce(ctx, p)
			err = s.f.vacate(ctx, p)
		}
		switch {
		case errors.Is(err, ErrConflict) && p.changes == 0 && p.step == flush:
			s.forgetVersion()
			return nil // there was but the expiry to move, and whoever was faster has
		case errors.Is(err, ErrConflict):
			if err := s.retry(ctx, conflicts); err != nil {
				return err
			}
			conflicts++
			reloaded = true
		case errors.Is(err, driver.ErrExists):
			if taken++; taken == maxTaken {
				return errors.New("new IDs are taken again and again; Config.IDs is not random")
			}
		case p.step == touch && errors.Is(err, errors.ErrUnsupported):
			s.f.noTouch.Store(true)
		default:
			return err
		}
	}
}

const (
	firstPause = time.Millisecond
	maxPause   = 32 * time.Millisecond
)

// retry reads the session again after a pause: a random one, lest competitors
// meet again, from a range that doubles with the number of conflicts.
func (s *Session) retry(ctx context.Context, conflicts int) error {
	var err error
	select {
	case <-time.After(rand.N(min(firstPause<<min(conflicts, 10), maxPause))):
		err = s.reload(ctx)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w, %d times in a row: %w", ErrConflict, conflicts+1, err)
	}
	return err
}

// reload reads the session again and applies the changes to that. They may run
// code of the caller, see [Update], so the session is not locked meanwhile; if it
// is changed meanwhile, they are applied once more.
func (s *Session) reload(ctx context.Context) error {
	s.mu.Lock()
	key := s.key
	s.mu.Unlock()
	fresh, content, err := s.f.load(ctx, key)
	if err != nil {
		return err
	}
	for {
		s.mu.Lock()
		before, changes := s.edits, slices.Clone(s.changes)
		s.mu.Unlock()
		merged := content.clone()
		for _, c := range changes {
			if err := c.apply(&merged); err != nil {
				return err
			}
		}
		if s.replaceStored(before, fresh, merged) {
			return nil
		}
	}
}

// replaceStored installs what reload made of the changes up to the edit before,
// and reports whether there were no more.
func (s *Session) replaceStored(before uint64, fresh stored, merged state) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.edits != before {
		return false
	}
	s.stored, s.state = fresh, merged
	s.edits++
	return true
}

// forgetVersion makes the next conditional write read the session first.
func (s *Session) forgetVersion() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored.version = 0
}

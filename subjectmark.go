package session

import (
	"context"

	"gosession.dev/session/internal/subjectmark"
)

// marksSubjects reports whether all sessions of a subject can be ended, and leave a mark
// then.
func (f *Factory) marksSubjects() bool {
	return !f.inCookie && (f.destroyer != nil || f.lister != nil)
}

// subjectMark returns the number of a subject's mark, which changes when all of the
// subject's sessions are ended; 0 if there is none.
func (f *Factory) subjectMark(ctx context.Context, subject string) (number uint64, err error) {
	if !f.marksSubjects() {
		return 0, nil
	}
	err = f.callAside(ctx, func(ctx context.Context) (err error) {
		number, err = subjectmark.Read(ctx, f.store.Store, subject)
		return err
	})
	return number, err
}

// markSubject notes that all sessions of a subject are about to be ended: a sign-in that
// has begun before fails.
func (f *Factory) markSubject(ctx context.Context, subject string) error {
	return f.callAside(ctx, func(ctx context.Context) error {
		now := f.cfg.Now()
		return subjectmark.Write(ctx, f.store.Store, subject, now, now.Add(subjectmark.Lifetime))
	})
}

// callAside is call for calls of the store that are about no session: only their failures
// are counted.
func (f *Factory) callAside(ctx context.Context, do func(context.Context) error) error {
	err := f.call(ctx, do)
	if err != nil {
		f.meter.failed(ctx, err)
	}
	return err
}

package driver

import "context"

// A SubjectDestroyer is a [Store] that can end all sessions of a subject in one step:
// "log out everywhere".
//
// Without it, package session lists the sessions and destroys them one by one if the
// store is a [SubjectLister], and otherwise returns [errors.ErrUnsupported].
type SubjectDestroyer interface {
	// DestroySubject removes all records of subject except those under the keys in except.
	// Every record of the subject that was live when the call began must be gone when the
	// call has returned nil, even if it was renamed meanwhile. A record that gets or loses
	// the subject during the call may be removed or not. If the subject has no records,
	// DestroySubject returns nil. Package session guarantees that subject is not empty.
	DestroySubject(ctx context.Context, subject string, except ...string) error
}

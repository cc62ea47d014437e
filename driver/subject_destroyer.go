package driver

import "context"

// A SubjectDestroyer is a [Store] that can end all sessions of a subject in one
// step: "log out everywhere".
//
// Without it, package session lists them and destroys one by one where the store
// is a [SubjectLister], and reports [errors.ErrUnsupported] elsewhere.
type SubjectDestroyer interface {
	// DestroySubject removes all records of subject but those under the keys in
	// except. Every record of the subject that was alive when the call began
	// must be gone when it returned nil, one that is renamed meanwhile
	// included. What comes to be of the subject during the call, or ceases to
	// be, may be removed or not. That there were none is no error. Package
	// session guarantees that subject is not empty.
	DestroySubject(ctx context.Context, subject string, except ...string) error
}

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
	// included. A record that gets the subject, or loses it, during the call may
	// be removed or not. A subject without records is no error. Package session
	// guarantees that subject is not empty.
	DestroySubject(ctx context.Context, subject string, except ...string) error
}

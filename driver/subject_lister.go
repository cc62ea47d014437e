package driver

import (
	"context"
	"iter"
)

// A SubjectLister is a [Store] that can list the sessions of a subject: a user's "my
// devices".
//
// Without it, package session returns [errors.ErrUnsupported].
type SubjectLister interface {
	// SubjectSessions lists the live records of one subject, by the rules of
	// [Store.Sessions], and must yield no other keys. Package session guarantees that
	// subject is not empty.
	SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error]
}

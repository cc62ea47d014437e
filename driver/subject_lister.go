package driver

import (
	"context"
	"iter"
)

// A SubjectLister is a [Store] that can find the sessions of a subject: a user's
// "my devices".
//
// Without it, package session reports [errors.ErrUnsupported].
type SubjectLister interface {
	// SubjectSessions is [Store].Sessions for the live records of one subject,
	// and must yield no others. Package session guarantees that subject is not
	// empty.
	SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error]
}

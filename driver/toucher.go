package driver

import (
	"context"
	"time"
)

// A Toucher is a [Store] that can move the expiry of a record without rewriting
// its data.
//
// Without it, package session flushes the record unchanged but for Expires, and
// takes [ErrConflict] for success: the write that changed the record has moved the
// expiry too.
type Toucher interface {
	// Touch sets Expires of the live record under key and must leave everything
	// else as it is; the version may change. If there is no live record, it
	// must return [ErrNotFound] and must not insert one.
	Touch(ctx context.Context, key string, expires time.Time) error
}

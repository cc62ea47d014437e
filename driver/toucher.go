package driver

import (
	"context"
	"time"
)

// A Toucher is a [Store] that can move the expiry of a record without rewriting its data.
//
// Without it, package session moves the expiry with Flush, and takes [ErrConflict] as
// success: the competing write has moved the expiry too.
type Toucher interface {
	// Touch sets Expires of the live record under key and must leave everything else as it
	// is; the version may change. If there is no live record, Touch must return
	// [ErrNotFound] and must not insert one.
	Touch(ctx context.Context, key string, expires time.Time) error
}

package driver

import "context"

// A Pinger is a [Store] that can tell whether its backend answers.
//
// Without it, package session retrieves a random key; [ErrNotFound] is health.
type Pinger interface {
	// Ping connects if need be, prepares the backend as the first use would,
	// and must return nil only if the store can serve.
	Ping(ctx context.Context) error
}

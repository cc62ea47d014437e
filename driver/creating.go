package driver

import "context"

type withoutCreating struct{}

// WithoutCreating returns a context for calls that look at a backend and create nothing
// in it. A tool that is given a wrong file name then leaves no new file behind. sessionctl
// uses it.
func WithoutCreating(ctx context.Context) context.Context {
	return context.WithValue(ctx, withoutCreating{}, true)
}

// MayCreate reports whether a call with ctx may create what the backend needs: a file, a
// table, a collection. It returns true unless ctx comes from [WithoutCreating]. A store
// calls MayCreate before it creates anything of this kind. If something is missing that
// the call may not create, the call must fail and must create nothing: its error says what
// is missing and is none of this package's errors, and the next call that may create finds
// the backend as it was.
func MayCreate(ctx context.Context) bool { return ctx.Value(withoutCreating{}) == nil }

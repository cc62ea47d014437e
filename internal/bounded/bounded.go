// Package bounded limits how long a call of a store, or one step of a listing, may take.
// net/http gives requests no deadline, and a store that does not answer must not hold them.
//
// The limit is the end of the context that the store receives, so a store that ignores its
// context is not stopped. An error caused by the limit contains a [NoAnswerError]; the end of
// the caller's own context is reported as it is.
package bounded

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// NoAnswerError reports that a store did not answer in time. It matches
// [context.DeadlineExceeded].
type NoAnswerError struct{ After time.Duration }

func (e NoAnswerError) Error() string {
	return fmt.Sprintf("the store gave no answer within %v", e.After)
}

func (e NoAnswerError) Unwrap() error { return context.DeadlineExceeded }

// Call runs do under a context that ends when ctx does, and at the latest after within.
func Call(ctx context.Context, within time.Duration, do func(context.Context) error) error {
	return CallUntil(ctx, time.Now().Add(within), NoAnswerError{within}, do)
}

// CallUntil runs do under a context that ends when ctx does, and at the latest at until. If
// the call fails because until has passed, its error begins with noAnswer, which must be a
// [NoAnswerError].
func CallUntil(ctx context.Context, until time.Time, noAnswer error, do func(context.Context) error) error {
	d := &deadline{Context: ctx, at: until, cause: noAnswer}
	defer d.end()
	err := do(d)
	if err != nil && d.Err() != nil {
		err = explain(d.timed(), err)
	}
	return err
}

// CallerEnded reports whether the caller's context has ended: the context that was passed to
// [CallUntil] if CallUntil made ctx, otherwise ctx itself.
func CallerEnded(ctx context.Context) bool {
	if d, ours := ctx.(*deadline); ours {
		ctx, _ = d.Caller()
	}
	return ctx.Err() != nil
}

// List yields the keys of a listing, and stops after its first error. Each step may take as
// long as each; the time that the caller spends between two steps does not count.
func List(ctx context.Context, each time.Duration, list func(context.Context) iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		overdue := time.AfterFunc(each, func() { cancel(NoAnswerError{each}) })
		defer overdue.Stop()
		keys := list(ctx)
		if keys == nil {
			yield("", errNoListing)
			return
		}
		for key, err := range keys {
			overdue.Stop()
			if !yield(key, explain(ctx, err)) || err != nil {
				return
			}
			overdue.Reset(each)
		}
	}
}

var errNoListing = errors.New("the store returned a nil sequence; its driver must return a sequence, which yields errors.ErrUnsupported if the store can't list")

// explain puts the NoAnswerError before the error of a call whose context this package has
// ended. It keeps the text of the store's error, which may tell what is wrong with the store.
func explain(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	noAnswer, ours := errors.AsType[NoAnswerError](context.Cause(ctx))
	_, explained := errors.AsType[NoAnswerError](err)
	switch {
	case explained || !ours:
		return err
	case err == ctx.Err():
		return noAnswer
	}
	return fmt.Errorf("%w: %w", noAnswer, err)
}

package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// call does something with the store in at most StoreTimeout: net/http gives
// requests no deadline, and a dead store must not hold them. If the store has failed, the
// error matches [ErrUnavailable].
func (f *Factory) call(ctx context.Context, do func(context.Context) error) error {
	return f.callUntil(ctx, time.Now().Add(f.cfg.StoreTimeout), do)
}

// callUntil is call for a step of something that has to be over at a time.
func (f *Factory) callUntil(ctx context.Context, until time.Time, do func(context.Context) error) error {
	d := &deadline{Context: ctx, at: until, cause: f.noAnswer}
	defer d.end()
	err := do(d)
	if err != nil && d.Err() != nil {
		err = explain(d.timed(), err)
	}
	return outage(ctx, err)
}

// outage makes an error that is no answer of the store, and not the end of the caller's
// context, match [ErrUnavailable].
func outage(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || !isUnknown(err) || errors.Is(err, ErrSealed) || errors.Is(err, ErrUnavailable) {
		return err
	}
	return unavailableError{err}
}

// unavailableError is an error of a store that has failed.
type unavailableError struct{ cause error }

func (e unavailableError) Error() string        { return e.cause.Error() }
func (e unavailableError) Unwrap() error        { return e.cause }
func (e unavailableError) Is(target error) bool { return target == ErrUnavailable }

// keys passes a listing of the store on, and gives each step at most StoreTimeout.
func (f *Factory) keys(ctx context.Context, list func(context.Context) iter.Seq2[string, error]) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		for key, err := range inSteps(ctx, f.cfg.StoreTimeout, list) {
			if err != nil {
				f.meter.failed(ctx, err)
			} else if !Key(key).isSession() {
				continue // the mark of a subject
			}
			if !yield(Key(key), outage(ctx, err)) {
				return
			}
		}
	}
}

// inSteps passes a listing on until its first error. Each step may take as long as each
// says; the time that the caller spends between two steps does not count.
func inSteps(ctx context.Context, each time.Duration, list func(context.Context) iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		overdue := time.AfterFunc(each, func() { cancel(noAnswerError{each}) })
		defer overdue.Stop()
		for key, err := range list(ctx) {
			overdue.Stop()
			if !yield(key, explain(ctx, err)) || err != nil {
				return
			}
			overdue.Reset(each)
		}
	}
}

// noAnswerError matches [context.DeadlineExceeded].
type noAnswerError struct{ after time.Duration }

func (e noAnswerError) Error() string {
	return fmt.Sprintf("the store gave no answer within %v", e.after)
}

func (e noAnswerError) Unwrap() error { return context.DeadlineExceeded }

// explain puts the reason before the error of a context that we ended. What a store
// says beyond that error may tell what is wrong with it.
func explain(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	noAnswer, ours := errors.AsType[noAnswerError](context.Cause(ctx))
	_, explained := errors.AsType[noAnswerError](err)
	switch {
	case explained || !ours:
		return err
	case err == ctx.Err():
		return noAnswer
	}
	return fmt.Errorf("%w: %w", noAnswer, err)
}

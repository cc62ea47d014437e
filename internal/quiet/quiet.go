// Package quiet makes errors that hide the text of their cause. The errors of codecs and drivers
// may quote session data or a DSN. A quiet error never prints that text, and [errors.Is] and
// [errors.As] still find the cause.
package quiet

import "errors"

// Error returns an error with the given text that matches, by errors.Is and errors.As, what
// cause matches. It has no Unwrap, because error reporters print the whole chain.
func Error(text string, cause error) error { return quietError{text, cause} }

type quietError struct {
	text  string
	cause error
}

func (e quietError) Error() string        { return e.text }
func (e quietError) Is(target error) bool { return errors.Is(e.cause, target) }
func (e quietError) As(target any) bool   { return errors.As(e.cause, target) }

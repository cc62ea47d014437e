package meter

import (
	"errors"

	"gosession.dev/session/driver"
)

// Answers are the errors of a store that works. A call that returns one of them has changed
// nothing. Any other error of a store is an outage.
var Answers = [...]error{
	driver.ErrNotFound, driver.ErrExists, driver.ErrConflict, driver.ErrTooLarge, driver.ErrCorrupt, driver.ErrClosed, errors.ErrUnsupported,
}

// IsAnswer reports whether err matches one of [Answers].
func IsAnswer(err error) bool {
	for _, answer := range Answers {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

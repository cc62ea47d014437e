package migrate

import (
	"errors"
	"fmt"
	"reflect"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/isnil"
	"gosession.dev/session/internal/move"
)

var (
	errPair = errors.New("dst or src is a pair of this package: open each backend by itself, " +
		"and give the new one as dst and the old one as src; nothing was moved")
	errSame = errors.New("dst and src are the same store: give the new backend as dst and the old one as src; nothing was moved")
)

// refuse returns an error if Move can't move sessions from src to dst. It calls no method of the
// stores that reads or writes. Two stores of one DSN are different values; move.All finds out.
//
// A pair can't be src: it marks frozen records as Move does, so it takes a record that Move has
// frozen for a record of its own. It can't be dst either, because one of its backends may be src.
func refuse(dst, src driver.Store) error {
	for _, store := range []driver.Store{dst, src} {
		if isnil.Store(store) {
			return errors.New("a store is nil; check the error of the call that opened it")
		}
		for part := range move.Parts(store) {
			switch part.(type) {
			case driver.ClientSide:
				return fmt.Errorf("a store keeps sessions in the clients' cookies, and these can't be moved: %w", errors.ErrUnsupported)
			case *move.Store:
				return errPair
			}
		}
	}
	for a := range move.Parts(dst) {
		for b := range move.Parts(src) {
			if isIdentical(a, b) {
				return errSame
			}
		}
	}
	return nil
}

// isIdentical reports whether a == b, and returns false where == would panic.
func isIdentical(a, b driver.Store) bool {
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/seal"
)

// newBox returns what seals records under [Config].Keys, or nil if there are none.
func newBox(keys []Secret) (*seal.Box, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	box, err := seal.New("record", keys...)
	if err != nil {
		return nil, fmt.Errorf("session: Config.Keys: %w", err)
	}
	return box, nil
}

// bound returns what is authenticated with the sealed data: an attacker who can write to
// the database can neither move the data under another key nor give it to another
// subject, nor change the metadata. Expires is left out, because Touch moves it.
func bound(rec *driver.Record) []string {
	return []string{rec.Key, rec.Subject, string(rec.Meta), strconv.FormatInt(rec.Created.UnixMilli(), 10)}
}

// seal seals the data of a record that is going to be stored.
func (f *Factory) seal(rec *driver.Record) {
	if f.box != nil {
		rec.Data = f.box.Seal(rec.Data, bound(rec)...)
	}
}

// unseal opens the data of a record that was stored. It reports whether the record
// is sealed as a new one would be.
func (f *Factory) unseal(rec *driver.Record) (current bool, err error) {
	sealed := seal.IsSealed(rec.Data)
	switch {
	case f.box == nil && sealed:
		return false, fmt.Errorf("%w: Config.Keys has none", ErrSealed)
	case f.box == nil:
		return true, nil
	case !sealed && f.cfg.InsecureReadUnsealed:
		return false, nil
	case !sealed:
		return false, fmt.Errorf("%w: it is not sealed; see Config.InsecureReadUnsealed", ErrCorrupt)
	}
	data, current, err := f.box.Open(rec.Data, bound(rec)...)
	switch {
	case errors.Is(err, seal.ErrUnknownSecret):
		return false, ErrSealed
	case err != nil:
		return false, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	rec.Data = data
	return current, nil
}

// Reseal seals all sessions of the store under the first of [Config].Keys, those
// that are not sealed included if Config.InsecureReadUnsealed is set, and returns
// how many it has sealed. Afterwards the other secrets, and that field, can go. It may
// be run beside processes that serve, all of which have the new secret already, and
// run again after an error. Sessions that can't be opened are left as they are; then the
// error at the end matches [ErrCorrupt]. If the store can't list, the error matches
// [errors.ErrUnsupported].
func (f *Factory) Reseal(ctx context.Context) (int, error) {
	const operation = "reseal"
	if f.box == nil {
		return 0, wrap(operation, errors.New("Config.Keys has no secret"))
	}
	resealed, unread := 0, 0
	for key, err := range f.Sessions(ctx) {
		if err != nil {
			return resealed, wrap(operation, err)
		}
		done, err := f.resealOne(ctx, string(key))
		switch {
		case errors.Is(err, ErrCorrupt), errors.Is(err, ErrSealed):
			unread++
		case err != nil:
			return resealed, wrap(operation, err)
		case done:
			resealed++
		}
	}
	if unread > 0 {
		return resealed, wrap(operation, fmt.Errorf("%d sessions can't be opened, under the secrets of Config.Keys: %w", unread, ErrCorrupt))
	}
	return resealed, nil
}

// resealOne reports whether it had to write. Another process that writes the session
// meanwhile seals it too.
func (f *Factory) resealOne(ctx context.Context, key string) (done bool, err error) {
	err = f.call(ctx, func(ctx context.Context) error {
		rec, err := f.store.Retrieve(ctx, key)
		if err != nil {
			return err
		}
		current, err := f.unseal(rec)
		if current || err != nil {
			return err
		}
		if rec.Meta, err = withoutIndex(rec.Meta); err != nil {
			return err
		}
		f.seal(rec)
		err = f.store.Flush(ctx, rec)
		done = err == nil
		return err
	})
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) {
		err = nil
	}
	return done, err
}

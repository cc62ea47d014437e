package seal

import (
	"errors"
	"fmt"
	"strconv"

	"gosession.dev/session/driver"
)

// Records seals and opens the data of records. The zero Records has no secrets and leaves data as
// it is. Its methods are safe for concurrent use.
type Records struct {
	box           *Box // nil without secrets
	opensUnsealed bool
}

// NewRecords returns a Records that seals under the first secret and opens under all of them.
// Without secrets it seals nothing. If opensUnsealed is true, Open also accepts records that were
// never sealed.
func NewRecords[S interface{ Reveal() []byte }](secrets []S, opensUnsealed bool) (Records, error) {
	if len(secrets) == 0 {
		return Records{}, nil
	}
	box, err := New("record", secrets...)
	return Records{box, opensUnsealed}, err
}

// Seals reports whether rs has secrets.
func (rs Records) Seals() bool { return rs.box != nil }

// Seal replaces the data of a record with its sealed form, if rs has secrets. It must be the last
// change before the record is stored: Open fails if the key, subject, metadata or creation time
// differ.
func (rs Records) Seal(rec *driver.Record) {
	if rs.box != nil {
		rec.Data = rs.box.Seal(rec.Data, bound(rec)...)
	}
}

// Open replaces the data of a stored record with its plaintext, and reports whether Seal would
// seal it under the same secret now. The error matches [driver.ErrSealed] if the secret is not
// configured, and otherwise [driver.ErrCorrupt]. After an error the record is unchanged.
func (rs Records) Open(rec *driver.Record) (current bool, err error) {
	sealed := IsSealed(rec.Data)
	switch {
	case rs.box == nil && sealed:
		return false, fmt.Errorf("%w: Config.Secrets has none", driver.ErrSealed)
	case rs.box == nil:
		return true, nil
	case !sealed && rs.opensUnsealed:
		return false, nil
	case !sealed:
		return false, fmt.Errorf("%w: it is not sealed; see Config.InsecureReadUnsealed", driver.ErrCorrupt)
	}
	data, current, err := rs.box.Open(rec.Data, bound(rec)...)
	switch {
	case errors.Is(err, ErrUnknownSecret):
		return false, fmt.Errorf("%w: number %s", driver.ErrSealed, Number(rec.Data))
	case err != nil:
		return false, fmt.Errorf("%w: %w", driver.ErrCorrupt, err)
	}
	rec.Data = data
	return current, nil
}

// bound returns the fields that are authenticated together with the data, so that an attacker
// with write access to the database can't move the data to another key or subject, or change the
// metadata. Expires is left out, because Touch changes it.
func bound(rec *driver.Record) []string {
	return []string{rec.Key, rec.Subject, string(rec.Meta), strconv.FormatInt(rec.Created.UnixMilli(), 10)}
}

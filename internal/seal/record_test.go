package seal

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

func records(t *testing.T, opensUnsealed bool, secrets ...revealed) Records {
	t.Helper()
	rs, err := NewRecords(secrets, opensUnsealed)
	require.NoError(t, err)
	require.Equal(t, len(secrets) > 0, rs.Seals())
	return rs
}

func record() *driver.Record {
	return &driver.Record{Key: "key", Subject: "ada", Meta: []byte("meta"), Data: []byte(`{"a":1}`), Created: time.UnixMilli(1), Expires: time.UnixMilli(2), Version: 3}
}

// Open opens records that were sealed under any of the secrets, and changes nothing but the data.
func TestRecordsOpen(t *testing.T) {
	none, first, both := records(t, false), records(t, false, secret(1)), records(t, false, secret(2), secret(1))
	for name, tt := range map[string]struct {
		by, opener Records
		current    bool
		want       string // text of the error
		is         error
	}{
		"unsealed":                 {none, none, true, "", nil},
		"sealed":                   {first, first, true, "", nil},
		"under an older secret":    {first, both, false, "", nil},
		"under an unknown secret":  {both, first, false, driver.ErrSealed.Error() + ": number NUMBER", driver.ErrSealed},
		"without a secret":         {first, none, false, driver.ErrSealed.Error() + ": Config.Secrets has none", driver.ErrSealed},
		"that should be sealed":    {none, first, false, driver.ErrCorrupt.Error() + ": it is not sealed; see Config.InsecureReadUnsealed", driver.ErrCorrupt},
		"not sealed, allowed":      {none, records(t, true, secret(1)), false, "", nil},
		"sealed, unsealed allowed": {first, records(t, true, secret(1)), true, "", nil},
	} {
		rec := record()
		tt.by.Seal(rec)
		require.Equal(t, tt.by.Seals(), IsSealed(rec.Data), name)
		stored := *rec
		current, err := tt.opener.Open(rec)
		require.Equal(t, tt.current, current, name)
		if tt.is != nil {
			require.ErrorIs(t, err, tt.is, name)
			require.EqualError(t, err, strings.Replace(tt.want, "NUMBER", Number(rec.Data), 1), name)
			require.Equal(t, &stored, rec, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, record(), rec, name)
	}
}

// Sealed data opens only in the record that it was sealed for. A store may change the expiry and
// the version.
func TestRecordsAreBound(t *testing.T) {
	rs := records(t, false, secret(1))
	for name, tt := range map[string]struct {
		change func(*driver.Record)
		opens  bool
	}{
		"key":     {func(r *driver.Record) { r.Key = "other" }, false},
		"subject": {func(r *driver.Record) { r.Subject = "bob" }, false},
		"meta":    {func(r *driver.Record) { r.Meta = []byte("metb") }, false},
		"created": {func(r *driver.Record) { r.Created = time.UnixMilli(2) }, false},
		"data":    {func(r *driver.Record) { r.Data[len(r.Data)-1] ^= 1 }, false},
		"shift":   {func(r *driver.Record) { r.Key, r.Subject = "keya", "da" }, false},
		"zone":    {func(r *driver.Record) { r.Created = r.Created.In(time.FixedZone("", 3600)) }, true},
		"expires": {func(r *driver.Record) { r.Expires = time.UnixMilli(9) }, true},
		"version": {func(r *driver.Record) { r.Version = 9 }, true},
	} {
		rec := record()
		rs.Seal(rec)
		tt.change(rec)
		_, err := rs.Open(rec)
		if tt.opens {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, driver.ErrCorrupt, name)
		require.ErrorIs(t, err, ErrRefused, name)
	}
}

func TestNewRecordsRefuses(t *testing.T) {
	_, err := NewRecords([]revealed{secret(1), {1}}, false)
	require.ErrorContains(t, err, "secret 2 has 1 bytes")
}

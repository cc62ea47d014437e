package driver_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
)

func record() *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{
		Key:     "k",
		Data:    []byte(`{"cart":[1,2]}`),
		Meta:    []byte{0, 1, 2},
		Created: now,
		Expires: now.Add(time.Hour),
		Subject: "user:42",
		Version: 1<<64 - 1,
	}
}

func TestEnvelopeKeepsEverything(t *testing.T) {
	for name, change := range map[string]func(*driver.Record){
		"all fields": func(*driver.Record) {},
		"no data":    func(r *driver.Record) { r.Data = nil },
		"no meta":    func(r *driver.Record) { r.Meta = nil },
		"no subject": func(r *driver.Record) { r.Subject = "" },
		"long data":  func(r *driver.Record) { r.Data = bytes.Repeat([]byte{0xff, 0}, 1<<19) },
		"before 1970": func(r *driver.Record) {
			r.Created = time.Date(1066, 10, 14, 9, 0, 0, 0, time.UTC)
		},
		"far future": func(r *driver.Record) {
			r.Expires = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := record()
			change(want)
			b := driver.AppendEnvelope([]byte("prefix"), want)
			b, ok := bytes.CutPrefix(b, []byte("prefix"))
			require.True(t, ok, "AppendEnvelope(prefix) does not begin with the prefix; want it to append")
			require.LessOrEqual(t, len(b), len(want.Data)+len(want.Meta)+len(want.Subject)+33)

			got, err := driver.ParseEnvelope("k", b)
			require.NoError(t, err)
			require.Equal(t, string(want.Data), string(got.Data))
			require.Equal(t, string(want.Meta), string(got.Meta))
			want.Data, want.Meta, got.Data, got.Meta = nil, nil, nil, nil
			require.Equal(t, *want, *got)
		})
	}
}

// Appending to one field does not overwrite the next.
func TestEnvelopeFieldsDoNotOverlap(t *testing.T) {
	want := record()
	got, err := driver.ParseEnvelope("k", driver.AppendEnvelope(nil, want))
	require.NoError(t, err)
	_ = append(got.Meta, "scribble"...)
	require.Equal(t, want.Data, got.Data)
}

// The envelope is cut off at every byte before Data. Data ends the envelope and has no
// length of its own, so a cut within it can't be noticed.
func TestEnvelopeCutOff(t *testing.T) {
	r := record()
	b := driver.AppendEnvelope(nil, r)
	for n := range len(b) - len(r.Data) {
		_, err := driver.ParseEnvelope("k", b[:n])
		require.ErrorIs(t, err, driver.ErrCorrupt, "cut after %d bytes", n)
	}
}

func TestRecordPrintsNoData(t *testing.T) {
	r := record()
	r.Data = []byte("canary")
	r.Subject = "canary"
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		require.NotContains(t, fmt.Sprintf(verb, r), "canary", verb)
		require.NotContains(t, fmt.Sprintf(verb, *r), "canary", verb)
		require.NotContains(t, fmt.Sprintf(verb, r), fmt.Sprintf("%x", "canary"), verb)
	}
}

func FuzzParseEnvelope(f *testing.F) {
	f.Add(driver.AppendEnvelope(nil, record()))
	f.Add([]byte(`{"cart":[1,2]}`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := driver.ParseEnvelope("k", b)
		if err != nil {
			require.ErrorIs(t, err, driver.ErrCorrupt)
			return
		}
		again, err := driver.ParseEnvelope("k", driver.AppendEnvelope(nil, r))
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

package drivertest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"sync"

	"gosession.dev/session/driver"
)

const (
	ownsNoBytes = "Bytes: a store must neither keep nor alias the Data and Meta of a record that it is given, " +
		"and those of a record that it returns belong to the caller."
	changesVersion = "Of a record that it is given it must change nothing but Version, and that only on success."
	opaque         = "Package session fills it; to a store all of it but Key, Expires, Subject and Version is opaque."
	nilIsEmpty     = "Nil and empty are the same."
)

var bytesChecks = []check{
	{name: "Bytes/GivenToCreate", in: "package driver", rule: ownsNoBytes, fn: bytesGivenToCreate},
	{name: "Bytes/GivenToFlush", in: "package driver", rule: ownsNoBytes, fn: bytesGivenToFlush},
	{name: "Bytes/GivenToChangeID", in: "package driver", rule: ownsNoBytes, fn: bytesGivenToChangeID},
	{name: "Bytes/Returned", in: "package driver", rule: ownsNoBytes, fn: bytesReturned},
	{name: "Bytes/Appended", in: "package driver", rule: ownsNoBytes, fn: bytesAppended},
	{name: "Bytes/OnlyVersion", server: true, in: "package driver", rule: changesVersion, fn: bytesOnlyVersion},
	{name: "Bytes/EveryValue", in: "Record", rule: opaque, fn: bytesEveryValue},
	{name: "Bytes/LongMeta", in: "package driver", rule: guarantees, fn: bytesLongMeta},
	{name: "Bytes/EmptyData", in: "Record.Data", rule: nilIsEmpty, fn: bytesEmptyData},
	{name: "Bytes/EmptyMeta", in: "Record.Meta", rule: nilIsEmpty, fn: bytesEmptyMeta},
}

func bytesGivenToCreate(t *trial) {
	s := t.open()
	r := t.record()
	want := copyOf(r)
	s.create(r, nil)
	want.Key = r.Key
	scribble(r)
	s.holds(want, "Meta")
}

func bytesGivenToFlush(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	r = changed(r)
	want := copyOf(r)
	s.flush(r, nil)
	want.Key = r.Key
	scribble(r)
	s.holds(want, "Meta")
}

func bytesGivenToChangeID(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	moved := renamed(changed(r), t.key())
	want := copyOf(moved)
	s.changeID(r.Key, moved, nil)
	want.Key = moved.Key
	scribble(moved)
	s.holds(want, "Meta")
}

// What the calls return is left to other checks.
func bytesOnlyVersion(t *trial) {
	s := t.open()
	unchanged := func(call string, r *driver.Record, do func() error) {
		t.Helper()
		want, fields := copyOf(r), allFields
		if do() == nil {
			fields = allFields[:len(allFields)-1] // Version is the last
		}
		if d := difference(r, want, fields...); d != "" {
			t.Fatalf("%s(r) makes r%s", call, d)
		}
	}
	r := t.record()
	create := func() error { return s.Store.Create(t.ctx, r) }
	unchanged("Create", r, create)
	unchanged("Create", r, create) // the key is taken now
	t.expect(s.askVersion(r), nil, "Retrieve(%q)", r.Key)
	stale, staleMoved := changed(r), renamed(r, t.key())
	unchanged("Flush", r, func() error { return s.Store.Flush(t.ctx, r) })
	unchanged("Flush", stale, func() error { return s.Store.Flush(t.ctx, stale) })
	unchanged("ChangeID", staleMoved, func() error { return s.Store.ChangeID(t.ctx, r.Key, staleMoved) })
	t.expect(s.askVersion(r), nil, "Retrieve(%q)", r.Key)
	moved := renamed(r, t.key())
	unchanged("ChangeID", moved, func() error { return s.Store.ChangeID(t.ctx, r.Key, moved) })
}

func bytesReturned(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	got := s.retrieve(r.Key)
	scribble(got)
	s.holds(r, "Meta")
}

// Data and Meta may share an array, but no room to grow.
func bytesAppended(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	got := s.retrieve(r.Key)
	data, meta := bytes.Clone(got.Data), bytes.Clone(got.Meta)
	_ = append(got.Meta, '#')
	_ = append(got.Data, '#')
	if !bytes.Equal(got.Data, data) || !bytes.Equal(got.Meta, meta) {
		t.Fatalf("after appends to both, Retrieve(%q) = Data %q, Meta %q; want %q, %q",
			r.Key, got.Data, got.Meta, data, meta)
	}
	s.holds(r, "Meta")
}

func bytesEveryValue(t *trial) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	backwards := bytes.Clone(every)
	for i := range backwards {
		backwards[i] = ^every[i]
	}
	s := t.open()
	r := t.record()
	r.Data, r.Meta = every, backwards
	s.create(r, nil)
	s.holds(r, "Meta")
	r.Data, r.Meta = backwards, every
	s.flush(r, nil)
	s.holds(r, "Meta")
}

func bytesLongMeta(t *trial) {
	s := t.open()
	r := t.record()
	r.Meta = noise(1023)
	s.create(r, nil)
	s.holds(r, "Meta")
}

func bytesEmptyData(t *trial) {
	s := t.open()
	for _, empty := range [][]byte{nil, {}} {
		r := t.record()
		r.Data = empty
		s.create(r, nil)
		s.holds(r)
		r.Data = []byte("not empty")
		s.flush(r, nil)
		r.Data = empty
		s.flush(r, nil)
		s.holds(r)
	}
}

func bytesEmptyMeta(t *trial) {
	s := t.open()
	for _, empty := range [][]byte{nil, {}} {
		r := t.record()
		r.Meta = empty
		s.create(r, nil)
		s.holds(r, "Meta")
		r.Meta = []byte("not empty")
		s.flush(r, nil)
		r.Meta = empty
		s.flush(r, nil)
		s.holds(r, "Meta")
	}
}

// scribble writes over the bytes of r, as their owner may.
func scribble(r *driver.Record) {
	for _, b := range [][]byte{r.Data, r.Meta} {
		for i := range b {
			b[i] = '#'
		}
	}
}

// noise returns n characters that hardly compress, always the same.
func noise(n int) []byte {
	random := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(random)
	return base64.StdEncoding.AppendEncode(nil, random)[:n]
}

// mebibyte returns 1 MiB of noise.
func mebibyte() []byte { return bytes.Clone(mebibyteOnce()) }

var mebibyteOnce = sync.OnceValue(func() []byte { return noise(1 << 20) })

// fits tells whether a write of much data succeeded. If not, the error has to
// be ErrTooLarge.
func (t *trial) fits(err error, call string, args ...any) bool {
	t.Helper()
	if errors.Is(err, driver.ErrTooLarge) {
		return false
	}
	t.expect(err, nil, call, args...)
	return true
}

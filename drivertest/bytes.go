package drivertest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"sync"

	"gosession.dev/session/driver"
)

const (
	ownsNoBytes = "Bytes: a store must neither keep nor alias the Data and Meta of a record that it is given; " +
		"the Data and Meta of a record that it returns belong to the caller."
	changesVersion = "In a record that it is given, a store must change only Version (a ClientSide store also Key), and only on success."
	opaque         = "Package session fills it; to a store all fields but Key, Expires, Subject and Version are opaque."
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

// Other checks look at what the calls return.
func bytesOnlyVersion(t *trial) {
	s := t.open()
	unchanged := func(call string, r *driver.Record, do func() error) {
		t.Helper()
		want, fields := copyOf(r), allFields
		if do() == nil {
			fields = allFields[:len(allFields)-1] // Version is the last
		}
		if d := difference(r, want, fields...); d != "" {
			t.Fatalf("%s(r) changes r%s", call, d)
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
	done, cancel := context.WithCancel(t.ctx)
	cancel()
	const late = " with a cancelled context"
	fresh := t.record()
	unchanged("Create"+late, fresh, func() error { return s.Store.Create(done, fresh) })
	unchanged("Flush"+late, r, func() error { return s.Store.Flush(done, r) })
	unchanged("ChangeID"+late, moved, func() error { return s.Store.ChangeID(done, r.Key, moved) })
	unchanged("ChangeID", moved, func() error { return s.Store.ChangeID(t.ctx, r.Key, moved) })
}

func bytesReturned(t *trial) {
	s := t.open()
	for _, r := range s.createOfSizes() {
		got := s.retrieve(r.Key)
		scribble(got)
		s.holds(r, "Meta")
	}
}

// createOfSizes stores a small record, and a large one if the backend can hold it: a store may
// return its own memory for one and a copy for the other.
func (h *handle) createOfSizes() []*driver.Record {
	h.t.Helper()
	small, large := h.t.record(), h.t.record()
	h.create(small, nil)
	large.Data = bytes.Repeat([]byte("0123456789abcdef"), 32<<10/16)
	err := h.Store.Create(h.t.ctx, large)
	if errors.Is(err, driver.ErrTooLarge) {
		return []*driver.Record{small}
	}
	h.t.expect(err, nil, "Create(%q) with 32 KiB", large.Key)
	return []*driver.Record{small, large}
}

// Data and Meta may share an array, if an append to one does not overwrite the other.
func bytesAppended(t *trial) {
	s := t.open()
	for _, r := range s.createOfSizes() {
		got := s.retrieve(r.Key)
		data, meta := bytes.Clone(got.Data), bytes.Clone(got.Meta)
		_ = append(got.Meta, '#')
		_ = append(got.Data, '#')
		if !bytes.Equal(got.Data, data) || !bytes.Equal(got.Meta, meta) {
			t.Fatalf("after appends to both, Retrieve(%q) = Data %s, Meta %s; want %s, %s",
				r.Key, bytesText(got.Data), bytesText(got.Meta), bytesText(data), bytesText(meta))
		}
		s.holds(r, "Meta")
	}
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

// scribble overwrites the bytes of r, as their owner may.
func scribble(r *driver.Record) {
	for _, b := range [][]byte{r.Data, r.Meta} {
		for i := range b {
			b[i] = '#'
		}
	}
}

// noise returns n characters that hardly compress, the same ones in each call.
func noise(n int) []byte {
	random := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(random)
	return base64.StdEncoding.AppendEncode(nil, random)[:n]
}

// mebibyte returns 1 MiB of noise.
func mebibyte() []byte { return bytes.Clone(mebibyteOnce()) }

var mebibyteOnce = sync.OnceValue(func() []byte { return noise(1 << 20) })

// fits reports whether a write of a large record has succeeded. It fails the check if the
// error is not ErrTooLarge.
func (t *trial) fits(err error, call string, args ...any) bool {
	t.Helper()
	if errors.Is(err, driver.ErrTooLarge) {
		return false
	}
	t.expect(err, nil, call, args...)
	return true
}

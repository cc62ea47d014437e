package session_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

type item struct {
	Name  string
	Price float64
}

// roundTrip stores v, reads it from the store, and expects the same.
func roundTrip[T any](t *testing.T, f *session.Factory, v T) {
	t.Helper()
	s := created(t, f)
	require.NoError(t, s.Set("v", v))
	require.NoError(t, s.Flush(t.Context()))
	require.Equal(t, v, got[T](t, same(t, f, s), "v"))
}

// Without a value, Get and Pop return the zero T, and Pop writes nothing.
func TestNoValue(t *testing.T) {
	ctx := t.Context()
	p := newProbe()
	f := factory(t, session.Config{}, p)
	requireZero := func(s *session.Session, when string) {
		t.Helper()
		n, err := session.Get[int](s, "none")
		require.NoError(t, err, when)
		require.Zero(t, n, when)
		list, err := session.Pop[[]string](s, "none")
		require.NoError(t, err, when)
		require.Nil(t, list, when)
		require.False(t, s.Has("none"), when)
	}
	requireZero(created(t, f), "new")
	s := stored(t, f, map[string]any{"a": 1})
	p.take()
	requireZero(s, "stored")
	require.NoError(t, s.Flush(ctx))
	require.Empty(t, p.take(), "Pop of no value must write nothing")

	_, err := session.Take[int](ctx, s, "none")
	require.EqualError(t, err, `session: take: no value named "none"`)
	require.ErrorIs(t, err, session.ErrNoValue)

	stale := same(t, f, s)
	require.NoError(t, s.Destroy(ctx))
	require.ErrorIs(t, stale.ChangeID(ctx), session.ErrNotFound)
	for when, s := range map[string]*session.Session{"destroyed": s, "found ended": stale} {
		n, err := session.Get[int](s, "a")
		require.ErrorIs(t, err, session.ErrNotFound, when)
		require.Zero(t, n, when)
		n, err = session.Pop[int](s, "a")
		require.ErrorIs(t, err, session.ErrNotFound, when)
		require.Zero(t, n, when)
		require.False(t, s.Has("a"), when)
	}
}

func TestValuesSurvive(t *testing.T) {
	for name, codec := range map[string]session.Codec{"json": session.JSON, "gob": session.Gob} {
		t.Run(name, func(t *testing.T) {
			f := factory(t, session.Config{Codecs: []session.Codec{codec}}, newProbe())
			roundTrip(t, f, true)
			roundTrip(t, f, "")
			roundTrip(t, f, "<b>\u2028 \x00 \"'é")
			roundTrip(t, f, int64(math.MinInt64))
			roundTrip(t, f, uint64(math.MaxUint64))
			roundTrip(t, f, math.SmallestNonzeroFloat64)
			roundTrip(t, f, []byte{0, 1, 0xff})
			roundTrip(t, f, []item{{"apple", 0.3}, {"", 0}})
			roundTrip(t, f, map[string]map[string]int{"a": {"b": 1}, "": {}})
			roundTrip(t, f, time.Date(2026, 11, 21, 12, 0, 0, 1, time.UTC))
			roundTrip(t, f, big.NewInt(1))
		})
	}
	gob := factory(t, session.Config{Codecs: []session.Codec{session.Gob}}, newProbe())
	roundTrip(t, gob, map[item]complex128{{"apple", 1}: 2i})
	js := factory(t, session.Config{}, newProbe())
	roundTrip(t, js, (*item)(nil))
	roundTrip(t, js, []string(nil))
	roundTrip(t, js, map[string]any{"a": []any{nil, "x", 1.5}})
}

// Any UTF-8 is a valid name, and the data of the record is one plain JSON object.
func TestDataIsPlainJSON(t *testing.T) {
	p := newProbe()
	f := factory(t, session.Config{}, p)
	s := created(t, f)
	want := map[string]any{}
	for i, name := range []string{"", "a.b", "$set", `"quoted"`, "__expires", "<&>", "\u2028", "null", "键"} {
		require.NoError(t, s.Set(name, i))
		want[name] = float64(i)
	}
	require.NoError(t, s.Flush(t.Context()))
	rec, err := p.Store.Retrieve(t.Context(), string(s.Key()))
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(rec.Data, &got))
	require.Equal(t, want, got)
	require.Equal(t, want, values(t, same(t, f, s)))
}

// Each method refuses a name that is not UTF-8, with any codec.
func TestNamesAreUTF8(t *testing.T) {
	ctx := t.Context()
	for _, codec := range []session.Codec{session.JSON, session.Gob} {
		f := factory(t, with(codec), newProbe())
		for _, name := range []string{"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80", "ok\x80ok"} {
			s := stored(t, f, map[string]any{"\ufffd": 1, "a\ufffd": 2})
			fail := func(err error) {
				t.Helper()
				require.ErrorContains(t, err, "must be UTF-8", "%q", name)
				require.NotErrorIs(t, err, session.ErrNoValue)
			}
			fail(s.Set(name, 1))
			fail(session.Update(s, name, func(n int) int { return n + 1 }))
			fail(s.Delete(name))
			_, err := session.Get[int](s, name)
			fail(err)
			_, err = session.Pop[int](s, name)
			fail(err)
			_, err = session.Take[int](ctx, s, name)
			fail(err)
			require.False(t, s.Has(name))
			require.NoError(t, s.Flush(ctx))
			require.Equal(t, []string{"a\ufffd", "\ufffd"}, same(t, f, s).Names())
		}
		for _, name := range []string{"", "\x00", "\ufffd", "\u2028", "\U0010ffff", "键"} {
			s := stored(t, f, map[string]any{name: 1})
			require.NoError(t, session.Update(s, name, func(n int) int { return n + 1 }))
			require.NoError(t, s.Flush(ctx))
			require.Equal(t, 2, got[int](t, same(t, f, s), name), "%q", name)
		}
	}
}

// Errors have the name of the value and the types, and never the value.
func TestValueErrors(t *testing.T) {
	s := created(t, factory(t, session.Config{}, newProbe()))
	for key, v := range map[string]any{
		"word": "canary", "big": 300, "null": nil, "object": map[string]any{"Name": 7, "Price": "canary"}, "time": "canary",
	} {
		require.NoError(t, s.Set(key, v))
	}
	for want, get := range map[string]func() error{
		`session: get: value "word" can't be read as int: can't decode a JSON string as int`:                                             func() error { _, err := session.Get[int](s, "word"); return err },
		`session: get: value "big" can't be read as int8: can't decode a JSON number as int8`:                                            func() error { _, err := session.Get[int8](s, "big"); return err },
		`session: get: value "null" can't be read as int: can't decode a JSON null as int`:                                               func() error { _, err := session.Get[int](s, "null"); return err },
		`session: get: value "object" can't be read as session_test.item: at Name: can't decode a JSON number as string`:                 func() error { _, err := session.Get[item](s, "object"); return err },
		`session: get: value "time" can't be read as time.Time: encoding/json failed; its error is not shown, because it may quote data`: func() error { _, err := session.Get[time.Time](s, "time"); return err },
		`session: pop: value "word" can't be read as int: can't decode a JSON string as int`:                                             func() error { _, err := session.Pop[int](s, "word"); return err },
		`session: update: value "word" can't be read as int: can't decode a JSON string as int`:                                          func() error { return session.Update(s, "word", func(n int) int { return n }) },
		`session: update: value "x" can't be stored as func(): JSON has no func(); use the Gob codec or another type`:                    func() error { return session.Update(s, "x", func(func()) func() { return func() {} }) },
		`session: set: value "x" can't be stored as chan int: JSON has no chan int; use the Gob codec or another type`:                   func() error { return s.Set("x", make(chan int)) },
	} {
		err := get()
		require.EqualError(t, err, want)
		require.NotContains(t, err.Error(), "canary")
	}
	word, err := session.Get[string](s, "word")
	require.NoError(t, err)
	require.Equal(t, "canary", word, "a Pop that fails removes nothing")
}

func TestGobErrors(t *testing.T) {
	s := created(t, factory(t, session.Config{Codecs: []session.Codec{session.Gob}}, newProbe()))
	require.NoError(t, s.Set("word", "canary"))
	_, err := session.Get[int](s, "word")
	require.ErrorContains(t, err, `value "word" can't be read as int: gob`)
	require.NotContains(t, err.Error(), "canary")
	require.ErrorContains(t, s.Set("f", func() {}), `value "f" can't be stored as func()`)
	require.ErrorContains(t, s.Set("e", hidden{1}), "no exported fields")
}

type hidden struct{ n int }

type outer struct{ Inner hidden }

type embedding struct{ item }

// Set refuses what JSON would silently lose, at any depth, and nothing else.
func TestSetRefusesWhatJSONLoses(t *testing.T) {
	s := created(t, factory(t, session.Config{}, newProbe()))
	for name, v := range map[string]any{
		"struct":         hidden{1},
		"pointer":        &hidden{1},
		"slice":          []hidden{{1}},
		"array":          [1]hidden{{1}},
		"map":            map[string]hidden{"a": {1}},
		"field":          outer{hidden{1}},
		"interface":      []any{1, "x", hidden{1}},
		"error":          errors.New("an error"),
		"mutex":          &sync.Mutex{},
		"no marshaler":   *big.NewFloat(1), // its methods have pointer receivers
		"garbled":        "a\xffb",
		"garbled key":    map[string]int{"\xff": 1},
		"garbled nested": []any{map[string][]string{"a": {"\xff"}}},
	} {
		require.Error(t, s.Set("v", v), name)
	}
	require.False(t, s.Has("v"))
	for name, v := range map[string]any{
		"empty struct": struct{}{},
		"marshaler":    big.NewInt(1),
		"time":         time.Now(),
		"raw":          json.RawMessage(`{"a":1}`),
		"embedding":    embedding{item{"a", 1}},
		"left out": struct {
			A int
			B hidden `json:"-"`
		}{},
		"nil pointer": (*hidden)(nil),
		"bytes":       []byte{0xff},
	} {
		require.NoError(t, s.Set("v", v), name)
	}
	require.Error(t, s.Set("v", math.NaN()))
}

func TestPop(t *testing.T) {
	f := factory(t, session.Config{}, newProbe())
	s := created(t, f)
	require.NoError(t, s.Set("flash", "saved"))
	require.NoError(t, s.Flush(t.Context()))
	s = same(t, f, s)
	text, err := session.Pop[string](s, "flash")
	require.NoError(t, err)
	require.Equal(t, "saved", text)
	text, err = session.Pop[string](s, "flash")
	require.NoError(t, err)
	require.Empty(t, text)
	require.NoError(t, s.Flush(t.Context()))
	require.False(t, same(t, f, s).Has("flash"))
}

// Of the goroutines of a request only one gets the value.
func TestPopOnce(t *testing.T) {
	s := created(t, factory(t, session.Config{}, newProbe()))
	require.NoError(t, s.Set("flash", "saved"))
	got := make(chan string, 16)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			text, err := session.Pop[string](s, "flash")
			require.NoError(t, err)
			if text != "" {
				got <- text
			}
		})
	}
	wg.Wait()
	require.Len(t, got, 1)
}

// A session keeps the codec under which it was first stored.
func TestCodecsAreExchangeable(t *testing.T) {
	ctx := t.Context()
	p := newProbe()
	js, gob := factory(t, session.Config{}, p), factory(t, session.Config{Codecs: []session.Codec{session.Gob}}, p)
	for _, from := range []*session.Factory{js, gob} {
		s := created(t, from)
		require.NoError(t, s.Set("a", 1))
		require.NoError(t, s.Flush(ctx))
		for _, f := range []*session.Factory{js, gob, js} {
			again := same(t, f, s)
			require.NoError(t, session.Update(again, "a", func(n int) int { return n + 1 }))
			require.NoError(t, again.Flush(ctx))
		}
		n, err := session.Get[int](same(t, from, s), "a")
		require.NoError(t, err)
		require.Equal(t, 4, n)
	}
}

type named struct {
	session.Codec
	name string
}

func (c named) Name() string { return c.name }

// A record that can't be decoded is an error, and stays as it is.
func TestCorrupt(t *testing.T) {
	ctx := t.Context()
	p := newProbe()
	f := factory(t, session.Config{}, p)
	for name, spoil := range map[string]func(*driver.Record){
		"data":       func(r *driver.Record) { r.Data = []byte(`{"a":`) },
		"no data":    func(r *driver.Record) { r.Data = nil },
		"null":       func(r *driver.Record) { r.Data = []byte(`null`) },
		"array":      func(r *driver.Record) { r.Data = []byte(`[1]`) },
		"no meta":    func(r *driver.Record) { r.Meta = nil },
		"short meta": func(r *driver.Record) { r.Meta = r.Meta[:4] },
		"other meta": func(r *driver.Record) { r.Meta = append([]byte{99}, r.Meta[1:]...) },
		"codec":      func(r *driver.Record) { r.Meta = append(r.Meta, "5"...) },
		"long codec": func(r *driver.Record) { r.Meta = fmt.Append(r.Meta, "a codec with a long name") },
	} {
		s := created(t, f)
		rec, err := p.Store.Retrieve(ctx, string(s.Key()))
		require.NoError(t, err)
		spoil(rec)
		require.NoError(t, p.Store.Flush(ctx, rec))
		want := *rec

		_, err = f.Retrieve(ctx, s.ID())
		require.ErrorIs(t, err, session.ErrCorrupt, name)
		require.NotErrorIs(t, err, session.ErrNotFound, name)
		got, err := p.Store.Retrieve(ctx, string(s.Key()))
		require.NoError(t, err, name)
		require.Equal(t, want.Version, got.Version, name)
		require.NoError(t, f.Destroy(ctx, s.Key()), "a corrupt session can be ended")
	}

	own := factory(t, session.Config{Codecs: []session.Codec{named{session.JSON, "own"}}}, p)
	s := created(t, own)
	require.NoError(t, s.Set("a", 1))
	require.NoError(t, s.Flush(ctx))
	require.Equal(t, map[string]any{"a": 1.}, values(t, same(t, own, s)))
	_, err := f.Retrieve(ctx, s.ID())
	require.ErrorIs(t, err, session.ErrCorrupt)
	require.ErrorContains(t, err, `codec "own" is not configured`)
}

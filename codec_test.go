package session_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
)

// wordy is a codec whose JSON is surrounded by white space.
type wordy struct{ session.Codec }

func (c wordy) Marshal(v any) ([]byte, error) {
	data, err := c.Codec.Marshal(v)
	return fmt.Appendf(nil, "\r\n\t  %s \n", data), err
}

// broken is a codec that encodes every value to the same bytes.
type broken struct {
	session.Codec
	data string
}

func (c broken) Marshal(any) ([]byte, error) { return []byte(c.data), nil }

// passing is a codec for []byte that does not copy.
type passing struct{}

func (passing) Name() string                       { return "passing" }
func (passing) Marshal(v any) ([]byte, error)      { return v.([]byte), nil }
func (passing) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }

func with(codecs ...session.Codec) session.Config { return session.Config{Codecs: codecs} }

// A codec named "json" may write any form of JSON, at any size.
func TestCodecNamedJSON(t *testing.T) {
	for _, size := range []int{0, 10, 300, 70_000} {
		p := newProbe()
		f, plain := factory(t, with(wordy{session.JSON}), p), factory(t, session.Config{}, p)
		want := map[string]any{"a": strings.Repeat("x", size), "b": []any{1., "two"}, "c": nil}
		s := stored(t, f, want)
		require.Equal(t, want, values(t, same(t, f, s)), size)
		require.Equal(t, want, values(t, same(t, plain, s)), size)
		again := same(t, f, s)
		require.NoError(t, again.Set("b", 2))
		require.NoError(t, again.Flush(t.Context()))
		require.Equal(t, 2, got[int](t, same(t, plain, s), "b"))
	}
}

// A value that is not JSON would make the whole session unreadable, so Set refuses it.
func TestCodecNamedJSONThatIsNot(t *testing.T) {
	for _, data := range []string{
		"", " ", "x", `{"a":1`, `1,"b":2`, `1}`, "1 2", `"a`, "\x00", "nul", "\"\xff\"", strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
	} {
		f := factory(t, with(broken{session.JSON, data}), newProbe())
		s := created(t, f)
		require.ErrorContains(t, s.Set("v", 1), `value "v" can't be stored as int: the codec named "json" has not produced JSON`, data)
		require.False(t, s.Has("v"))
		require.NoError(t, s.Flush(t.Context()))
	}
}

// Sessions that began with a former codec keep it as long as it is configured.
func TestCodecsThatAreOnlyRead(t *testing.T) {
	ctx := t.Context()
	p := newProbe()
	first, second := named{session.JSON, "first"}, named{session.Gob, "second"}
	old := factory(t, with(first), p)
	s := stored(t, old, map[string]any{"n": 1})
	for i, f := range []*session.Factory{
		factory(t, with(first, second), p), factory(t, with(second, first), p), old,
		factory(t, with(session.Gob, second, session.JSON, first), p),
	} {
		require.NoError(t, increment(same(t, f, s)))
		again := same(t, f, s)
		require.NoError(t, increment(again))
		require.NoError(t, again.Flush(ctx))
		require.Equal(t, i+2, got[int](t, same(t, old, s), "n"))
	}

	f := factory(t, with(second, first), p)
	s = stored(t, f, map[string]any{"n": 1})
	_, err := old.Retrieve(ctx, s.ID())
	require.ErrorContains(t, err, `codec "second" is not configured`, "the first encodes")
	require.ErrorIs(t, err, session.ErrCorrupt)
	require.ErrorContains(t, err, "Config.Codecs")
}

func TestCodecsRefused(t *testing.T) {
	own := func(name string) session.Codec { return named{session.JSON, name} }
	for want, codecs := range map[string][]session.Codec{
		`two codecs have the name "own"`:         {own("own"), session.JSON, own("own")},
		`two codecs have the name "json"`:        {session.JSON, own("json")},
		`two codecs have the name "gob"`:         {own("gob"), session.Gob},
		"codec 1 is nil":                         {session.JSON, nil},
		"the name of codec 0 must be 1 to 16":    {own("")},
		"the name of codec 1 must be 1 to 16":    {session.JSON, own(strings.Repeat("x", 17))},
		"codec 0 must be 1 to 16 bytes of print": {own("a b")},
		"16 bytes of printable ASCII":            {own("a\n")},
		"printable ASCII":                        {own("käse")},
		"ASCII without spaces":                   {own("\xff")},
	} {
		_, err := with(codecs...).New(newProbe())
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "session: Config.Codecs: ")
	}
	for _, name := range []string{"x", strings.Repeat("~", 16), "v1.2+zstd/json", "json", "gob"} {
		f := factory(t, with(own(name)), newProbe())
		require.Equal(t, 1, got[int](t, same(t, f, stored(t, f, map[string]any{"n": 1})), "n"), name)
	}
}

// A session does not change if its codec keeps or changes its arguments and results.
func TestCodecAliases(t *testing.T) {
	p := newProbe()
	f := factory(t, with(passing{}), p)
	mine := []byte("mine")
	s := created(t, f)
	require.NoError(t, s.Set("a", mine))
	copy(mine, "XXXX")
	for range 2 {
		copy(got[[]byte](t, s, "a"), "YYYY")
	}
	require.NoError(t, session.Update(s, "a", func(b []byte) []byte { mine = append(b, '!'); return mine }))
	copy(mine, "ZZZZZ")
	require.NoError(t, s.Flush(t.Context()))
	again := same(t, f, s)
	require.Equal(t, "mine!", string(got[[]byte](t, again, "a")))
	popped, err := session.Pop[[]byte](again, "a")
	require.NoError(t, err)
	copy(popped, "WWWWW")
	require.Equal(t, "mine!", string(got[[]byte](t, same(t, f, s), "a")))
}

// A factory reads the name of a codec once, when it is made.
func TestCodecNameIsReadOnce(t *testing.T) {
	name := "first"
	c := &renamable{session.JSON, &name}
	f := factory(t, with(c), newProbe())
	s := stored(t, f, map[string]any{"n": 1})
	name = "a name that is much too long for metadata"
	require.NoError(t, increment(s))
	require.NoError(t, s.Flush(t.Context()))
	require.Equal(t, 2, got[int](t, same(t, f, s), "n"))
}

type renamable struct {
	session.Codec
	name *string
}

func (c *renamable) Name() string { return *c.name }

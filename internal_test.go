package session

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func FuzzParseMeta(f *testing.F) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	f.Add(meta{start: now, seen: now, idle: time.Hour, codec: "json"}.encode())
	f.Add(meta{start: now, label: "Firefox on Linux", codec: "json"}.encode())
	f.Add(meta{start: now, codec: "json", index: index{1, []int{2, 3000}}}.encode())
	f.Add(meta{start: now, codec: "gob", own: &Timeouts{Idle: 1, Lifetime: 2, Persistent: true}}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMeta(b)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		again, err := parseMeta(m.encode())
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

// Meta is under 1 KB, as package driver has been promised.
func TestMetaSize(t *testing.T) {
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	m := meta{start: far, seen: far, idle: 1<<63 - 1, own: &Timeouts{Idle: 1<<63 - 1, Lifetime: 1<<63 - 1}, codec: "sixteen-bytes-aa"}
	m.label = strings.Repeat("x", maxLabel)
	m.index = index{1<<32 - 1, slices.Repeat([]int{1 << 40}, maxIndexed)}
	require.Less(t, len(m.encode()), 1<<10)
}

func FuzzSplitValues(f *testing.F) {
	for _, c := range []Codec{JSON, Gob} {
		b, err := joinValues(c, encodedValues{{key: []byte(""), data: []byte(`"x"`)}, {key: []byte("a"), data: []byte("1")}})
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range []Codec{JSON, Gob} {
			values, err := splitValues(c, b, nil)
			if err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
				continue
			}
			joined, err := joinValues(c, values)
			require.NoError(t, err)
			again, err := splitValues(c, joined, nil)
			require.NoError(t, err, "%q", joined)
			require.Equal(t, values, again)
		}
	})
}

// Every JSON object is taken apart as encoding/json does it. Of what is none, what is
// taken apart nevertheless has a value that can't be decoded.
func FuzzSplitJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { } `, `{"a":1}`, ` { "a" : 1 , "b" : [ 1 , {"c":"}"} ] } `, `{"b":1,"a":2,"b":3}`,
		`{"":"","\u0061\"\\":"\\","ä":"\"}","<&>":null}`, "{\"\xff\":1,\"\xfe\":2}", "{\"a\nb\":1}",
		``, `null`, `[]`, `{`, `}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1}x`, `{"a":1 2}`, `{"a":tru}`, `{"a":[}]}`,
		`{"a":1"b"}`, `{"a":"\"}`, `{"a":"x`, `{"a":[1}`, `{a:1}`, `{"a" 1}`, `{"a":1;"b":2}`, `{"a":-}`, `{"a":1]`, `{"a":x,"a":0}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		values, err := splitJSON(data, nil)
		var want map[string]json.RawMessage
		if json.Unmarshal(data, &want) == nil && want != nil {
			require.NoError(t, err)
			got := map[string]json.RawMessage{}
			for _, v := range values {
				got[string(v.key)] = v.data
			}
			require.Equal(t, want, got)
			return
		}
		if err == nil {
			require.True(t, slices.ContainsFunc(values, func(v encodedValue) bool { return !json.Valid(v.data) }), "%q", data)
		}
	})
}

// What is read and written without encoding/json is what that would make of it.
func FuzzSmallJSON(f *testing.F) {
	for _, s := range []string{"0", "7", "-1", "01", "123456789", "1234567890", "1e3", "1.0", "true", "false", "True", "null", "",
		`""`, `"a"`, `"`, `"\\"`, `"<"`, `"ä"`, `"a`, "\"\x00\"", " 1", "1 "} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		requireSame[int](t, data)
		requireSame[int64](t, data)
		requireSame[bool](t, data)
		requireSame[string](t, data)
		small, ok := appendSmall(nil, string(data))
		if ok {
			want, err := json.Marshal(string(data))
			require.NoError(t, err)
			require.Equal(t, want, small)
		}
	})
}

func requireSame[T any](t *testing.T, data []byte) {
	t.Helper()
	var got, want T
	if readSmall(data, &got) {
		require.NoError(t, json.Unmarshal(data, &want), "%q", data)
		require.Equal(t, want, got)
	}
}

// The values stay in order, and a copy of them is none of the business of the
// original.
func TestEncodedValues(t *testing.T) {
	var values encodedValues
	for _, key := range []string{"m", "z", "a", "m", "b"} {
		values.set(key, []byte("of "+key))
	}
	draft := slices.Clone(values)
	draft.set("m", []byte("changed"))
	draft.delete("a")
	draft.delete("nobody's")

	require.Len(t, values, 4)
	require.True(t, slices.IsSortedFunc(values, func(a, b encodedValue) int { return strings.Compare(string(a.key), string(b.key)) }))
	for _, key := range []string{"a", "b", "m", "z"} {
		data, found := values.get(key)
		require.True(t, found)
		require.Equal(t, "of "+key, string(data))
	}
	_, found := draft.get("a")
	require.False(t, found)
	data, _ := draft.get("m")
	require.Equal(t, "changed", string(data))
}

// What net/http reads of a Cookie header, cookieValues reads too; and it sees the
// malformed ones besides. A word without "=" is a value without a name (RFC 6265bis,
// 5.6).
func FuzzCookieValues(f *testing.F) {
	f.Add("session=a; session=b")
	f.Add(` x=1 ;session="a b"; session=;session`)
	f.Add("session")
	f.Add("session =a")
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{"Cookie": {line}}
		got := slices.Collect(cookieValues(h, "session"))
		for _, c := range (&http.Request{Header: h}).CookiesNamed("session") {
			if !c.Quoted && c.Value != "" {
				require.Contains(t, got, c.Value)
			}
		}
	})
}

// Set-Cookie is what net/http makes of a cookie, byte by byte.
func FuzzSetCookie(f *testing.F) {
	for _, value := range []string{"", "abc", "a=b", "a b", "a,b", `a"b`, "a;b", "a\\b", "ä", "\x00", "\x7f"} {
		f.Add(value, 0)
		f.Add(value, -1)
	}
	f.Fuzz(func(t *testing.T, value string, age int) {
		c := Cookie{}.complete(false).cookie(value, true)
		c.MaxAge = age
		require.Equal(t, c.String(), setCookie(*c))
		require.Equal(t, value != "" && len(value) < 4000 && c.Valid() == nil && !strings.ContainsAny(value, " ,\""),
			len(value) < 4000 && (&Factory{cfg: Config{Cookie: Cookie{Name: "n"}}}).cookieCarries(ID(value)))
	})
}

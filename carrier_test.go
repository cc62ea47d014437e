package session_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/sessiontest"
)

const field = "X-Session"

var inHeader = session.Config{Header: field}

// sentField serves a request that has the field, with these values, and a session cookie unless
// cookie is empty.
func sentField(h http.Handler, cookie string, values ...string) *httptest.ResponseRecorder {
	r := get()
	r.Header[field] = values
	if cookie != "" {
		r.Header.Set("Cookie", "__Host-session="+cookie)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// requireNoID requires that a response neither sets nor clears an ID.
func requireNoID(t testing.TB, w *httptest.ResponseRecorder) {
	t.Helper()
	require.Empty(t, w.Header()["Set-Cookie"])
	require.NotContains(t, w.Header(), field)
}

// Over a real connection, a client without cookies sends in each request what it got in the
// field of the last response.
func TestHeaderOnTheWire(t *testing.T) {
	f, _ := tracked(t, inHeader)
	mux := http.NewServeMux()
	handle := func(path string, fn func(http.ResponseWriter, *http.Request, *session.Session) error) {
		mux.Handle(path, f.HandlerFunc(fn))
	}
	handle("/add", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		require.Nil(t, s.Cookie())
		w.WriteHeader(http.StatusEarlyHints)
		return increment(s)
	})
	handle("/sign-in", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		return s.SignIn(r.Context(), "ada")
	})
	handle("/change", func(w http.ResponseWriter, r *http.Request, s *session.Session) error { return s.ChangeID(r.Context()) })
	handle("/sign-out", func(w http.ResponseWriter, r *http.Request, s *session.Session) error { return s.Destroy(r.Context()) })
	handle("/show", func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		n, err := session.Get[int](s, "n")
		fmt.Fprintf(w, "%s%d%t", s.Subject(), n, s.Lapsed())
		return err
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	answers := bufio.NewReader(conn)
	id := ""
	do := func(path string) (body string, sent bool) {
		t.Helper()
		_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: example.com\r\nx-session:%s\r\n\r\n", path, id)
		require.NoError(t, err)
		resp, err := http.ReadResponse(answers, nil)
		require.NoError(t, err)
		if resp.StatusCode == http.StatusEarlyHints {
			require.NotContains(t, resp.Header, field)
			resp, err = http.ReadResponse(answers, nil)
			require.NoError(t, err)
		}
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Empty(t, resp.Header["Set-Cookie"])
		require.Equal(t, []string{"Cookie", field}, resp.Header["Vary"])
		values, sent := resp.Header[field]
		if sent {
			require.Len(t, values, 1)
			require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
			id = values[0]
		}
		return string(text), sent
	}
	expect := func(path, body string, sends bool) {
		t.Helper()
		got, sent := do(path)
		require.Equal(t, body, got)
		require.Equal(t, sends, sent)
	}

	expect("/show", "0false", false)
	expect("/add", "", true)
	require.NotEmpty(t, id)
	anonymous := id
	expect("/add", "", false)
	expect("/show", "2false", false)
	expect("/sign-in", "", true)
	require.NotEqual(t, anonymous, id)
	expect("/show", "ada2false", false)
	signedIn := id
	expect("/change", "", true)
	require.NotEqual(t, signedIn, id)
	expect("/show", "ada2false", false)
	last := id
	expect("/sign-out", "", true)
	require.Empty(t, id)
	expect("/show", "0false", false)

	id = last
	expect("/show", "0true", true)
	require.Empty(t, id)
	id = "no ID"
	expect("/show", "0false", true)
	require.Empty(t, id, "a malformed ID is cleared")
}

// A part of a field is never taken for an ID, and an ID that the store does not know is never
// adopted.
func TestHeaderHostile(t *testing.T) {
	unknown := session.NewID("")
	require.NoError(t, session.DrawIDs(1, func(id session.ID) { unknown = id }))
	f, store := tracked(t, inHeader)
	s := stored(t, f, map[string]any{"n": 1})
	id := s.ID().Reveal()
	for _, values := range [][]string{
		{id, id}, {"", id}, {id, ""}, {id + "," + id}, {id + ", x"}, {"," + id}, {id + ";"}, {`"` + id + `"`}, {id + " "}, {" " + id}, {id[1:]}, {id + "x"},
		{string(s.Key())}, {"session=" + id}, {id + "\x00"}, {strings.Repeat("a", 100_000)}, {"\u00e4" + id},
	} {
		store.TakeCalls()
		w := sentField(f.Handler(counter(t)), id, values...)
		require.Equal(t, "1", w.Body.String(), "%q", values)
		require.Empty(t, w.Header()["Set-Cookie"])
		require.NotEqual(t, id, w.Header().Get(field))
		require.NotContains(t, values, w.Header().Get(field))
		require.Equal(t, map[string]int{"Create": 1}, store.TakeCalls(), "%q", values)

		w = sentField(asked(f), id, values...)
		require.Equal(t, "false", w.Body.String())
		require.Equal(t, []string{""}, w.Header()[field], "%q is cleared", values)
	}
	w := sentField(f.Handler(counter(t)), "", unknown.Reveal())
	require.NotEqual(t, unknown.Reveal(), w.Header().Get(field))
	require.Equal(t, 1, got[int](t, same(t, f, s), "n"))
}

// An ID from a cookie is sent in cookies only, and an ID from the field in the field only.
func TestHeaderBesideCookie(t *testing.T) {
	f, _ := tracked(t, inHeader)
	s := stored(t, f, map[string]any{"n": 7})
	id := s.ID().Reveal()
	for name, change := range map[string]func(*session.Session, *http.Request) error{
		"read":     func(*session.Session, *http.Request) error { return nil },
		"Set":      func(s *session.Session, _ *http.Request) error { return s.Set("m", 1) },
		"SignIn":   func(s *session.Session, r *http.Request) error { return s.SignIn(r.Context(), "eve") },
		"Destroy":  func(s *session.Session, r *http.Request) error { return s.Destroy(r.Context()) },
		"ChangeID": func(s *session.Session, r *http.Request) error { return s.ChangeID(r.Context()) },
		"SetCookie": func(s *session.Session, r *http.Request) error {
			s.SetCookie(httptest.NewRecorder())
			return s.Flush(r.Context())
		},
	} {
		w := sentField(f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
			require.False(t, s.Has("n"), "the cookie is ignored")
			s.SetCookie(w)
			return change(s, r)
		}), id, "")
		require.Equal(t, 200, w.Code, name)
		require.Empty(t, w.Header()["Set-Cookie"], name)
		require.NotEqual(t, id, w.Header().Get(field))
	}
	require.Equal(t, 7, got[int](t, same(t, f, s), "n"))

	// Without the field, the cookie is used.
	w := served(f.HandlerFunc(func(_ http.ResponseWriter, r *http.Request, s *session.Session) error { return s.ChangeID(r.Context()) }), get(), s.ID())
	require.NotNil(t, cookieOf(w))
	require.NotContains(t, w.Header(), field)
	require.Equal(t, []string{"Cookie", field}, w.Header()["Vary"])

	// Without Config.Header, the field has no meaning.
	plain, _ := tracked(t, session.Config{})
	s = stored(t, plain, map[string]any{"n": 1})
	w = sentField(plain.Handler(counter(t)), "", s.ID().Reveal())
	require.NotNil(t, cookieOf(w))
	require.NotContains(t, w.Header(), field)
	require.Equal(t, []string{"Cookie"}, w.Header()["Vary"])
}

// A handler can neither remove nor replace the ID in the field.
func TestHeaderOfHandler(t *testing.T) {
	f, _ := tracked(t, inHeader)
	for name, spoil := range map[string]func(http.Header){
		"before":  func(http.Header) {},
		"deleted": func(h http.Header) { h.Del(field) },
		"added":   func(h http.Header) { h.Add(field, "x") },
		"another": func(h http.Header) { h.Set(field, "x") },
	} {
		w := sentField(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set(field, "of the handler")
			require.NoError(t, current(t, r).Set("n", 1))
			w.WriteHeader(http.StatusAccepted)
			spoil(w.Header())
		})), "", "")
		require.Len(t, w.Header()[field], 1, name)
		_, err := f.Retrieve(t.Context(), session.NewID(w.Header().Get(field)))
		require.NoError(t, err, name)
	}
	// If the ResponseWriter does not support Flush, the header can still change.
	w := httptest.NewRecorder()
	r := get()
	r.Header.Set(field, "")
	f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).Set("n", 1))
		require.ErrorIs(t, http.NewResponseController(w).Flush(), http.ErrNotSupported)
		require.NotContains(t, w.Header(), field)
	})).ServeHTTP(struct{ http.ResponseWriter }{w}, r)
	require.NotEmpty(t, w.Header().Get(field))
}

// The response to an overtaken request has no field. If a handler calls Lapsed, the response
// clears the ID of an ended session. An error page has the ID that has changed.
func TestHeaderStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, store := tracked(t, inHeader)
		s := created(t, f)
		old := s.ID().Reveal()
		require.NoError(t, s.ChangeID(t.Context()))
		w := sentField(f.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
			require.True(t, s.Overtaken())
			return s.Set("n", 1)
		}), "", old)
		requireNoID(t, w)
		time.Sleep(time.Minute)
		requireNoID(t, sentField(asked(f), "", old))
		time.Sleep(time.Hour)
		require.Equal(t, []string{""}, sentField(asked(f), "", old).Header()[field])
		requireNoID(t, sentField(f.HandlerFunc(fails(nil)), "", old))

		w = sentField(f.HandlerFunc(func(_ http.ResponseWriter, r *http.Request, s *session.Session) error {
			require.NoError(t, s.ChangeID(r.Context()))
			return errOfApp
		}), "", created(t, f).ID().Reveal())
		require.Equal(t, 500, w.Code)
		require.Empty(t, w.Header()["Set-Cookie"])
		_, err := f.Retrieve(t.Context(), session.NewID(w.Header().Get(field)))
		require.NoError(t, err)

		store.Inject(sessiontest.Fault{Calls: []string{"Create"}, Err: sessiontest.ErrOutage})
		w = sentField(f.Handler(counter(t)), "", "")
		require.Equal(t, 503, w.Code)
		requireNoID(t, w)
		require.Equal(t, []string{"Cookie", field}, w.Header()["Vary"])
	})
}

// If the ID has changed and a handler outside recovers from a panic, the field has the new ID.
func TestHeaderAfterPanic(t *testing.T) {
	f, _ := tracked(t, inHeader)
	s := created(t, f)
	w := sentField(recovering(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		require.NoError(t, current(t, r).ChangeID(r.Context()))
		panic("of the handler")
	}))), "", s.ID().Reveal())
	require.Equal(t, 500, w.Code)
	_, err := f.Retrieve(t.Context(), session.NewID(w.Header().Get(field)))
	require.NoError(t, err)
}

// If the field names a session that is sealed under an unknown secret, the answer is 503, and Forget
// ends the session.
func TestHeaderSealedAndForget(t *testing.T) {
	store := memory.New(memory.Options{})
	old := factory(t, quiet(session.Config{SweepInterval: -1, Secrets: []session.Secret{secret(2)}}), store)
	ours := factory(t, quiet(session.Config{SweepInterval: -1, Secrets: []session.Secret{secret(1)}, Header: field}), store)
	s, beside := created(t, old), created(t, old)
	w := sentField(ours.HandlerFunc(fails(nil)), "", s.ID().Reveal())
	require.Equal(t, 503, w.Code)
	requireNoID(t, w)

	forget := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { require.NoError(t, ours.Forget(w, r)) })
	w = sentField(forget, beside.ID().Reveal(), s.ID().Reveal())
	require.Equal(t, []string{""}, w.Header()[field])
	require.Empty(t, w.Header()["Set-Cookie"])
	_, err := old.Retrieve(t.Context(), s.ID())
	require.ErrorIs(t, err, session.ErrNotFound)
	_, err = old.Retrieve(t.Context(), beside.ID())
	require.NoError(t, err, "cookies are ignored")
}

// Nested factories have a field each, and an error page of the outer one keeps the field of the
// inner one. Two factories with one field are refused.
func TestHeaderNested(t *testing.T) {
	outer, outerStore := tracked(t, inHeader)
	inner, _ := tracked(t, session.Config{Header: "X-Inner", Cookie: session.Cookie{Name: "__Host-inner"}})
	for _, fails := range []bool{false, true} {
		if fails {
			outerStore.Inject(sessiontest.Fault{Calls: []string{"Create"}, Err: sessiontest.ErrOutage})
		}
		r := get()
		r.Header.Set(field, "")
		r.Header.Set("X-Inner", "")
		w := served(outer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := outer.FromContext(r.Context())
			require.NoError(t, err)
			require.NoError(t, s.Set("n", 1))
			inner.Handler(counter(t)).ServeHTTP(w, r)
		})), r, session.ID{})
		require.Equal(t, fails, w.Code == 503)
		require.Equal(t, fails, w.Header().Get(field) == "")
		_, err := inner.Retrieve(context.Background(), session.NewID(w.Header().Get("X-Inner")))
		require.NoError(t, err)
		require.Empty(t, w.Header()["Set-Cookie"])
	}
	other, _ := tracked(t, session.Config{Header: "x-session", Cookie: session.Cookie{Name: "__Host-inner"}})
	require.Equal(t, 500, sentField(outer.Handler(other.Handler(http.NotFoundHandler())), "", "").Code)
}

func TestHeaderNames(t *testing.T) {
	for _, name := range []string{"cookie", "Set-Cookie", "authorization", "Host", "Vary", "Content-Type", "connection", "X Session", "X-Session:", "\u00e4"} {
		_, err := session.Config{Header: name}.New(newProbe())
		require.ErrorContains(t, err, "session: Config.Header: ", name)
	}
	f := factory(t, session.Config{Header: "x-sESSION"}, newProbe())
	require.NotEmpty(t, sentField(f.Handler(counter(t)), "", "").Header().Get(field))
}

// A cookie is sent again before browsers drop it. The field is not: its clients keep the ID.
func TestHeaderIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		f, store := tracked(t, session.Config{Header: field, Timeouts: session.Timeouts{Idle: 500 * day, Lifetime: 900 * day, Persistent: true}})
		s := created(t, f)
		time.Sleep(21 * day) // the expiry is not moved yet
		store.TakeCalls()
		w := sentField(f.HandlerFunc(fails(nil)), "", s.ID().Reveal())
		require.Empty(t, w.Header()[field])
		require.Equal(t, map[string]int{"Retrieve": 1}, store.TakeCalls())
		require.NotNil(t, cookieOf(served(f.HandlerFunc(fails(nil)), get(), s.ID())))
	})
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	"gosession.dev/session/sessiontest"
)

// The README compares three libraries in a table. TestPeers checks its answers: it uses each
// library as the documentation of that library does.

// peer is one library, behind an application with one handler.
type peer struct {
	// handler serves these paths:
	//
	//	/set?name=N  sets the value N to "there"
	//	/get?name=N  writes the value N
	//	/sign-in     does what the library's documentation says to do at a sign-in
	//	/sign-out    ends the session
	//	/untouched   does not ask for the session
	//
	// It calls meanwhile when it has read the session and not changed it yet.
	handler http.Handler

	// fail makes the store fail from now on.
	fail func()

	// finds reports whether the store finds a session by the cookie's value alone.
	finds func(cookie *http.Cookie) bool

	// calls returns how many calls the store has got since calls was last called. It is nil
	// for a library that has no middleware, and so calls nothing by itself.
	calls func() int
}

// inside is the key of a function in the context of a request.
type inside struct{}

// meanwhile calls the function of the request, if there is one: another request that takes
// place in the middle of this one.
func meanwhile(r *http.Request) {
	if run, ok := r.Context().Value(inside{}).(func()); ok {
		run()
	}
}

var peers = map[string]func(t *testing.T) peer{"session": ours, "scs": scsPeer, "gorilla": gorillaPeer}

func ours(t *testing.T) peer {
	f := sessiontest.New(t)
	serve := func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		name := r.FormValue("name")
		meanwhile(r)
		switch r.URL.Path {
		case "/set":
			return s.Set(name, "there")
		case "/get":
			text, err := session.Get[string](s, name)
			if err == nil {
				_, err = fmt.Fprint(w, text)
			}
			return err
		case "/sign-in":
			return s.SignIn(r.Context(), "user:42")
		}
		return s.Destroy(r.Context())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", f.HandlerFunc(serve))
	mux.HandleFunc("/untouched", func(http.ResponseWriter, *http.Request) {})
	return peer{
		handler: f.Handler(mux),
		fail:    func() { f.Store.Inject(sessiontest.Fault{Err: sessiontest.ErrOutage}) },
		finds: func(cookie *http.Cookie) bool {
			_, err := f.Store.Retrieve(context.Background(), cookie.Value)
			return err == nil
		},
		calls: func() int { return len(f.Store.TakeCalls()) },
	}
}

// failing is a store of scs that fails when it is told to, and counts.
type failing struct {
	*memstore.MemStore
	down  bool
	calls int
}

func (s *failing) Find(token string) ([]byte, bool, error) {
	s.calls++
	if s.down {
		return nil, false, errors.New("the store is down")
	}
	return s.MemStore.Find(token)
}

func scsPeer(*testing.T) peer {
	store := &failing{MemStore: memstore.NewWithCleanupInterval(0)}
	m := scs.New()
	m.Store = store
	return peer{
		handler: m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name := r.FormValue("name")
			meanwhile(r)
			switch r.URL.Path {
			case "/set":
				m.Put(r.Context(), name, "there")
			case "/get":
				fmt.Fprint(w, m.GetString(r.Context(), name))
			case "/sign-in":
				answer(w, m.RenewToken(r.Context()))
			case "/sign-out":
				answer(w, m.Destroy(r.Context()))
			}
		})),
		fail: func() { store.down = true },
		finds: func(cookie *http.Cookie) bool {
			_, found, _ := store.MemStore.Find(cookie.Value)
			return found
		},
		calls: func() int {
			n := store.calls
			store.calls = 0
			return n
		},
	}
}

func gorillaPeer(t *testing.T) peer {
	dir := t.TempDir()
	store := sessions.NewFilesystemStore(dir, gorillaKeys()...)
	return peer{
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/untouched" {
				return
			}
			name := r.FormValue("name")
			s, _ := store.Get(r, cookieName) // as its README has it: "we're ignoring the error"
			meanwhile(r)
			switch r.URL.Path {
			case "/set":
				s.Values[name] = "there"
			case "/get":
				text, _ := s.Values[name].(string)
				fmt.Fprint(w, text)
				return
			case "/sign-in":
				s.Values["user"] = "user:42"
			case "/sign-out":
				s.Options.MaxAge = -1
			}
			answer(w, s.Save(r, w))
		}),
		fail: func() {
			files, err := filepath.Glob(filepath.Join(dir, "session_*"))
			require.NoError(t, err)
			for _, file := range files { // reading a directory fails, for root too
				require.NoError(t, os.Remove(file))
				require.NoError(t, os.Mkdir(file, 0o700))
			}
		},
		finds: func(cookie *http.Cookie) bool { // the cookie seals the ID, and the file has it in its name
			var id string
			if err := store.Codecs[0].Decode(cookieName, cookie.Value, &id); err != nil {
				return false
			}
			_, err := os.Stat(filepath.Join(dir, "session_"+id))
			return err == nil
		},
	}
}

// browser sends requests to handler with the last cookie that a response has set.
type browser struct {
	handler http.Handler
	cookie  *http.Cookie
}

func (b *browser) send(path string, run func()) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	if run != nil {
		r = r.WithContext(context.WithValue(r.Context(), inside{}, run))
	}
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		b.cookie = c
	}
	return w
}

func TestPeers(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, p peer) bool
		want map[string]bool // by library
	}{
		{"two requests that set different values both keep them", bothSurvive, map[string]bool{"session": true}},
		{"a session that was signed out stays ended", staysEnded, map[string]bool{"session": true}},
		{"a store that fails is an error page", failureShows, map[string]bool{"session": true, "scs": true}},
		{"the ID from before the sign-in is worth nothing", idChanges, map[string]bool{"session": true, "scs": true}},
		{"the store does not hold the ID", storesNoID, map[string]bool{"session": true}},
		{"a request that does not use its session leaves the store alone", leavesStore, map[string]bool{"session": true, "gorilla": true}},
	} {
		for name, open := range peers {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				require.Equal(t, tt.want[name], tt.run(t, open(t)))
			})
		}
	}
}

func bothSurvive(t *testing.T, p peer) bool {
	b := &browser{handler: p.handler}
	b.send("/set?name=first", nil)
	cookie := *b.cookie
	b.send("/set?name=a", func() { (&browser{p.handler, &cookie}).send("/set?name=b", nil) })
	require.Equal(t, "there", b.send("/get?name=a", nil).Body.String())
	return b.send("/get?name=b", nil).Body.String() == "there"
}

func staysEnded(t *testing.T, p peer) bool {
	b := &browser{handler: p.handler}
	b.send("/set?name=user", nil)
	stolen := &browser{p.handler, &http.Cookie{Name: b.cookie.Name, Value: b.cookie.Value}}
	cookie := *b.cookie
	b.send("/set?name=a", func() {
		require.Equal(t, http.StatusOK, (&browser{p.handler, &cookie}).send("/sign-out", nil).Code)
	})
	return stolen.send("/get?name=user", nil).Body.String() == ""
}

func failureShows(_ *testing.T, p peer) bool {
	b := &browser{handler: p.handler}
	b.send("/set?name=user", nil)
	p.fail()
	return b.send("/get?name=user", nil).Code >= http.StatusInternalServerError
}

func idChanges(t *testing.T, p peer) bool {
	b := &browser{handler: p.handler}
	b.send("/set?name=cart", nil)
	before := *b.cookie
	require.Less(t, b.send("/sign-in", nil).Code, 300)
	require.Equal(t, "there", b.send("/get?name=cart", nil).Body.String())
	return (&browser{p.handler, &before}).send("/get?name=cart", nil).Body.String() == ""
}

func storesNoID(_ *testing.T, p peer) bool {
	b := &browser{handler: p.handler}
	b.send("/set?name=cart", nil)
	return !p.finds(b.cookie)
}

func leavesStore(_ *testing.T, p peer) bool {
	if p.calls == nil {
		return true
	}
	b := &browser{handler: p.handler}
	b.send("/set?name=cart", nil)
	_ = p.calls()
	b.send("/untouched", nil)
	return p.calls() == 0
}

package acceptance_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/memcache"
	_ "gosession.dev/session/drivers/memory"
	_ "gosession.dev/session/drivers/mongo"
	_ "gosession.dev/session/drivers/mysql"
	_ "gosession.dev/session/drivers/postgres"
	_ "gosession.dev/session/drivers/redis"
	_ "gosession.dev/session/drivers/sqlite"
	"gosession.dev/session/internal/testserver"
)

// TestMain runs the tests. In a process that anotherProcess has started, it serves the
// application instead.
func TestMain(m *testing.M) {
	driver, dsn, child := strings.Cut(os.Getenv("SESSION_TEST_SERVE"), " ")
	if !child {
		os.Exit(m.Run())
	}
	f, err := patient.Open(driver, dsn)
	if err != nil {
		panic(err)
	}
	srv := httptest.NewServer(application(f))
	fmt.Println(srv.URL)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test closes stdin
	srv.Close()
	if err := f.Close(); err != nil {
		panic(err)
	}
}

// patient has a StoreTimeout that is long enough for a slow machine.
var patient = session.Config{StoreTimeout: time.Minute}

// application counts in a session, and signs out.
func application(f *session.Factory) http.Handler {
	mux := http.NewServeMux()
	serve := func(path string, do func(s *session.Session, w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s, err := session.FromContext(r.Context())
			if err != nil {
				return
			}
			if err := do(s, w, r); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	serve("/count", func(s *session.Session, w http.ResponseWriter, _ *http.Request) error {
		return session.Update(s, "n", func(n int) int { return n + 1 })
	})
	serve("/show", func(s *session.Session, w http.ResponseWriter, _ *http.Request) error {
		n, err := session.Get[int](s, "n")
		fmt.Fprint(w, n)
		return err
	})
	serve("/sign-out", func(s *session.Session, w http.ResponseWriter, r *http.Request) error {
		return s.Destroy(r.Context())
	})
	return f.Handler(mux)
}

// anotherProcess starts a process that serves the application, and returns its URL.
func anotherProcess(t *testing.T, driver, dsn string) (url string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SESSION_TEST_SERVE="+driver+" "+dsn)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, stdin.Close())
		require.NoError(t, cmd.Wait())
	})
	url, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(url)
}

// backends runs a sub-test for each server-side driver, with a new factory.
func backends(t *testing.T, run func(t *testing.T, f *session.Factory)) {
	for driver, dsn := range map[string]func(t *testing.T) string{
		"memory":   func(*testing.T) string { return "" },
		"sqlite":   newFile,
		"memcache": newMemcached,
		"mongo":    newMongo,
		"postgres": newPostgres,
		"mysql":    newMariaDB,
		"redis":    newRedis,
	} {
		t.Run(driver, func(t *testing.T) {
			f, err := patient.Open(driver, dsn(t))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, f.Close()) })
			require.NoError(t, f.Ping(t.Context()))
			run(t, f)
		})
	}
}

func newFile(t *testing.T) string { return filepath.Join(t.TempDir(), "s.db") }

func newMemcached(t *testing.T) string { return testserver.StartMemcached(t).Addr + testserver.Patient }

func newRedis(t *testing.T) string { return "redis://" + testserver.StartRedis(t).Addr }

func newMongo(t *testing.T) string {
	return testserver.StartMongo(t).DSN(fmt.Sprintf("t%d", time.Now().UnixNano()), "")
}

func newPostgres(t *testing.T) string {
	server := testserver.StartPostgres(t, "fsync=off")
	return server.DSN(server.NewDatabase(t), "")
}

func newMariaDB(t *testing.T) string {
	server := testserver.StartMariaDB(t, "innodb_flush_log_at_trx_commit=0")
	return server.DSN(server.NewDatabase(t), "")
}

// created returns a new session.
func created(t *testing.T, f *session.Factory) *session.Session {
	t.Helper()
	s, err := f.Create(context.Background())
	require.NoError(t, err)
	return s
}

// request sends a GET with the session cookie, unless id is empty, and expects 200.
func request(t testing.TB, c *http.Client, url string, id session.ID) (body string, cookies []*http.Cookie) {
	req, err := http.NewRequest("GET", url, nil)
	require.NoError(t, err)
	if id.Reveal() != "" {
		req.AddCookie(&http.Cookie{Name: "__Host-session", Value: id.Reveal()})
	}
	resp, err := c.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", b)
	return string(b), resp.Cookies()
}

func httpClient(t testing.TB) *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: 32}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

const counters = 16

// count increments the counter of one session from 16 goroutines, each as often as increments
// says, at the servers in turn. It expects that none is lost.
func count(t *testing.T, increments int, id session.ID, urls ...string) {
	c := httpClient(t)
	var wg sync.WaitGroup
	for g := range counters {
		wg.Go(func() {
			for i := range increments {
				_, cookies := request(t, c, urls[(g+i)%len(urls)]+"/count", id)
				require.Empty(t, cookies)
			}
		})
	}
	wg.Wait()
	n, _ := request(t, c, urls[0]+"/show", id)
	require.Equal(t, fmt.Sprint(counters*increments), n)
}

// Concurrent increments in one process are all stored, on every server-side backend.
func TestNoUpdateIsLost(t *testing.T) {
	backends(t, func(t *testing.T, f *session.Factory) {
		srv := httptest.NewServer(application(f))
		defer srv.Close()
		count(t, 200, created(t, f).ID(), srv.URL)
	})
}

// Concurrent increments in two processes are all stored.
func TestNoUpdateIsLostByTwoProcesses(t *testing.T) {
	for driver, newDSN := range map[string]func(*testing.T) string{
		"sqlite": newFile, "memcache": newMemcached, "mongo": newMongo, "postgres": newPostgres, "mysql": newMariaDB,
		"redis": newRedis,
	} {
		t.Run(driver, func(t *testing.T) {
			dsn := newDSN(t)
			f, err := patient.Open(driver, dsn)
			require.NoError(t, err)
			defer f.Close()
			id := created(t, f).ID()
			count(t, 200, id, anotherProcess(t, driver, dsn), anotherProcess(t, driver, dsn))
		})
	}
}

// A user signs out while four of their requests are in flight. The session stays ended.
func TestNoSessionComesBack(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	backends(t, func(t *testing.T, f *session.Factory) {
		srv := httptest.NewServer(application(f))
		defer srv.Close()
		c := httpClient(t)
		back := 0
		for range rounds {
			id := created(t, f).ID()
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					// A request that arrives after the sign-out begins a new session.
					_, cookies := request(t, c, srv.URL+"/count", id)
					for _, begun := range cookies {
						_ = f.Destroy(context.Background(), session.NewID(begun.Value).Key())
					}
				})
			}
			wg.Go(func() { request(t, c, srv.URL+"/sign-out", id) })
			wg.Wait()
			if _, err := f.Retrieve(context.Background(), id); err == nil {
				back++
			} else {
				require.ErrorIs(t, err, session.ErrNotFound)
			}
		}
		t.Logf("%d of %d sessions came back", back, rounds)
		require.Zero(t, back)
	})
}

// Package netstore is a backend behind a network, for the tests of drivertest: a server that
// keeps records, and a driver for it that can have the faults that clients of servers have.
package netstore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivers/memory"
	"gosession.dev/session/internal/port"
)

// Server keeps the records of any number of stores, by name.
type Server struct {
	Addr string

	t testing.TB

	mu       sync.Mutex // guards what follows
	listener net.Listener
	conns    map[net.Conn]bool
	scripts  map[string]bool // the methods that clients have loaded since the start
	stores   map[string]backend
	running  sync.WaitGroup
}

// Start starts a server, which ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	addr, release, err := port.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	s := &Server{Addr: addr, t: t, stores: map[string]backend{}}
	s.listen()
	t.Cleanup(func() {
		s.stop()
		for _, store := range s.stores {
			_ = store.Close()
		}
	})
	return s
}

// Restart ends all connections and forgets all scripts. The records stay.
func (s *Server) Restart() {
	s.stop()
	s.listen()
}

func (s *Server) listen() {
	listener, err := net.Listen("tcp", s.Addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = listener
	s.conns, s.scripts = map[net.Conn]bool{}, map[string]bool{}
	s.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.running.Go(func() { s.serve(listener, conn) })
		}
	})
}

func (s *Server) stop() {
	s.mu.Lock()
	_ = s.listener.Close()
	s.listener = nil
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

// backend is what a store of package memory implements.
type backend interface {
	driver.Store
	driver.Toucher
	driver.Pinger
	driver.SubjectLister
	driver.SubjectDestroyer
	driver.RenameTracker
}

// request is one call, as a line of JSON.
type request struct {
	Store   string
	Method  string
	Load    bool // load the script of the method, and call nothing
	Key     string
	Record  *driver.Record
	Time    time.Time
	Subject string
	Except  []string
	After   string // the last key of the page before
}

// answer is what it returned.
type answer struct {
	Err    string
	Record *driver.Record
	Rename driver.Rename
	Keys   []string
	N      int
}

func (s *Server) serve(listener net.Listener, conn net.Conn) {
	defer conn.Close()
	s.mu.Lock()
	stopped := s.listener != listener
	s.conns[conn] = true
	s.mu.Unlock()
	if stopped {
		return
	}
	in, out := json.NewDecoder(bufio.NewReader(conn)), json.NewEncoder(conn)
	for {
		var q request
		if in.Decode(&q) != nil {
			return
		}
		if out.Encode(s.answer(&q)) != nil {
			return
		}
	}
}

// errNoScript is the answer to a call of a method whose script was not loaded.
var errNoScript = errors.New("no such script; load it")

func (s *Server) answer(q *request) (a answer) {
	s.mu.Lock()
	store := s.stores[q.Store]
	if store == nil {
		store = memory.New(memory.Options{}).(backend)
		s.stores[q.Store] = store
	}
	if q.Load {
		s.scripts[q.Method] = true
	}
	loaded := s.scripts[q.Method]
	s.mu.Unlock()
	if q.Load {
		return a
	}
	err := errNoScript
	if loaded {
		err = call(store, q, &a)
	}
	if err != nil {
		a.Err = err.Error()
	}
	return a
}

// pageSize is how many keys an answer has at most.
const pageSize = 100

func call(s backend, q *request, a *answer) (err error) {
	ctx := context.Background()
	switch q.Method {
	case "Create":
		err = s.Create(ctx, q.Record)
		a.Record = q.Record
	case "Retrieve":
		a.Record, err = s.Retrieve(ctx, q.Key)
	case "Flush":
		err = s.Flush(ctx, q.Record)
		a.Record = q.Record
	case "ChangeID":
		err = s.ChangeID(ctx, q.Key, q.Record)
		a.Record = q.Record
	case "Destroy":
		err = s.Destroy(ctx, q.Key)
	case "Sessions":
		a.Keys, err = page(s.Sessions(ctx), q.After)
	case "SubjectSessions":
		a.Keys, err = page(s.SubjectSessions(ctx, q.Subject), q.After)
	case "DestroySubject":
		err = s.DestroySubject(ctx, q.Subject, q.Except...)
	case "DeleteExpired":
		a.N, err = s.DeleteExpired(ctx)
	case "Touch":
		err = s.Touch(ctx, q.Key, q.Time)
	case "Renamed":
		a.Rename, err = s.Renamed(ctx, q.Key)
	case "Ping":
		err = s.Ping(ctx)
	default:
		err = errors.New("no such method")
	}
	return err
}

// page returns the keys that follow one, in their order, up to a page of them.
func page(seq iter.Seq2[string, error], after string) (keys []string, err error) {
	for key, err := range seq {
		if err != nil {
			return nil, err
		}
		if key > after {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys[:min(len(keys), pageSize)], nil
}

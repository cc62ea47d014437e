package netstore

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"gosession.dev/session/driver"
)

// Faults are what the clients of a server do wrong, or do not do. The zero value has none.
type Faults struct {
	// Replaces returns the error of a method that got no answer because of err.
	Replaces func(method string, err error) error

	Repeats      string // a method that sends its request again when the connection breaks, and takes the second answer
	NoCancel     bool   // looks at the deadline of a context, and not at its end
	NoContext    bool   // looks neither at the deadline of a context nor at its end
	ReadTimeout  bool   // gives each read a time of its own, and does not look at the context
	LateVersion  bool   // sets the version of a record after the call has returned
	KeepsScripts bool   // does not load a script again that a restart has lost
	KeepsBroken  bool   // uses a connection again that is broken
	KeepsLate    bool   // uses a connection again whose answer has not come in time
	TakesPart    bool   // takes the part of an answer that it has read for all of it
	GivesUp      bool   // does not connect any more when the server has refused a hundred connections
	HoldsListing bool   // holds a connection for as long as a listing lasts
	LeaksListing bool   // leaves a goroutine behind for a listing that is broken off
	EndsListing  bool   // ends a listing without an error when a later page fails
	CannotList   bool   // has no Sessions, which is legal
	CachesPing   bool   // does not ask again after a Ping that was good
}

// Driver opens stores of a Server by DSNs like "127.0.0.1:4000?store=a".
type Driver struct{ Faults Faults }

// Open implements [driver.Driver].
func (d Driver) Open(dsn string) (driver.Store, error) {
	u, err := url.Parse("netstore://" + dsn)
	var parameters url.Values
	if err == nil {
		parameters, err = url.ParseQuery(u.RawQuery)
	}
	if err != nil || u.Port() == "" || u.Path != "" || u.User != nil || u.Fragment != "" || len(parameters) != 1 || len(parameters["store"]) != 1 || parameters["store"][0] == "" {
		return nil, errors.New("netstore: malformed DSN; want host:port?store=NAME")
	}
	s := &store{addr: &u.Host, name: parameters["store"][0], faults: d.Faults, idle: make(chan *conn, maxConns), slots: make(chan struct{}, maxConns)}
	return s, nil
}

// maxConns is how many connections a store has at most.
const maxConns = 20

type store struct {
	addr    *string // where fmt does not look
	name    string
	faults  Faults
	idle    chan *conn
	slots   chan struct{}
	closed  atomic.Bool
	pinged  atomic.Bool
	loaded  sync.Map     // the methods whose scripts were loaded
	refused atomic.Int64 // connections
}

// conn is a connection to the server.
type conn struct {
	net.Conn
	in  *json.Decoder
	out *json.Encoder

	read        bytes.Buffer // the answer, as far as it has come
	readTimeout bool         // see Faults.ReadTimeout
}

// do sends a request, and loads the script of its method first if the server lacks it.
func (s *store) do(ctx context.Context, q request) (answer, error) {
	if s.closed.Load() {
		return answer{}, driver.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return answer{}, err
	}
	q.Store = s.name
	a, err := s.send(ctx, q)
	if err == nil && a.Err == errNoScript.Error() && s.loads(q.Method) {
		load := q
		load.Load = true
		if _, err = s.send(ctx, load); err == nil {
			a, err = s.send(ctx, q)
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		if s.faults.Replaces != nil {
			err = s.faults.Replaces(q.Method, err)
		}
		return a, err
	}
	if q.Method == "Ping" {
		s.pinged.Store(true)
	}
	return a, errorOf(a.Err)
}

// loads reports whether the store loads the script of a method that the server lacks.
func (s *store) loads(method string) bool {
	_, loaded := s.loaded.LoadOrStore(method, true)
	return !loaded || !s.faults.KeepsScripts
}

// errorOf returns the error that an answer names.
func errorOf(text string) error {
	for _, err := range []error{driver.ErrNotFound, driver.ErrExists, driver.ErrConflict, driver.ErrTooLarge, driver.ErrCorrupt} {
		if text == err.Error() {
			return err
		}
	}
	if text == "" {
		return nil
	}
	return errors.New(text)
}

// send sends a request over a connection of its own, and reads the answer.
func (s *store) send(ctx context.Context, q request) (answer, error) {
	a, err := s.try(ctx, q)
	if err != nil && ctx.Err() == nil && s.faults.Repeats == q.Method {
		a, err = s.try(ctx, q)
	}
	return a, err
}

func (s *store) try(ctx context.Context, q request) (a answer, err error) {
	c, err := s.take(ctx)
	if err != nil {
		return a, err
	}
	a, err = s.roundTrip(ctx, c, q)
	timeout, _ := errors.AsType[net.Error](err)
	switch {
	case timeout != nil && timeout.Timeout() && s.faults.KeepsLate:
		c.in = json.NewDecoder(bufio.NewReader(c))
	case err != nil && !s.faults.KeepsBroken:
		c.Close()
		<-s.slots
		return a, err
	}
	s.give(c)
	return a, err
}

func (s *store) roundTrip(ctx context.Context, c *conn, q request) (a answer, err error) {
	deadline, _ := ctx.Deadline()
	f := s.faults
	if f.NoContext || f.ReadTimeout {
		deadline = time.Time{}
	}
	_ = c.SetDeadline(deadline)
	if !f.NoCancel && !f.NoContext && !f.ReadTimeout {
		stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
		defer func() {
			if !stop() && err == nil {
				err = ctx.Err() // the function may still set its deadline
			}
		}()
	}
	c.readTimeout = f.ReadTimeout
	if err = c.out.Encode(q); err == nil {
		err = c.in.Decode(&a)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) && f.TakesPart && completed(c.read.Bytes(), &a) {
		err = nil
	}
	c.read.Reset()
	if err != nil && !deadline.IsZero() && !time.Now().Before(deadline) {
		<-ctx.Done() // the connection may notice the deadline a moment before the context
	}
	return a, err
}

// Read implements [io.Reader], and remembers what it has read.
func (c *conn) Read(p []byte) (int, error) {
	if c.readTimeout {
		_ = c.SetReadDeadline(time.Now().Add(600 * time.Millisecond))
	}
	n, err := c.Conn.Read(p)
	c.read.Write(p[:n])
	return n, err
}

// completed reads the beginning of an answer as if it were all of it.
func completed(part []byte, a *answer) bool {
	for _, end := range []string{"", "}", `"}`, "}}", `"}}`, `:""}}`} {
		if *a = (answer{}); json.Unmarshal(append(part[:len(part):len(part)], end...), a) == nil {
			return true
		}
	}
	return false
}

// take returns a connection. An idle one may have been closed by the server, so each is
// looked at.
func (s *store) take(ctx context.Context) (*conn, error) {
	for {
		select {
		case c := <-s.idle:
			if s.faults.KeepsBroken || s.faults.KeepsLate || c.isOpen() {
				return c, nil
			}
			c.Close()
			<-s.slots
			continue
		default:
		}
		select {
		case c := <-s.idle:
			s.idle <- c
		case s.slots <- struct{}{}:
			return s.dial(ctx)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

var errRefused = errors.New("netstore: the server refuses the connection")

func (s *store) dial(ctx context.Context) (*conn, error) {
	const most = 100
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", *s.addr)
	if err != nil {
		nc = nil
		s.refused.Add(1)
	}
	if err == nil && s.faults.GivesUp && s.refused.Load() > most {
		nc.Close()
		nc = nil
	}
	if nc == nil {
		<-s.slots
		return nil, errRefused
	}
	c := &conn{Conn: nc, out: json.NewEncoder(nc)}
	c.in = json.NewDecoder(bufio.NewReader(c))
	return c, nil
}

func (s *store) give(c *conn) {
	s.idle <- c
	if s.closed.Load() {
		s.closeIdle()
	}
}

func (s *store) closeIdle() {
	for {
		select {
		case c := <-s.idle:
			c.Close()
			<-s.slots
		default:
			return
		}
	}
}

func (s *store) Close() error {
	s.closed.Store(true)
	s.closeIdle()
	return nil
}

func (s *store) Format(f fmt.State, _ rune) { io.WriteString(f, "netstore") }

func (s *store) Create(ctx context.Context, r *driver.Record) error {
	return s.write(ctx, request{Method: "Create", Record: r})
}

func (s *store) Flush(ctx context.Context, r *driver.Record) error {
	return s.write(ctx, request{Method: "Flush", Record: r})
}

func (s *store) ChangeID(ctx context.Context, oldKey string, r *driver.Record) error {
	return s.write(ctx, request{Method: "ChangeID", Key: oldKey, Record: r})
}

// write sends a record, whose version the answer has.
func (s *store) write(ctx context.Context, q request) error {
	r := q.Record
	given := *r
	q.Record = &given
	a, err := s.do(ctx, q)
	switch {
	case err == nil && a.Record != nil:
		r.Version = a.Record.Version
	case s.faults.LateVersion && ctx.Err() != nil:
		time.AfterFunc(20*time.Millisecond, func() { r.Version++ })
	}
	return err
}

func (s *store) Retrieve(ctx context.Context, key string) (*driver.Record, error) {
	a, err := s.do(ctx, request{Method: "Retrieve", Key: key})
	if err != nil {
		return nil, err
	}
	return a.Record, nil
}

func (s *store) Destroy(ctx context.Context, key string) error {
	_, err := s.do(ctx, request{Method: "Destroy", Key: key})
	return err
}

func (s *store) DeleteExpired(ctx context.Context) (int, error) {
	a, err := s.do(ctx, request{Method: "DeleteExpired"})
	return a.N, err
}

func (s *store) Touch(ctx context.Context, key string, expires time.Time) error {
	_, err := s.do(ctx, request{Method: "Touch", Key: key, Time: expires})
	return err
}

func (s *store) Renamed(ctx context.Context, key string) (driver.Rename, error) {
	a, err := s.do(ctx, request{Method: "Renamed", Key: key})
	return a.Rename, err
}

func (s *store) DestroySubject(ctx context.Context, subject string, except ...string) error {
	_, err := s.do(ctx, request{Method: "DestroySubject", Subject: subject, Except: except})
	return err
}

func (s *store) Ping(ctx context.Context) error {
	if s.faults.CachesPing && s.pinged.Load() && !s.closed.Load() && ctx.Err() == nil {
		return nil
	}
	_, err := s.do(ctx, request{Method: "Ping"})
	return err
}

func (s *store) Sessions(ctx context.Context) iter.Seq2[string, error] {
	if s.faults.CannotList {
		return func(yield func(string, error) bool) { yield("", errors.ErrUnsupported) }
	}
	return s.list(ctx, request{Method: "Sessions"})
}

func (s *store) SubjectSessions(ctx context.Context, subject string) iter.Seq2[string, error] {
	return s.list(ctx, request{Method: "SubjectSessions", Subject: subject})
}

// list reads one page after the other.
func (s *store) list(ctx context.Context, q request) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if s.faults.HoldsListing {
			c, err := s.take(ctx)
			if err != nil {
				yield("", err)
				return
			}
			defer s.give(c)
		}
		broken := true
		if s.faults.LeaksListing {
			over := make(chan struct{})
			go func() { <-over }()
			defer func() {
				if !broken {
					close(over)
				}
			}()
		}
		for {
			a, err := s.do(ctx, q)
			if err != nil {
				if !s.faults.EndsListing || q.After == "" {
					yield("", err)
				}
				broken = false
				return
			}
			for _, key := range a.Keys {
				if err := ctx.Err(); err != nil {
					yield("", err)
					broken = false
					return
				}
				if !yield(key, nil) {
					return
				}
				q.After = key
			}
			if len(a.Keys) < pageSize {
				broken = false
				return
			}
		}
	}
}

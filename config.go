package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/header"
	"gosession.dev/session/internal/isnil"
	"gosession.dev/session/internal/registry"
)

// Config configures a [Factory]. The zero Config is the recommended setting for production.
// Open and New copy it, so that later changes to it have no effect.
type Config struct {
	// Timeouts apply to sessions without timeouts of their own; see [Session.SetTimeouts].
	// The default is [DefaultIdle] and [DefaultLifetime], with a cookie that the browser
	// drops when it closes.
	Timeouts Timeouts

	// Anonymous replaces Timeouts for sessions without a subject: the sessions of visitors
	// who have not signed in. The zero Anonymous stands for Timeouts. If only its Idle or
	// Lifetime is 0, that field is taken from Timeouts.
	Anonymous Timeouts

	// MaxPerSubject is how many sessions a subject may have at once (OWASP ASVS 5.0, 7.1.2);
	// 0 means any number. A sign-in that exceeds it ends the subject's session with the
	// oldest sign-in. The store has to list the sessions of a subject, and each sign-in reads
	// each of them twice.
	MaxPerSubject int

	// RefuseAtMax refuses a sign-in that exceeds MaxPerSubject instead of ending another
	// session: the flush that stores [Session.SignIn] fails with [ErrTooManySessions], and
	// the user is not signed in. To handle that, call [Session.Flush] after SignIn.
	RefuseAtMax bool

	// Require names the features of the store that the application needs. If the store lacks
	// one, Open and New fail, instead of a call when the first user needs it.
	Require Features

	// Cookie is the cookie that carries the ID.
	Cookie Cookie

	// Header names a header field, such as "X-Session", that carries the ID for clients that
	// keep no cookies. A request without the field uses the cookie.
	//
	// A client without an ID sends the field empty. If the response has the field, the client
	// sends its content from then on: an ID, or nothing if the session has ended.
	//
	// A request with the field, even if it is empty, is served by the field alone: its cookies
	// are ignored, and the response sets none. The ID of a cookie is never sent in the field,
	// because scripts of a page can read that. A field with several IDs names no session.
	// For scripts of other origins, the application has to allow the field with
	// Access-Control-Allow-Headers and Access-Control-Expose-Headers.
	Header string

	// Insecure is for development over plain HTTP with a browser that does not send Secure
	// cookies there. The cookie is sent without Secure, so that any host on the network can
	// read it, and its default name has no "__Host-" prefix, so that sibling domains can set
	// it. Never set Insecure in production, not even behind a proxy that terminates TLS: the
	// browser speaks TLS with the proxy.
	Insecure bool

	// Codecs encode values: the first one encodes new sessions, all of them decode. The
	// default is [JSON]; JSON and [Gob] can always be decoded. To change the codec, append
	// the new one in all processes, then move it to the front, and drop the old one when the
	// sessions that began with it have ended. See [Codec].
	Codecs []Codec

	// Secrets seal what is stored: the values are encrypted, and an attacker who can write to
	// the database can neither change them nor move them to another session. The first
	// secret seals, all of them open. To change the secret, append the new one in all
	// processes, and then move it to the front. A process that reads a session under a secret
	// that it does not have fails with [ErrSealed]. See also [Factory.Reseal]. Without
	// Secrets, values are stored as the codec encodes them.
	Secrets []Secret

	// InsecureReadUnsealed accepts sessions that are not sealed although there are Secrets.
	// Set it when Secrets are introduced, until [Factory.Reseal] has sealed all sessions: as
	// long as it is set, an attacker who can write to the database can plant sessions.
	InsecureReadUnsealed bool

	// MaxSize is the maximum size of a session's values in bytes: encoded, and before they
	// are sealed, as in the Size of its [Info]. The default is 256 KiB; if MaxSize is
	// negative, only the backend has a limit. A write that makes a session larger fails with
	// [ErrTooLarge], whose text names the three largest values and their sizes. A session that
	// is larger already, because the limit was lowered, can be read, and can be written if
	// the write does not make it larger.
	MaxSize int

	// IDs makes and validates session IDs. By default an ID has 160 random bits and the time.
	IDs IDs

	// StoreTimeout limits the time of each call of the store, and of all retries after a
	// conflict together. In a listing it limits each step; sweeps have no limit. The default
	// is 5 s, the maximum 5 min.
	StoreTimeout time.Duration

	// SweepInterval is about how often the factory deletes expired sessions, if the store
	// does not do that by itself. The default is 5 min, the minimum 10 ms. Negative means
	// never, for fleets in which something else calls [Factory.DeleteExpired].
	SweepInterval time.Duration

	// WatchInterval is how often the factory asks the store, for the contexts of
	// [Session.Context], whether another process has ended the session. The default is
	// 30 s, the minimum 10 ms.
	WatchInterval time.Duration

	// OnError answers a request if the session can't be read, if its changes can't be stored,
	// or if a function of [Factory.HandlerFunc] returns an error. It is called at most once
	// per request. The default logs the error, unless the client has canceled the request,
	// and answers:
	//
	//	503  ErrUnavailable, ErrSealed, ErrConflict, context.DeadlineExceeded
	//	403  ErrNotRecent, ErrTooManySessions, ErrStaleSignIn, ErrNotFound
	//	413  ErrTooLarge
	//	500  any other error
	//
	// If OnError writes nothing, the response has that status and no body. If the response
	// has begun already, or if the handler answers although FromContext has failed, what
	// OnError writes is dropped. If a middleware between Handler and HandlerFunc writes to a
	// buffer of its own before it calls HandlerFunc, the error page is appended to that.
	//
	// If only the expiry of a session can't be moved, the error is logged, OnError is not
	// called, and the next request tries again.
	OnError func(w http.ResponseWriter, r *http.Request, err error)

	// OnEvent is called when this process has created or ended a session, has signed in a
	// user, or has changed an ID: synchronously, after the change is stored. It must be safe
	// for concurrent use, and must not change the session of the event. The context is that of
	// the call that stored the change, such as [Session.Flush]. If [Factory.Handler] stored it, that
	// is the context of the request as Handler got it, without cancellation. To log all events:
	//
	//	func(ctx context.Context, e session.Event) { slog.InfoContext(ctx, "session", "event", e) }
	OnEvent func(context.Context, Event)

	// Now is the clock by which sessions begin and expire; nil is [time.Now]. It is for tests:
	// see package sessiontest. The store uses a clock of its own.
	Now func() time.Time

	// Logger receives problems that no caller sees: failed sweeps, expiries that could not be
	// moved, sessions that can't be decoded. The default is [slog.Default].
	Logger *slog.Logger
}

// Register makes a driver available to [Open] under a name. Packages of drivers call it in
// their init function. It panics if d is nil or if the name is taken.
func Register(name string, d driver.Driver) { registry.Register(name, d) }

// Drivers returns the names of the registered drivers, sorted.
func Drivers() []string { return registry.Drivers() }

// Open opens a store by the name of a driver, whose package has to be imported, and by a
// DSN, and returns a factory with the zero [Config]. The package comment of each driver
// describes its DSN.
//
// Open does not connect. Call [Factory.Ping] to check that the store can be used.
func Open(driverName, dsn string) (*Factory, error) {
	return Config{}.Open(driverName, dsn)
}

// Open is like the function [Open], and returns a factory with this Config. It returns an
// error if the Config contradicts itself, or if the store lacks what it needs.
func (c Config) Open(driverName, dsn string) (*Factory, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	store, err := registry.Open(driverName, dsn)
	if err != nil {
		return nil, err
	}
	f, err := newFactory(c, store, fmt.Sprintf("driver %q", driverName))
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return f, nil
}

// New returns a factory for a store that the application has made around a database or
// client of its own. [Factory.Close] closes the store, which leaves that database or client
// open. It returns the same errors as Open; after an error the store is still open.
func (c Config) New(store driver.Store) (*Factory, error) {
	if isnil.Store(store) {
		return nil, errors.New("session: Config.New: the store is nil; check the error of the call that makes it")
	}
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	return newFactory(c, store, "the store")
}

// complete returns c with its defaults, or an error if c contradicts itself.
func (c Config) complete() (Config, error) {
	given := c
	c.Timeouts = c.Timeouts.or(Timeouts{Idle: DefaultIdle, Lifetime: DefaultLifetime})
	if c.Anonymous == (Timeouts{}) {
		c.Anonymous = c.Timeouts
	}
	c.Anonymous = c.Anonymous.or(c.Timeouts)
	c.Header = http.CanonicalHeaderKey(c.Header)
	c.Cookie = c.Cookie.complete(c.Insecure)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.IDs == nil {
		c.IDs = defaultIDs{}
	}
	if c.MaxSize == 0 {
		c.MaxSize = 256 << 10
	}
	if c.StoreTimeout == 0 {
		c.StoreTimeout = 5 * time.Second
	}
	if c.SweepInterval == 0 {
		c.SweepInterval = 5 * time.Minute
	}
	if c.WatchInterval == 0 {
		c.WatchInterval = 30 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if err := c.validate(given); err != nil {
		return c, err
	}
	c.Codecs = knownCodecs(c.Codecs)
	return c, nil
}

// validate checks a Config with its defaults. given is the Config of the application.
func (c Config) validate(given Config) error {
	if err := c.Timeouts.validate(given.Timeouts, "the default"); err != nil {
		return fmt.Errorf("session: Config.Timeouts: %w", err)
	}
	if err := c.Anonymous.validate(given.Anonymous, "that of Config.Timeouts"); err != nil {
		return fmt.Errorf("session: Config.Anonymous: %w", err)
	}
	if err := header.ValidName(c.Header); err != nil {
		return fmt.Errorf("session: Config.Header: %w", err)
	}
	if err := c.Cookie.validate(c.Insecure); err != nil {
		return fmt.Errorf("session: Config.Cookie: %w", err)
	}
	if err := validCodecs(c.Codecs); err != nil {
		return fmt.Errorf("session: Config.Codecs: %w", err)
	}
	if c.InsecureReadUnsealed && len(c.Secrets) == 0 {
		return errors.New("session: Config.InsecureReadUnsealed is set without Config.Secrets; drop it, or set Secrets")
	}
	if c.MaxPerSubject < 0 || c.RefuseAtMax && c.MaxPerSubject == 0 {
		return errors.New("session: Config.MaxPerSubject must not be negative, and must be positive if RefuseAtMax is set")
	}
	if isnil.Value(c.IDs) {
		return errors.New("session: Config.IDs is a nil pointer; leave it out for the default")
	}
	return c.validDurations()
}

// The limits of the durations in a Config; Timeouts has its own. Shorter intervals would keep
// a processor, or the store, busy. A call longer than maxStoreTimeout could outlast the mark
// of a changed ID (driver.MarkLifetime), by which it is recognized as late.
const (
	maxStoreTimeout  = 5 * time.Minute
	minSweepInterval = 10 * time.Millisecond
	minWatchInterval = 10 * time.Millisecond
)

// validDurations checks all durations of a Config except Timeouts.
func (c Config) validDurations() error {
	switch {
	case c.WatchInterval < 0:
		return errors.New("session: Config.WatchInterval is negative; leave it 0 for 30 s")
	case c.StoreTimeout < 0:
		return errors.New("session: Config.StoreTimeout is negative; leave it 0 for 5 s")
	case c.SweepInterval >= 0 && c.SweepInterval < minSweepInterval:
		return fmt.Errorf("session: Config.SweepInterval is %v; it must be at least %v, or negative for never", c.SweepInterval, minSweepInterval)
	case c.WatchInterval < minWatchInterval:
		return fmt.Errorf("session: Config.WatchInterval is %v; it must be at least %v", c.WatchInterval, minWatchInterval)
	case c.StoreTimeout < minTimeout || c.StoreTimeout > maxStoreTimeout:
		return fmt.Errorf("session: Config.StoreTimeout is %v; it must be %v to %v", c.StoreTimeout, minTimeout, maxStoreTimeout)
	}
	return nil
}

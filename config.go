package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gosession.dev/session/driver"
)

// Config says how a [Factory] behaves. Its zero value is the recommended setting
// for production. It is read once, when the factory is made.
type Config struct {
	// Timeouts are for sessions without timeouts of their own; the default is
	// [DefaultIdle] and [DefaultLifetime], and a cookie that the browser drops
	// when it closes.
	Timeouts Timeouts

	// Anonymous are, instead of Timeouts, for sessions without a subject, that
	// is, of visitors who have not signed in. If it is left out altogether it is
	// Timeouts; else Idle and Lifetime are, where they are 0.
	Anonymous Timeouts

	// MaxPerSubject is how many sessions a subject may have at once (OWASP ASVS
	// 5.0, 7.1.2); 0 means any number. A sign-in beyond it ends the session that
	// signed in first. It needs a store that lists the sessions of a subject, and
	// costs a sign-in two looks at each of them.
	MaxPerSubject int

	// RefuseAtMax refuses a sign-in beyond MaxPerSubject instead: the flush that
	// stores [Session.SignIn] fails with [ErrTooManySessions], and the session stays
	// anonymous. Flush where you sign in, to know.
	RefuseAtMax bool

	// Cookie is the cookie that carries the ID.
	Cookie Cookie

	// Insecure is for development over plain HTTP with a browser that refuses
	// Secure cookies there. It sends the cookie without Secure, so that anybody
	// on the network can read it, and without a "__Host-" prefix, so that
	// sibling domains can plant it. Never set it in production, neither behind
	// a proxy that ends TLS: the browser speaks TLS there.
	Insecure bool

	// Codec encodes values; the default is [JSON].
	Codec Codec

	// Keys seal what is stored: the values are encrypted, and an attacker who can
	// write to the database can neither change them nor move them to another session.
	// The first seals, all open. To change it, append the new one in all processes
	// first, and then put it in front: a process that meets a session under a secret
	// that it does not have answers with [ErrSealed]. See also [Factory.Reseal].
	// Without Keys, values are stored as the codec encodes them.
	Keys []Secret

	// InsecureReadUnsealed accepts sessions that are not sealed although there
	// are Keys: for the time after Keys were introduced, until Factory.Reseal
	// has sealed all sessions. As long as it is set, an attacker who can write to
	// the database can plant sessions.
	InsecureReadUnsealed bool

	// IDs makes and recognizes session IDs. The default makes them of the time
	// and 160 random bits.
	IDs IDs

	// StoreTimeout bounds each wait for the store, merging included; the
	// default is 5 s. Sweeps are not bounded, and of listings each step is.
	StoreTimeout time.Duration

	// SweepInterval is about how often the factory deletes expired sessions of
	// a store that does not do it by itself; the default is 5 min. Negative
	// means never, for fleets where something else calls
	// [Factory.DeleteExpired].
	SweepInterval time.Duration

	// WatchInterval is how often [Session.Done] looks whether another process
	// has ended the session; the default is 30 s.
	WatchInterval time.Duration

	// OnError is called when the session of a request can't be read or stored, at
	// most once per request. The default logs the error, and answers 503 if the
	// store has failed.
	OnError ErrorHandler

	// OnEvent is called when this process has created or ended a session, or changed
	// its ID: synchronously, after the change is stored. It must be safe for
	// concurrent use, and must not change that session. See [LogEvents].
	OnEvent func(context.Context, Event)

	// Now is the clock by which sessions begin and expire; nil is [time.Now]. It is
	// for tests: see package sessiontest. The store has its own.
	Now func() time.Time

	// Logger receives problems that no caller sees: failed sweeps, sessions that
	// can't be decoded. The default is [slog.Default].
	Logger *slog.Logger
}

// Open makes a factory over a store of the named driver, which has to be
// imported, with the zero [Config]. What a DSN looks like is the driver's: see
// the comment of its package.
//
// Open does not connect. Call [Factory.Ping] to find out at once whether the
// store can be used.
func Open(driverName, dsn string) (*Factory, error) {
	return Config{}.Open(driverName, dsn)
}

// Open makes a factory over a store of the named driver. Like the function
// [Open], it does not connect.
func (c Config) Open(driverName, dsn string) (*Factory, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	store, err := OpenStore(driverName, dsn)
	if err != nil {
		return nil, err
	}
	f, err := newFactory(c, store)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return f, nil
}

// New makes a factory over a store that the application has made, of its own
// database or client. [Factory.Close] closes the store, and the store leaves the
// application's part open.
func (c Config) New(store driver.Store) (*Factory, error) {
	if store == nil {
		return nil, errors.New("session: Config.New of a nil store")
	}
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	return newFactory(c, store)
}

// complete fills in the defaults and refuses what contradicts itself.
func (c Config) complete() (Config, error) {
	c.Timeouts = c.Timeouts.or(Timeouts{Idle: DefaultIdle, Lifetime: DefaultLifetime})
	if c.Anonymous == (Timeouts{}) {
		c.Anonymous = c.Timeouts
	}
	c.Anonymous = c.Anonymous.or(c.Timeouts)
	c.Cookie = c.Cookie.complete(c.Insecure)
	if c.Codec == nil {
		c.Codec = JSON
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.IDs == nil {
		c.IDs = defaultIDs{}
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
	if c.OnError == nil {
		c.OnError = answerError(c.Logger)
	}
	return c, c.validate()
}

func (c Config) validate() error {
	if err := c.Timeouts.validate(); err != nil {
		return fmt.Errorf("session: Config.Timeouts: %w", err)
	}
	if err := c.Anonymous.validate(); err != nil {
		return fmt.Errorf("session: Config.Anonymous (its zero fields are those of Config.Timeouts): %w", err)
	}
	if err := c.Cookie.validate(c.Insecure); err != nil {
		return fmt.Errorf("session: Config.Cookie: %w", err)
	}
	if n := len(c.Codec.Name()); n == 0 || n > maxCodecName {
		return fmt.Errorf("session: Config.Codec: its name must be 1 to %d bytes", maxCodecName)
	}
	if c.InsecureReadUnsealed && len(c.Keys) == 0 {
		return errors.New("session: Config.InsecureReadUnsealed is for sessions from before there were Config.Keys, and there are none; drop it")
	}
	if c.MaxPerSubject < 0 || c.RefuseAtMax && c.MaxPerSubject == 0 {
		return errors.New("session: Config.MaxPerSubject must be positive if there is a limit, and RefuseAtMax needs one")
	}
	if c.WatchInterval < 0 {
		return errors.New("session: Config.WatchInterval is negative; leave it 0 for 30 s")
	}
	if c.StoreTimeout < 0 {
		return errors.New("session: Config.StoreTimeout is negative; leave it 0 for 5 s")
	}
	return nil
}

// Package cookie keeps the whole session in the client's cookie, encrypted and
// authenticated. There is no store on the server, and nothing to operate.
//
// The price is what such a store can't do. Of two requests at once that change a
// session, one loses its change. Sessions can't be listed, nor those of a user
// ended. A session has to fit in one cookie, some 2,900 bytes of data; more is
// [driver.ErrTooLarge], and the earlier cookie stays. And whoever has copied a
// cookie can go on using it after its user has signed out, until it expires:
// unless sessions that have ended are kept somewhere, which is what the parameter
// revocations is for. Its other choice has to be written out: unrevocable.
//
// Importing the package registers the driver "cookie". Its DSN is made of
// parameters:
//
//	secret_env=SESSION_SECRETS&revocations=sqlite:file:ended.db
//	secret_file=/run/secrets/session&unrevocable
//
//	secret_env  names an environment variable that has the secrets; or
//	secret_file names a file that has them; or
//	secret      is one, and may be given several times
//	revocations is a driver and its DSN, with a colon between: a session that was
//	            ended is kept there for twice as long as it had to live, and at
//	            least a day; a request then costs one look there
//	unrevocable does without
//	site        is bound to the cookies, for secrets that several sites share
//
// A value in which there is an & or a % has them written %26 and %25.
//
// Secrets are 32 random bytes in Base64 each; make one with openssl rand -base64
// 32. The first seals, all open: put a new one in front, and drop the old one when
// the longest session under it has expired. Nobody is signed out.
//
// A cookie is sealed with XChaCha20-Poly1305 under a key that HKDF-SHA256 derives
// from the secret for the site; the cookie's name and its expiry are authenticated
// with it. Nothing is compressed: the length of what is compressed together would
// tell who can plant values about the others.
//
// The cookie is the session's ID, so that it changes with each write, and
// [session.Session.Key] with it. The timeouts are within the seal. To move the expiry of a session that is only
// read, the cookie is set anew; that happens after a twentieth of Idle.
package cookie

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"gosession.dev/session"
	"gosession.dev/session/driver"
	"gosession.dev/session/internal/seal"
)

func init() { session.Register("cookie", Driver{}) }

// Driver opens stores by DSN; see the comment of the package.
type Driver struct{}

// Open returns a store for dsn. It reads the secrets, and connects to nothing. All
// methods of the store are safe for concurrent use.
func (Driver) Open(dsn string) (driver.Store, error) {
	o, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	s.owned = true
	return s, nil
}

// Options are what a DSN says.
type Options struct {
	// Secrets seal the cookies: the first seals, all open.
	Secrets []session.Secret

	// Site is bound to the cookies: those of one site open on no other.
	Site string

	// Revocations keeps the sessions that have ended. Nil if Unrevocable.
	Revocations driver.Store

	// Unrevocable says that it is known that a session which has ended can be
	// used again by whoever has copied its cookie.
	Unrevocable bool
}

// Store is a [driver.Store] in cookies. Its methods are safe for concurrent use.
type Store struct {
	box     *seal.Box
	revoked driver.Store // nil if there are no revocations
	owned   bool         // Close closes revoked
	name    string       // of the cookie
	closed  *atomic.Bool // shared by what ForCookie returns
}

var (
	_ driver.Store      = (*Store)(nil)
	_ driver.ClientSide = (*Store)(nil)
	_ driver.Pinger     = (*Store)(nil)
)

// New returns a store. Close leaves o.Revocations open.
func New(o Options) (*Store, error) {
	switch {
	case o.Revocations == nil && !o.Unrevocable:
		return nil, errors.New("cookie: say where sessions that have ended are kept (revocations), or that whoever has copied a cookie may go on using it (unrevocable)")
	case o.Revocations != nil && o.Unrevocable:
		return nil, errors.New("cookie: there are revocations, and it is said to be unrevocable; drop one of them")
	}
	box, err := seal.New("cookie "+o.Site, o.Secrets...)
	if err != nil {
		return nil, fmt.Errorf("cookie: %w", err)
	}
	return &Store{box: box, revoked: o.Revocations, closed: new(atomic.Bool)}, nil
}

// ForCookie implements [driver.ClientSide].
func (s *Store) ForCookie(name string) driver.Store {
	bound := *s
	bound.name = name
	return &bound
}

// Close closes the store of revocations if Open has made it.
func (s *Store) Close() error {
	if s.closed.Swap(true) || s.revoked == nil || !s.owned {
		return nil
	}
	return s.revoked.Close()
}

// ready returns why a call can't begin, if it can't.
func (s *Store) ready(ctx context.Context) error {
	if s.closed.Load() {
		return driver.ErrClosed
	}
	return ctx.Err()
}

// Package cookie keeps the whole session in the client's cookie, encrypted and
// authenticated. There is no store on the server, and nothing to operate.
//
// The price is what such a store can't do. Of two requests at once that change a
// session, one loses its change. Sessions can't be listed, and the sessions of a user
// can't be ended together. A session has to fit in one cookie, some 2,900 bytes of data;
// more is [driver.ErrTooLarge], and the earlier cookie stays. And a copied cookie can be
// used after its user has signed out, until it expires, unless sessions that have ended
// are kept somewhere: the parameter revocations names that place. To do without, write
// unrevocable.
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
//	revocations is a driver and its DSN, with a colon between: what was ended is
//	            kept there for 401 days, a small record for each sign-out and each
//	            change of an ID; a request then costs one look there
//	unrevocable does without; it takes no value
//	site        is bound to the cookies, for secrets that several sites share
//
// A value in which there is an & or a % has them written %26 and %25.
//
// A store that can lose what it has acknowledged ([driver.Lossy]: memory, memcache)
// is refused for revocations: a session that was ended would be back. For tests and
// development, take a file of sqlite.
//
// Secrets are 32 random bytes in Base64 each; make one with openssl rand -base64
// 32. The first seals, all open: append a new one in all processes, then put it in
// front, and drop the old one when the longest session under it has expired. No user is
// signed out. A process that gets a cookie under a secret that it does not have yet says
// so ([driver.ErrSealed]) for an hour after that cookie was issued; then no session is
// found for the cookie.
//
// A cookie is sealed with XChaCha20-Poly1305 under a key that HKDF-SHA256 derives
// from the secret for the site; the cookie's name, its time of issue and its expiry
// are authenticated with it. Nothing is compressed: the length of values that are
// compressed together would tell an attacker who can plant one of them about the others.
//
// The cookie is the session's ID, so that it changes with each write, and
// [session.Session.Key] with it. The timeouts are within the seal. To move the
// expiry of a session that is only read, the cookie is set anew; that happens after a
// twentieth of Idle. If such a response was on its way before a sign-in of the same
// browser and arrives after it, it replaces the new cookie, and the user has to sign in
// again; with revocations, the response to a request that arrives after the sign-in sets
// no cookie. A cookie that is not set anew for 400 days expires, whatever the timeouts:
// browsers keep none for longer.
package cookie

import (
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
// methods of the store are safe for concurrent use. The error contains neither dsn nor a secret.
func (Driver) Open(dsn string) (driver.Store, error) {
	o, err := parseDSN(dsn)
	if err != nil {
		return nil, err
	}
	s, err := newStore(o)
	if err != nil && o.Revocations != nil {
		err = errors.Join(err, o.Revocations.Close())
	}
	if err != nil {
		return nil, err
	}
	if s.revoked != nil {
		s.revoked.owned = true
	}
	return s.public(), nil
}

// Options configure a store, as a DSN does.
type Options struct {
	// Secrets seal the cookies: the first seals, all open.
	Secrets []session.Secret

	// Site is bound to the cookies: a cookie of one site opens on no other.
	Site string

	// Revocations keeps the sessions that have ended. Nil if Unrevocable. A
	// [driver.ClientSide] is refused, and a [driver.Lossy] one that can lose writes.
	Revocations driver.Store

	// Unrevocable accepts that a copied cookie can be used after its session has
	// ended. Without Revocations it has to be set.
	Unrevocable bool
}

// New returns a store that is a [driver.ClientSide] and, with revocations, a
// [driver.RenameTracker]; so is the store that its ForCookie returns. Its methods are safe
// for concurrent use. Close leaves o.Revocations open. The error says which option is
// missing or refused.
func New(o Options) (driver.Store, error) {
	s, err := newStore(o)
	if err != nil {
		return nil, err
	}
	return s.public(), nil
}

func newStore(o Options) (*store, error) {
	switch {
	case o.Revocations == nil && !o.Unrevocable:
		return nil, errors.New("cookie: say where sessions that have ended are kept (revocations), or that a copied cookie may be used after its session has ended (unrevocable)")
	case o.Revocations != nil && o.Unrevocable:
		return nil, errors.New("cookie: there are revocations, and it is said to be unrevocable; drop one of them")
	}
	box, err := seal.New("cookie "+o.Site, o.Secrets...)
	if err != nil {
		return nil, fmt.Errorf("cookie: %w", err)
	}
	s := &store{box: box, closed: new(atomic.Bool)}
	if o.Revocations != nil {
		if s.revoked, err = newRevocations(o.Revocations); err != nil {
			return nil, fmt.Errorf("cookie: revocations: %w", err)
		}
	}
	return s, nil
}

// public returns s with the optional interfaces that it can serve.
func (s *store) public() driver.Store {
	if s.revoked != nil {
		return revocable{s}
	}
	return s
}

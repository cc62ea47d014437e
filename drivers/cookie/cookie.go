// Package cookie keeps the whole session in the client's cookie, encrypted and authenticated. The
// server stores at most a small record for each ended session.
//
// Import the package, which registers the driver "cookie", and a driver for the records of ended
// sessions:
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//
//		"gosession.dev/session"
//		_ "gosession.dev/session/drivers/cookie"
//		_ "gosession.dev/session/drivers/sqlite"
//	)
//
//	func main() {
//		sessions, err := session.Open("cookie", "secret_env=SESSION_SECRETS&revocations=sqlite:file:ended.db")
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer sessions.Close()
//		log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
//	}
//
// The DSN consists of parameters, with "&" between them. In a value, write %26 for "&" and %25 for
// "%". One of the three secret parameters is required, and either revocations or unrevocable:
//
//	secret_env   the environment variable that contains the secrets
//	secret_file  the file that contains the secrets
//	secret       a secret; may be given several times
//	revocations  a driver, a colon and its DSN: where the driver records ended sessions, one small
//	             record for each sign-out and each ID change, for 401 days. A request costs one
//	             read there
//	unrevocable  accepts that a copied cookie works after its session has ended; takes no value
//	site         a name that the cookies are bound to, for sites that share secrets
//
// # Secrets
//
// A secret is 32 random bytes in Base64, made by openssl rand -base64 32. Several are separated by
// commas or white space. The first seals new cookies; all of them open cookies. To rotate
// secrets without signing out users, append the new secret in all processes. Then put it first.
// Remove the old one when the longest session under it has expired. Config.Secrets is for
// backends on a server, and can't be combined with this one.
//
// In a process that does not have the secret of a cookie yet, a request with the cookie fails with
// [session.ErrSealed] for one hour after the cookie was issued. After that hour, the process treats
// the cookie as unknown, like one whose secret was removed.
//
// # What the backend can't do
//
//   - Of two concurrent requests that change a session, one loses its change.
//   - It can't list sessions, end all sessions of a user, or limit their number.
//   - A session must fit into one cookie: about 2,900 bytes of data. A write that makes it larger
//     fails with [session.ErrTooLarge], and the client keeps its earlier cookie.
//   - With unrevocable, a copied cookie works until it expires, even after its user signs out.
//   - A store that can lose acknowledged writes ([driver.Lossy]: memory, memcache) is refused for
//     revocations, because an ended session could come back. In tests and development, use a
//     sqlite file.
//
// # The cookie
//
// The driver seals a cookie with XChaCha20-Poly1305 under a key that HKDF-SHA256 derives from the
// secret and the site, and authenticates the cookie's name, its time of issue and its expiry with
// it. It compresses nothing: the length of values that are compressed together would tell an
// attacker who can plant one of them about the others.
//
// The cookie is the session's ID, so the ID and [session.Session.Key] change with each write. The
// timeouts are sealed in the cookie: to move the expiry of a session that is only read, a response
// sets a new cookie, after a twentieth of Idle. If such a response leaves before a sign-in of the
// same browser, and arrives after the response to the sign-in, it replaces the new cookie, and the
// user has to sign in again. With revocations, this can't happen to a request that arrives after
// the sign-in: its response sets no cookie. A cookie that is not set again for 400 days expires,
// whatever the timeouts, because browsers keep none for longer.
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

// Driver opens stores by DSN; see the package comment.
type Driver struct{}

// Open returns a store for dsn. It reads the secrets, opens the store of revocations, and connects
// to nothing. Closing the store closes that of the revocations. The error contains neither dsn nor
// a secret. All methods of the store are safe for concurrent use.
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

// Options configure a store. Secrets are required, and either Revocations or Unrevocable.
type Options struct {
	// Secrets seal the cookies. The first seals new cookies; all of them open cookies.
	Secrets []session.Secret

	// Site is a name that the cookies are bound to: a cookie of one site does not open on another.
	Site string

	// Revocations is the store that records ended sessions; nil if Unrevocable. New refuses a
	// [driver.ClientSide], and a [driver.Lossy] that can lose writes.
	Revocations driver.Store

	// Unrevocable accepts that a copied cookie works after its session has ended. It is
	// required if Revocations is nil.
	Unrevocable bool
}

// New returns a store for [session.Config.New]. It is a [driver.ClientSide] and, with revocations,
// a [driver.RenameTracker]; so is the store that its ForCookie returns. Its methods are safe for
// concurrent use. Close leaves o.Revocations open. The error says which option is missing or
// refused.
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
		return nil, errors.New("cookie: neither revocations nor unrevocable is given; name a store for ended sessions (revocations), or accept that a copied cookie works after its session has ended (unrevocable)")
	case o.Revocations != nil && o.Unrevocable:
		return nil, errors.New("cookie: both revocations and unrevocable are given; drop one of them")
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

// public returns s, with a RenameTracker if it has revocations.
func (s *store) public() driver.Store {
	if s.revoked != nil {
		return revocable{s}
	}
	return s
}

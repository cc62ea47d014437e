// Package driver defines the contract between package session and its backends.
//
// Applications do not import this package. They import package session and, blank, the
// driver of the backend that they use. Package driver is for authors of drivers. It
// imports only the standard library, so it adds no dependency to a driver.
//
// # Writing a driver
//
// A driver is a package with a type that implements [Driver], and an init function that
// registers it:
//
//	package files
//
//	import (
//		"gosession.dev/session"
//		"gosession.dev/session/driver"
//	)
//
//	func init() { session.Register("files", Driver{}) }
//
//	// Driver opens stores that keep each record in a file of one directory.
//	type Driver struct{}
//
//	func (Driver) Open(dsn string) (driver.Store, error)
//
// Most of the work is in [Store]: seven methods and Close. Most faults of session
// backends are in three places, and the contract is strict there:
//
//   - Flush and ChangeID are conditional: they write only over the version that the
//     caller has read, and they never insert. So two tabs do not lose each other's
//     writes, and an ended session does not come back.
//   - Expired means absent, in every method, whether or not the backend has removed the
//     record yet.
//   - [ErrNotFound] means that there is no record. If the store can't find out whether
//     there is a record, it returns another error, and never ErrNotFound: otherwise an
//     outage signs all users out.
//
// A store shows what else its backend can do by implementing optional interfaces:
// [Toucher], [Pinger], [SubjectLister], [SubjectDestroyer], [ClientSide],
// [RenameTracker], [Lossy]. Package session looks for them once, when a factory is made.
// The comment of each interface says what happens without it. Declare each interface
// beside the type, so that the compiler reports a method whose signature is wrong:
//
//	var _ driver.Pinger = (*store)(nil)
//
// A store whose backend has keys and values but no columns can keep a whole record in
// one value, with [AppendEnvelope] and [ParseEnvelope].
//
// # Testing a driver
//
// Package drivertest checks the contract. Each sentence that says "must", here and in
// the comments of the methods, has a check there, which finds most ways to break it. A check
// that fails prints its sentence. This is a complete test:
//
//	func TestConformance(t *testing.T) {
//		drivertest.Run(t, drivertest.Target{
//			Driver: files.Driver{},
//			DSN:    func(t testing.TB) string { return t.TempDir() },
//		})
//	}
//
// The folder examples/filedriver of the repository has such a driver, of fewer than 300
// lines, to read beside this page.
//
// # Rules for all methods
//
// These rules apply to every method of [Store] and of the optional interfaces. The
// comments of the methods do not repeat them.
//
// Goroutines: all methods are safe for concurrent use. A store holds no lock, connection
// or cursor while the caller's code runs between two elements of a sequence: the caller
// must be able to call any method there.
//
// Context: if its context is done, a method must return an error for which
// errors.Is(err, ctx.Err()) holds, and must not write. A method that waits for the
// backend returns when its context is done. If the context ends during a write, the
// method returns the context's error and leaves the record as it was given; whether the
// write has taken effect is not known. If the context is done between two elements of a
// sequence, the sequence must yield the context's error and end.
//
// Loops: a method that tries again (after a taken key, a lost race, a busy server) must
// check its context in each round, and gives up after a round that has changed nothing,
// with an error that names the cause.
//
// Consistency: every call must see the effects of all calls that returned before it
// began, through any store of the same DSN. A store reads neither from replicas that lag
// behind nor from a cache. A backend that can lose acknowledged writes says so at the top
// of its package comment, and its store implements [Lossy].
//
// Expiry: the store's clock decides what has expired. Target.Resolution of package
// drivertest says how far that clock may be from the caller's.
//
// Corrupt records: if the value under a key can't be parsed, Retrieve, Flush, ChangeID
// and Touch must return [ErrCorrupt] and leave the value as it is. If r.Key holds a corrupt
// value, Create and ChangeID must return [ErrExists] and leave the value as it is.
// Destroy must remove a corrupt record. Listings must leave a corrupt record out. A
// corrupt record must not make a listing, DeleteExpired, DestroySubject or Ping fail.
//
// Answers: a record that is returned must be the record of the key that was asked for. An
// answer about another key is an outage, and the store does not use its connection again.
// The answer to an abandoned call must not reach a later call. A write that is sent again,
// by the store or its client library, because the first answer was lost, must not fail with
// ErrExists, ErrConflict or ErrNotFound because of its own first attempt.
//
// Leftovers: once DeleteExpired has run, the backend must keep nothing of a record that has
// ended, in no index either, but its mark and one item for each call of DestroySubject.
//
// Restarts: when the backend has been down and is back, the store must work again: it
// connects again, and prepares again what a restart has lost (statements, scripts).
//
// Bytes: a store must neither keep nor alias the Data and Meta of a record that it is
// given; the Data and Meta of a record that it returns belong to the caller. In a record
// that it is given, a store must change only Version (a [ClientSide] store also Key), and
// only on success.
//
// Close: after Close every other method must fail with [ErrClosed]. A call that is in
// progress when Close is called either finishes or fails, with ErrClosed or the backend's
// error; it never panics.
//
// Errors: a store returns the errors of this package, bare or wrapped, and the errors of
// its backend as they are; package session adds the operation. No error may contain a
// session ID, a record's data or a DSN: a DSN may hold a password. Keys are not secret: a
// key is a hash, and no client gets into a session with it. A store that is printed, with
// any verb, must show neither data nor a DSN.
//
// Package session guarantees in return: keys have 1 to 64 characters of the URL-safe
// Base64 alphabet (A-Z a-z 0-9 - _), and case matters; Meta is under 1 KB; Subject is
// valid UTF-8 of at most 255 bytes without NUL; Created and Expires are in UTC and whole
// milliseconds, and Expires is in the future when a record reaches a store.
package driver

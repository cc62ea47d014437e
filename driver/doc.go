// Package driver is the contract between package session and a backend.
//
// Applications do not import it; they import package session and, blank, the
// backend that they want. It is for authors of backends, and it imports nothing but
// the standard library, so that a backend drags nothing in either.
//
// # Writing a driver
//
// A driver is a package with a type that implements [Driver], and an init
// function that registers it:
//
//	package files
//
//	import "gosession.dev/session"
//
//	func init() { session.Register("files", Driver{}) }
//
//	// Driver opens stores that keep each record in a file of one directory.
//	type Driver struct{}
//
//	func (Driver) Open(dsn string) (driver.Store, error)
//
// The work is in [Store]: seven methods and Close. Most of what goes wrong in
// session backends goes wrong in three places, and the contract is strict there:
//
//   - Flush and ChangeID are conditional. They write only over the version that
//     the caller has read, and they never insert. That is what keeps two tabs
//     from losing each other's write, and an ended session from coming back.
//   - Expired means absent, in every method, whether or not the backend has
//     removed the record yet.
//   - [ErrNotFound] is for a record that is not there. Everything that keeps the
//     store from knowing is another error, and never ErrNotFound: otherwise an
//     outage signs everybody out.
//
// What a backend can do beyond that it says by implementing an optional
// interface: [Toucher], [Pinger], [SubjectLister], [SubjectDestroyer],
// [ClientSide], [RenameTracker], [Lossy]. Package session asks for each once, when a
// factory is made, and does without where the comment of the interface says how.
// Declare each where the type is, so that the compiler notices when a changed
// signature loses it:
//
//	var _ driver.Pinger = (*store)(nil)
//
// A backend that stores bytes under a key, without columns, can keep a whole
// record in one value with [AppendEnvelope] and [ParseEnvelope].
//
// # Proving it
//
// Package drivertest checks the contract. Every sentence here and in the
// comments of the methods that says "must" has a check there, and a check that
// fails prints its sentence. This is the whole test:
//
//	func TestConformance(t *testing.T) {
//		drivertest.Run(t, drivertest.Target{
//			Driver: files.Driver{},
//			DSN:    func(t testing.TB) string { return t.TempDir() },
//		})
//	}
//
// The package examples/filedriver of this module is such a driver, in some 200
// lines, to be read beside this page.
//
// # Rules for all methods
//
// They hold for the methods of [Store] and of the optional interfaces alike, and
// are not repeated there.
//
// Goroutines: all methods are safe for concurrent use. No lock, connection or
// cursor is held while a caller's code runs between two elements of a sequence:
// the caller must be able to call any method from there.
//
// Context: a method whose context is done must return an error for which
// errors.Is(err, ctx.Err()) holds, and must not write. A method that waits for
// the backend returns when its context is done. If the context ends while a write is
// under way, the method returns the context's error, the outcome is not known, and
// the record is left as it was given. Between two elements of a sequence a context
// that is done must yield its error, and nothing follows.
//
// Loops: a method that tries again (a taken key, a lost race, a busy server) looks
// at its context in each round, and gives up with an error that names the cause
// after a round that has changed nothing.
//
// Consistency: every call must see what calls that returned before it have done,
// through whichever store of one DSN. A store reads neither from replicas that lag
// behind nor from a cache. A backend that can lose writes that it has acknowledged
// says so at the top of its package comment, and implements [Lossy].
//
// Expiry: the store's clock decides what has expired; Target.Resolution of package
// drivertest is how far it may be from the caller's.
//
// Corrupt records: if what is stored under a key can't be parsed, Retrieve, Flush,
// ChangeID and Touch return [ErrCorrupt] and leave it, Create returns [ErrExists],
// Destroy removes it, and listings leave it out. An answer about another key than
// the one that was asked for is an outage, and its connection is not used again.
//
// Bytes: a store must neither keep nor alias the Data and Meta of a record that
// it is given, and those of a record that it returns belong to the caller. Of a
// record that it is given it must change nothing but Version, and that only on
// success.
//
// Close: after Close every method must fail with [ErrClosed]. Calls that Close
// overtakes either finish or fail with ErrClosed or with the backend's error;
// they never panic.
//
// Errors: a store returns the sentinels of this package, bare or wrapped, and
// the errors of its backend as they are; package session adds what it was doing.
// No error may contain a key's ID, a record's data or a DSN, for DSNs hold
// passwords. Keys are no secret: they are hashes, and admit no client.
//
// What package session guarantees in return: keys are 1 to 64 characters of the
// URL-safe Base64 alphabet (A-Z a-z 0-9 - _) and differ by case; Meta is under
// 1 KB; Subject is valid UTF-8 of at most 255 bytes without NUL; Created and
// Expires are in UTC, in whole milliseconds, and Expires is in the future when a
// record reaches a store.
package driver

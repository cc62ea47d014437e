// Package session keeps server-side sessions for web applications, in the manner
// of database/sql: a backend registers itself when it is imported, and the
// application names it and its data source with two strings.
//
//	import (
//		"gosession.dev/session"
//		_ "gosession.dev/session/drivers/sqlite"
//	)
//
//	sessions, err := session.Open("sqlite", "file:sessions.db")
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer sessions.Close()
//	if err := sessions.Ping(ctx); err != nil {
//		log.Fatal(err)
//	}
//	http.ListenAndServe(addr, sessions.Handler(mux))
//
// # In a handler
//
// [FromContext] returns the session of the request. The store is read then, not
// before; a handler that does not ask costs nothing, and an empty session is never
// stored.
//
//	func visit(w http.ResponseWriter, r *http.Request) {
//		s, err := session.FromContext(r.Context())
//		if err != nil {
//			return // the store failed; Config.OnError answers
//		}
//		err = session.Update(s, "visits", func(n int) int { return n + 1 })
//		...
//		n, err := session.Get[int](s, "visits")
//		fmt.Fprintln(w, "visits:", n)
//	}
//
// Values are encoded when they are set and decoded when they are read. [Get]
// reads one, [Session.Set] writes one, [Pop] reads and removes one, and [Update]
// is for those that depend on what was there before.
//
// # Signing in and out
//
// Call [Session.SignIn] after authenticating a user. It also changes the session ID.
// [Session.Destroy] signs out. [Factory.SubjectSessions] lists the sessions of a user,
// [Factory.Revoke] ends one of them, and [Factory.DestroySubject] ends all.
//
// # What is promised
//
// On every backend that keeps sessions on the server:
//
//   - No update is lost. Two requests that change different values both survive;
//     requests that [Update] the same value do so one after the other.
//   - No ended session comes back. What a request in flight writes to a session
//     that was destroyed, has expired or has got another ID, is dropped.
//   - No outage looks like a logout. [ErrNotFound] means that there is no such
//     session. A store that fails, or does not answer within
//     [Config].StoreTimeout, is another error.
//   - Nothing is written without a reason. A session that is not used costs no
//     call of the store, one that is read a single one.
//   - No ID is adopted that the store does not know, and a stored key is no ID:
//     stores and logs see only the hash of an ID.
//
// Package driver says what a backend has to do for this, and package drivertest checks
// that it does.
package session

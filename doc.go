// Package session keeps the state of a web application's users on the server: who has
// signed in, a cart, a message for the next page. It is to sessions what database/sql is to
// databases. A backend registers itself when it is imported, and the application opens it
// with two strings:
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//		"log"
//		"net/http"
//
//		"gosession.dev/session"
//		_ "gosession.dev/session/drivers/sqlite"
//	)
//
//	func main() {
//		sessions, err := session.Open("sqlite", "file:sessions.db")
//		if err != nil {
//			log.Fatal(err)
//		}
//		if err := sessions.Ping(context.Background()); err != nil { // Open does not connect
//			log.Fatal(err)
//		}
//		http.HandleFunc("GET /{$}", sessions.HandlerFunc(visit))
//		log.Fatal(http.ListenAndServe("localhost:8080", nil))
//	}
//
//	func visit(w http.ResponseWriter, r *http.Request, s *session.Session) error {
//		if err := session.Update(s, "visits", func(n int) int { return n + 1 }); err != nil {
//			return err
//		}
//		n, err := session.Get[int](s, "visits")
//		if err != nil {
//			return err
//		}
//		_, err = fmt.Fprintln(w, "visits:", n)
//		return err
//	}
//
// # In a handler
//
// [Factory.HandlerFunc] calls a function with the session of the request, and stores the
// changes before the first byte of the response leaves. If the function returns an error,
// the changes are dropped, and [Config].OnError answers.
//
// For handlers of another form, wrap the application in [Factory.Handler] and call
// [FromContext]. There the changes are stored whatever the status of the response is: a
// handler that calls [Session.Set] and answers 500 has stored the value. Call
// [Session.Discard] to drop them.
//
// A request that does not ask for its session costs nothing. A new session
// is stored, and sets its cookie, only when it has content.
//
// # Overview
//
//   - Opening: [Open], [Config.Open] and [Config.New] make a [Factory]; [Factory.Ping]
//     connects to the store; [Factory.Close] closes it.
//   - Registering a backend: [Register], [Drivers], and package driver.
//   - Serving: [Factory.Handler], [Factory.HandlerFunc], [FromContext], [NewContext].
//   - Values: [Get], [Session.Set], [Update], [Pop], [Take], [Session.Has],
//     [Session.Names], [Session.Delete], [Session.Clear], [Codec].
//   - Signing in and out: [Session.SignIn] after authenticating a user, which also changes
//     the ID; [Factory.BeginSignIn], [Session.RequireRecent], [Session.ChangeID],
//     [Session.SetTimeouts]; [Session.Destroy] signs out.
//   - The request: [Session.Flush], [Session.Discard], [Session.Lapsed],
//     [Session.Overtaken], [Session.StayIdle], [Session.Context], [Factory.Forget].
//   - The sessions of a subject, which is a user: [Factory.SubjectSessions] lists them,
//     [Factory.Revoke] ends one, [Session.DestroyOthers] ends all but the session of the
//     request, [Factory.DestroySubject] ends all.
//   - Operating: [Factory.Stats], [Event], [Factory.Sessions], [Factory.Inspect],
//     [Factory.Destroy], [Factory.DeleteExpired], [Factory.Reseal], [Secret].
//   - Errors: [ErrNotFound] and the variables beside it.
//
// # Guarantees
//
// With every backend that keeps sessions on a server:
//
//   - No update is lost. If two requests change different values of a session, both changes
//     are stored. If they [Update] the same value, the result is as if
//     one had run after the other.
//   - An ended session never comes back. If a session is destroyed, expires or gets another
//     ID while a request is in flight, the changes of that request are dropped.
//   - An outage does not look like a sign-out. [ErrNotFound] means that there is no such
//     session. If the store fails, or does not answer within [Config].StoreTimeout, the error
//     matches [ErrUnavailable].
//   - The store is called only when it has to be. A request that does not use its session
//     makes no call. A request that only reads it makes one call, and now and then another
//     that moves the expiry.
//   - An ID that the store does not know is never adopted (session fixation). Stores and
//     logs see only the hash of an ID, which can't be used as an ID.
//
// Package driver is the contract for backends, and package drivertest checks that a backend
// keeps it.
package session

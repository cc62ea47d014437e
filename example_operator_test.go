package session_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
)

// An audit log records sign-ins, and why sessions have ended. An event never contains an ID.
func ExampleConfig_onEvent() {
	sessions, err := session.Config{OnEvent: func(ctx context.Context, e session.Event) {
		// slog.InfoContext(ctx, "session", "event", e) logs all of it.
		fmt.Printf("%s: user %q, reason %q\n", e.Kind, e.Subject, e.Reason)
	}}.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	ctx := context.Background()
	s, err := sessions.Create(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(s.SignIn(ctx, "user:42"), s.Flush(ctx), s.Destroy(ctx)); err != nil {
		log.Fatal(err)
	}
	// Output:
	// created: user "", reason ""
	// signed in: user "user:42", reason ""
	// ended: user "user:42", reason "signed out"
}

func ExampleFactory_Stats() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	ctx := context.Background()
	s, err := sessions.Create(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(s.SignIn(ctx, "user:42"), s.Flush(ctx)); err != nil {
		log.Fatal(err)
	}
	stats := sessions.Stats()
	fmt.Println("created:", stats.Created, "conflicts:", stats.Conflicts)
	fmt.Println("calls of ChangeID:", stats.Calls["ChangeID"].Count())
	// Output:
	// created: 1 conflicts: 0
	// calls of ChangeID: 1
}

// A handler of a monitoring system writes all counts.
func ExampleStats_Counters() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	if _, err := sessions.Create(context.Background()); err != nil {
		log.Fatal(err)
	}
	for name, n := range sessions.Stats().Counters() {
		if n > 0 {
			fmt.Printf("session_%s_total %d\n", name, n)
		}
	}
	// Output: session_created_total 1
}

// A job deletes the expired sessions of a fleet, whose processes do not sweep themselves.
// In this example the clock is advanced by two hours.
func ExampleFactory_DeleteExpired() {
	now := time.Now
	clock := func() time.Time { return now() }
	sessions, err := session.Config{SweepInterval: -1, Now: clock}.New(memory.New(memory.Options{Now: clock}))
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	ctx := context.Background()
	if _, err := sessions.Create(ctx); err != nil {
		log.Fatal(err)
	}
	now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	fmt.Println(sessions.DeleteExpired(ctx))
	// Output: 1 <nil>
}

// An operator looks at the users and the values of all sessions.
func ExampleFactory_Inspect() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	ctx := context.Background()
	s, err := sessions.Create(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(s.Set("cart", []string{"apples"}), s.SignIn(ctx, "user:42"), s.Flush(ctx)); err != nil {
		log.Fatal(err)
	}
	for key, err := range sessions.Sessions(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		info, values, err := sessions.Inspect(ctx, key)
		if errors.Is(err, session.ErrNotFound) {
			continue // it has ended meanwhile
		}
		fmt.Printf("%s %s %v\n", info.Subject, values["cart"], err)
	}
	// Output: user:42 ["apples"] <nil>
}

// An operator counts the live sessions.
func ExampleFactory_Sessions() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	ctx := context.Background()
	for range 3 {
		if _, err := sessions.Create(ctx); err != nil {
			log.Fatal(err)
		}
	}
	n := 0
	for _, err := range sessions.Sessions(ctx) {
		if err != nil {
			log.Fatal(err) // errors.ErrUnsupported: the store can't list
		}
		n++
	}
	fmt.Println(n, "sessions")
	// Output: 3 sessions
}

// An operator ends a session whose key is in a log.
func ExampleFactory_Destroy() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	ctx := context.Background()
	s, err := sessions.Create(ctx)
	if err != nil {
		log.Fatal(err)
	}
	key := s.Key() // logs may have it; it gives no access to the session
	fmt.Println(sessions.Destroy(ctx, key))
	fmt.Println(sessions.Destroy(ctx, key))
	// Output:
	// <nil>
	// session: destroy: session not found
}

package memory_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
)

// Two factories over the same name share their sessions.
func Example() {
	ctx := context.Background()
	a, err := session.Open("memory", "example?max_sessions=1000")
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	b, err := session.Open("memory", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	s, err := a.Create(ctx)
	if err != nil {
		log.Fatal(err)
	}
	same, err := b.Retrieve(ctx, s.ID())
	fmt.Println(same.ID().Reveal() == s.ID().Reveal(), err)
	// Output: true <nil>
}

// A full store refuses new sessions, and keeps the existing ones.
func ExampleNew() {
	ctx := context.Background()
	sessions, err := session.Config{}.New(memory.New(memory.Options{MaxSessions: 1}))
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	s, err := sessions.Create(ctx)
	if err != nil {
		log.Fatal(err)
	}
	_, err = sessions.Create(ctx)
	fmt.Println(errors.Is(err, session.ErrUnavailable))
	_, err = sessions.Retrieve(ctx, s.ID())
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

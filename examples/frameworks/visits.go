package main

import (
	"context"
	"fmt"

	"gosession.dev/session"
)

// visit adds a visit to the session of ctx, and returns a text with their number.
func visit(ctx context.Context) (string, error) {
	s, err := session.FromContext(ctx)
	if err != nil {
		return "", err
	}
	if err := session.Update(s, "visits", func(n int) int { return n + 1 }); err != nil {
		return "", err
	}
	visits, err := session.Get[int](s, "visits")
	return fmt.Sprintf("%d visits of %q\n", visits, s.Subject()), err
}

// signIn signs the user in to the session of ctx. A real application checks the password
// first.
func signIn(ctx context.Context, user string) error {
	s, err := session.FromContext(ctx)
	if err != nil {
		return err
	}
	return s.SignIn(ctx, user)
}

// signOut ends the session of ctx.
func signOut(ctx context.Context) error {
	s, err := session.FromContext(ctx)
	if err != nil {
		return err
	}
	return s.Destroy(ctx)
}

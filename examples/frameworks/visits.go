package main

import (
	"context"
	"fmt"

	"gosession.dev/session"
)

// visit counts a visit to the session of ctx, and says how many there were.
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

// signIn says whose the session of ctx is, after the password was checked.
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

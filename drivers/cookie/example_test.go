package cookie_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"gosession.dev/session"
	"gosession.dev/session/drivers/cookie"
	_ "gosession.dev/session/drivers/memory"
)

// A process seals sessions under the first secret and opens them under any, so a site can change
// its secret without signing out users. Applications name the secrets in the DSN
// (secret_env=SESSION_SECRETS), or read them as here.
func ExampleNew() {
	// A site makes secrets by "openssl rand -base64 32" and keeps them secret.
	const (
		oldSecret = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
		newSecret = "YWJjZGVmZ2hpamFiY2RlZmdoaWphYmNkZWZnaGlqYWI="
	)
	open := func(secrets string) *session.Factory {
		parsed, err := session.ParseSecrets(secrets)
		if err != nil {
			log.Fatal(err)
		}
		// In production, set Revocations rather than Unrevocable, so that a copied cookie does
		// not work after its user has signed out.
		store, err := cookie.New(cookie.Options{Secrets: parsed, Unrevocable: true})
		if err != nil {
			log.Fatal(err)
		}
		sessions, err := session.Config{}.New(store)
		if err != nil {
			log.Fatal(err)
		}
		return sessions
	}
	before := open(oldSecret)
	defer before.Close()
	appended := open(oldSecret + "," + newSecret) // step 1, in all processes
	defer appended.Close()
	rotated := open(newSecret + "," + oldSecret) // step 2, in all processes
	defer rotated.Close()
	after := open(newSecret) // step 3, when the longest session under oldSecret has expired
	defer after.Close()

	// A session that began before the rotation.
	ctx := context.Background()
	s, err := before.Create(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Set("user", "ada"); err != nil {
		log.Fatal(err)
	}
	if err := s.Flush(ctx); err != nil {
		log.Fatal(err)
	}

	// It opens at step 2, and the next write seals it under the new secret.
	s, err = rotated.Retrieve(ctx, s.ID())
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Set("visits", 1); err != nil {
		log.Fatal(err)
	}
	if err := s.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	s, err = after.Retrieve(ctx, s.ID())
	if err != nil {
		log.Fatal(err)
	}
	user, err := session.Get[string](s, "user")
	fmt.Println(user, err)

	// A process at step 1 opens what a process at step 2 has sealed.
	_, err = appended.Retrieve(ctx, s.ID())
	fmt.Println(err)
	// Output:
	// ada <nil>
	// <nil>
}

// A backend on a server does not seal sessions itself: Config.Secrets does. The secrets are of the
// same form and change in the same steps, and Factory.Reseal shortens the last step. Config.Secrets
// can't be combined with a cookie store.
func Example_serverSide() {
	const (
		oldSecret = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
		newSecret = "YWJjZGVmZ2hpamFiY2RlZmdoaWphYmNkZWZnaGlqYWI="
	)
	open := func(secrets string) *session.Factory {
		parsed, err := session.ParseSecrets(secrets)
		if err != nil {
			log.Fatal(err)
		}
		sessions, err := session.Config{Secrets: parsed}.Open("memory", "sealed")
		if err != nil {
			log.Fatal(err)
		}
		return sessions
	}
	before := open(oldSecret)
	defer before.Close()
	rotated := open(newSecret + "," + oldSecret)
	defer rotated.Close()
	after := open(newSecret)
	defer after.Close()

	ctx := context.Background()
	s, err := before.Create(ctx)
	if err != nil {
		log.Fatal(err)
	}
	_, err = after.Retrieve(ctx, s.ID())
	fmt.Println("sealed under the old secret:", errors.Is(err, session.ErrSealed))

	n, err := rotated.Reseal(ctx) // seals all sessions under the new secret
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("resealed:", n)
	_, err = after.Retrieve(ctx, s.ID())
	fmt.Println(err)
	// Output:
	// sealed under the old secret: true
	// resealed: 1
	// <nil>
}

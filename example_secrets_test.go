package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"

	"gosession.dev/session"
	"gosession.dev/session/drivers/memory"
)

// The store contains neither the values nor their names in plain text.
func ExampleConfig_secrets() {
	store := memory.New(memory.Options{})
	secrets, err := session.ParseSecrets("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=") // openssl rand -base64 32
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.Config{Secrets: secrets}.New(store)
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	ctx := context.Background()
	s, err := sessions.Create(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(s.Set("diagnosis", "hay fever"), s.Flush(ctx)); err != nil {
		log.Fatal(err)
	}
	stored, err := store.Retrieve(ctx, string(s.Key()))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bytes.Contains(stored.Data, []byte("hay fever")), bytes.Contains(stored.Data, []byte("diagnosis")))
	// Output: false false
}

// The secrets are where the password of the database is, here in the environment.
func ExampleParseSecrets() {
	secrets, err := session.ParseSecrets(os.Getenv("SESSION_SECRETS"))
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.Config{Secrets: secrets}.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
}

// To change the secret of a fleet, append the new one in all processes, then put it in front,
// and then call Reseal. After that the old one can go.
func ExampleFactory_Reseal() {
	before, err1 := session.NewSecret(bytes.Repeat([]byte{1}, 32)) // in a program, random bytes
	after, err2 := session.NewSecret(bytes.Repeat([]byte{2}, 32))
	if err := errors.Join(err1, err2); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for step, secrets := range [][]session.Secret{{before}, {before, after}, {after, before}, {after}} {
		sessions, err := session.Config{Secrets: secrets}.Open("memory", "rotation")
		if err != nil {
			log.Fatal(err)
		}
		defer sessions.Close()
		if step == 0 {
			if _, err := sessions.Create(ctx); err != nil {
				log.Fatal(err)
			}
		}
		n, err := sessions.Reseal(ctx)
		fmt.Println("sealed anew:", n, err)
	}
	// Output:
	// sealed anew: 0 <nil>
	// sealed anew: 0 <nil>
	// sealed anew: 1 <nil>
	// sealed anew: 0 <nil>
}

// The secret of a session is lost, and the session can't be opened any more. Its user gets
// rid of it by a route outside of Factory.Handler.
func ExampleFactory_Forget() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /forget", func(w http.ResponseWriter, r *http.Request) {
		if err := sessions.Forget(w, r); err != nil {
			http.Error(w, "Please try again in a minute.", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
}

// Any client that has an ID has access to the session, so printing shows nothing of it. Log its
// key instead.
func ExampleID() {
	id := session.NewID("what-a-client-has-sent")
	fmt.Printf("%v %+v\n", id, struct{ ID session.ID }{id})
	fmt.Println(id.Reveal())
	// Output:
	// session.ID(hidden) {ID:session.ID(hidden)}
	// what-a-client-has-sent
}

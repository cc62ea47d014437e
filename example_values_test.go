package session_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"gosession.dev/session"
)

// Get returns the zero value, and no error, for a name without a value.
func ExampleGet() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	handler := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		cart, err := session.Get[[]string](s, "cart")
		if err != nil {
			return err // the value is of another type, for instance
		}
		fmt.Fprintln(w, len(cart), s.Has("cart"))
		return nil
	})
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequest("GET", "/", nil))
	fmt.Print(w.Body)
	// Output: 0 false
}

// Set encodes the value, and Get decodes it, so each has a copy of its own.
func ExampleSession_Set() {
	type Address struct{ Street, City string }
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	handler := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := s.Set("address", Address{r.FormValue("street"), r.FormValue("city")}); err != nil {
			return err
		}
		stored, err := session.Get[Address](s, "address")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, stored.City)
		return err
	})
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequest("POST", "/?street=12+St+James%27s+Square&city=London", nil))
	fmt.Print(w.Body)
	// Output: London
}

func ExampleSession_Delete() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	handler := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := errors.Join(s.Set("cart", "apples"), s.Set("language", "en")); err != nil {
			return err
		}
		if err := s.Delete("cart"); err != nil {
			return err
		}
		_, err := fmt.Fprintln(w, s.Names())
		return err
	})
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequest("POST", "/cart/empty", nil))
	fmt.Print(w.Body)
	// Output: [language]
}

// A flash message: the handler of a form sets it and redirects, and the next page shows it
// once.
func ExamplePop() {
	sessions, err := session.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	send := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		if err := s.Set("message", "Your order has been sent."); err != nil {
			return err
		}
		http.Redirect(w, r, "/", http.StatusSeeOther) // after Set: the header leaves here
		return nil
	})
	show := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		message, err := session.Pop[string](s, "message")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%q ", message)
		return err
	})
	w := httptest.NewRecorder()
	send(w, httptest.NewRequest("POST", "/send", nil))
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	for range 2 {
		w := httptest.NewRecorder()
		show(w, r)
		fmt.Print(w.Body)
	}
	// Output: "Your order has been sent." ""
}

// Two requests update one value at the same time, and neither change is lost.
func ExampleUpdate() {
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
	first, err1 := sessions.Retrieve(ctx, s.ID()) // Factory.Handler does this for a request
	second, err2 := sessions.Retrieve(ctx, s.ID())
	if err := errors.Join(err1, err2); err != nil {
		log.Fatal(err)
	}
	for _, request := range []*session.Session{first, second} {
		if err := session.Update(request, "cart", func(n int) int { return n + 1 }); err != nil {
			log.Fatal(err)
		}
	}
	if err := errors.Join(first.Flush(ctx), second.Flush(ctx)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.Get[int](second, "cart"))
	// Output: 2 <nil>
}

// A voucher can be redeemed once. If two requests take it at the same time, on any servers,
// only one gets it.
func ExampleTake() {
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
	if err := errors.Join(s.Set("voucher", "SPRING"), s.Flush(ctx)); err != nil {
		log.Fatal(err)
	}
	first, err1 := sessions.Retrieve(ctx, s.ID()) // Factory.Handler does this for a request
	second, err2 := sessions.Retrieve(ctx, s.ID())
	if err := errors.Join(err1, err2); err != nil {
		log.Fatal(err)
	}
	for _, request := range []*session.Session{first, second} {
		voucher, err := session.Take[string](ctx, request, "voucher")
		fmt.Printf("%q, too late: %t\n", voucher, errors.Is(err, session.ErrNoValue))
	}
	// Output:
	// "SPRING", too late: false
	// "", too late: true
}

// Gob encodes types that JSON can't, such as maps whose keys are structs.
func ExampleConfig_codecs() {
	type square struct{ File, Rank int }
	sessions, err := session.Config{Codecs: []session.Codec{session.Gob}}.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	s, err := sessions.Create(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Set("board", map[square]string{{5, 1}: "king"}); err != nil {
		log.Fatal(err)
	}
	board, err := session.Get[map[square]string](s, "board")
	fmt.Println(board[square{5, 1}], err)
	// Output: king <nil>
}

// A session that is too large is not stored, and Config.OnError answers 413.
func ExampleConfig_maxSize() {
	sessions, err := session.Config{MaxSize: 1000}.Open("memory", "")
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	handler := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request, s *session.Session) error {
		return s.Set("note", r.FormValue("note"))
	})
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequest("POST", "/?note="+strings.Repeat("x", 2000), nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 413 Request Entity Too Large
}

// A job goes on after its request has been answered. It flushes the session itself, and stops
// if the session has ended.
func ExampleSession_Flush() {
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
	progress := func(percent int) error {
		if err := s.Set("progress", percent); err != nil {
			return err
		}
		return s.Flush(ctx)
	}
	fmt.Println(progress(50))
	if err := sessions.Destroy(ctx, s.Key()); err != nil { // another request signs out
		log.Fatal(err)
	}
	fmt.Println(errors.Is(progress(100), session.ErrNotFound))
	// Output:
	// <nil>
	// true
}

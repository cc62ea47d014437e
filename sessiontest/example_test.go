package sessiontest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gosession.dev/session"
	"gosession.dev/session/sessiontest"
)

// The test of the package's comment.
func TestCheckout(t *testing.T) {
	checkout := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.FromContext(r.Context())
		if err == nil && s.Subject() == "" {
			http.Error(w, "sign in", http.StatusUnauthorized)
		}
	})
	f := sessiontest.New(t)
	handler := f.Handler(checkout)
	status := func(r *http.Request) int {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}

	r := httptest.NewRequest("POST", "/checkout", nil)
	r.AddCookie(sessiontest.Login(t, f, map[string]any{"cart": []string{"apple"}}))
	if got := status(r); got != http.StatusOK {
		t.Errorf("signed in: %d", got)
	}
	f.Store.Inject(sessiontest.Fault{Calls: []string{"Retrieve"}, Err: sessiontest.ErrOutage})
	if got := status(r); got != http.StatusServiceUnavailable {
		t.Errorf("while the store is down: %d", got)
	}
	f.Store.Heal()
	f.Clock.Advance(2 * time.Hour)
	if got := status(r); got != http.StatusUnauthorized {
		t.Errorf("two hours later: %d", got)
	}
}

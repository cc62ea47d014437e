package session

import (
	"errors"
	"net/http"
)

// Forget ends the sessions that the cookies of a request name, four at most, without
// opening them, and has the response clear the cookie: a way out for a user whose session
// can't be read, see [ErrSealed]. Call it outside of [Factory.Handler], or from
// [Config].OnError. If the store fails, the cookie is left, and Forget can be tried
// again. Sessions that are kept in cookies and can't be opened are only forgotten.
func (f *Factory) Forget(w http.ResponseWriter, r *http.Request) error {
	tried := 0
	for value := range cookieValues(r.Header, f.cfg.Cookie.Name) {
		id := ID(value)
		if !f.isWellFormed(id) {
			continue
		}
		if tried++; tried > maxCookies {
			break
		}
		ended, err := f.end(r.Context(), f.storeKey(id))
		switch {
		case err == nil:
			f.tell(r.Context(), Event{Kind: EventEnded, Key: f.keyOf(ended), Reason: ReasonSignedOut})
		case errors.Is(err, ErrNotFound), f.inCookie && errors.Is(err, ErrSealed):
		default:
			return wrap("forget", err)
		}
	}
	sendCookie(w.Header(), f.expiredCookie())
	return nil
}

package drivertest

import (
	"errors"
	"strings"

	"gosession.dev/session/driver"
)

var clientSideChecks = []check{
	{name: "ClientSide/AnotherName", needs: ClientSide, in: "ClientSide.ForCookie",
		rule: "A token must not be found for another name.", fn: clientSideAnotherName},
	{name: "ClientSide/TooLarge", needs: ClientSide, in: "ClientSide.ForCookie",
		rule: "The token and the name together must have at most 4,096 bytes, which is what browsers keep " +
			"(RFC 6265bis, 5.7); if they are longer, the error is ErrTooLarge and r is left as it is.", fn: clientSideTooLarge},
}

func clientSideAnotherName(t *trial) {
	s := t.open()
	r := t.record()
	s.create(r, nil)
	other := s.Store.(driver.ClientSide).ForCookie("another")
	_, err := other.Retrieve(t.ctx, r.Key)
	t.expect(err, driver.ErrNotFound, "Retrieve(token) for another name")
	t.expect(other.Destroy(t.ctx, r.Key), driver.ErrNotFound, "Destroy(token) for another name")
	s.holds(r)
}

// The store decides which size fits, as long as the cookie keeps to the limit.
func clientSideTooLarge(t *trial) {
	const limit = 4096
	s := t.open()
	fits := t.record()
	s.create(fits, nil)
	for size := 2000; size < limit; size++ {
		r := t.record()
		r.Data = []byte(strings.Repeat("x", size))
		key := r.Key
		switch err := s.Store.Create(t.ctx, r); {
		case err == nil && len(cookieName)+len(r.Key) > limit:
			t.Fatalf("Create with %d bytes of data makes a cookie of %d bytes; want at most %d, or ErrTooLarge", size, len(cookieName)+len(r.Key), limit)
		case err != nil && !errors.Is(err, driver.ErrTooLarge):
			t.Fatalf("Create with %d bytes of data = %s; want nil or ErrTooLarge", size, text(err))
		case err != nil && r.Key != key:
			t.Fatalf("Create with %d bytes of data = ErrTooLarge, and changes r.Key; want it as it was", size)
		}
	}
	large := copyOf(fits)
	large.Data = []byte(strings.Repeat("x", limit))
	s.flush(large, driver.ErrTooLarge)
	if large.Key != fits.Key {
		t.Fatalf("Flush = ErrTooLarge, and changes r.Key; want it as it was")
	}
	s.holds(fits)
}

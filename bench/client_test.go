package bench

import (
	"context"
	"net/http"
	"strings"
)

// client sends requests to a handler, and is their http.ResponseWriter. It allocates nothing per
// request, so that a benchmark measures the handler only. The context of its requests can end, as
// that of a server's requests can.
type client struct {
	template http.Request
	request  *http.Request // a copy of template, because some libraries write to it
	cookie   []string

	header http.Header
	status int
	body   string // only of errors
}

func newClient(ctx context.Context) *client {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://localhost/", http.NoBody)
	if err != nil {
		panic(err)
	}
	r.RemoteAddr = "127.0.0.1:1000"
	return &client{template: *r, request: r, header: http.Header{}, status: http.StatusOK, cookie: make([]string, 1)}
}

// reset begins another request.
func (c *client) reset(cookie string) {
	clear(c.header)
	c.status, c.body = http.StatusOK, ""
	c.cookie[0] = cookie
	*c.request = c.template
	c.request.Header["Cookie"] = c.cookie
}

// newCookie returns the pair of the last Set-Cookie, to be sent as Cookie, or "" if there is none.
func (c *client) newCookie() string {
	set := c.header["Set-Cookie"]
	if len(set) == 0 {
		return ""
	}
	pair, _, _ := strings.Cut(set[len(set)-1], ";")
	return pair
}

func (c *client) Header() http.Header    { return c.header }
func (c *client) WriteHeader(status int) { c.status = status }

func (c *client) Write(p []byte) (int, error) {
	if c.status != http.StatusOK {
		c.body += string(p)
	}
	return len(p), nil
}

var ok = []byte("ok")

// answer writes the response of a handler: "ok", or err with status 500.
func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(ok)
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// anonymousIdle is the application's for who has not signed in.
const anonymousIdle = time.Hour

// shortIdle is that of sessions that are left alone until they expire.
const shortIdle = 4 * time.Second

// clients is what all browsers share.
type clients struct {
	fleet    fleet
	http     *http.Client
	account  *account
	watch    *watch
	inCookie bool        // sessions are in cookies, and nobody can end those of others
	noShort  atomic.Bool // a clock is wrong
	resting  atomic.Bool // nobody may be away
	born     counter

	signIns, doubles atomic.Int64 // that were sent; those that were sent twice at once
}

// browser is one of a user's, with its own cookie. Tabs send requests at once; as
// in a browser the cookie that comes last is the cookie.
type browser struct {
	*clients
	user string

	pause sync.RWMutex // held for writing while nobody uses the browser

	mu      sync.Mutex // guards what follows
	cookie  string
	signed  bool
	busy    bool // a tab opens a session, signs in or out
	signing bool // ... signs in
	idle    time.Duration
	ghosts  []string // IDs that it had before, and that should be dead
	counter [tabs]int
}

// use is a tab that is used until ctx is done.
func (b *browser) use(ctx context.Context, tab int) {
	for ctx.Err() == nil {
		if !b.isSigning() { // requests that it overtakes are what we want
			time.Sleep(rand.N(10 * time.Millisecond))
		}
		b.pause.RLock()
		b.step(ctx, tab)
		b.pause.RUnlock()
		if tab == 0 && b.isShort() && rand.IntN(100) == 0 {
			b.leave(ctx)
		}
	}
}

func (b *browser) isSigning() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.signing
}

func (b *browser) isShort() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.signed && b.idle == shortIdle
}

// leave does not use the browser: for so long that its session expires, or for a
// little less.
func (b *browser) leave(ctx context.Context) {
	b.pause.Lock()
	defer b.pause.Unlock()
	away := shortIdle * 3 / 5
	if rand.IntN(2) == 0 {
		away = shortIdle + b.account.slack + late + shortIdle/10
	}
	for begin := time.Now(); time.Since(begin) < away && ctx.Err() == nil && !b.resting.Load(); {
		time.Sleep(20 * time.Millisecond)
	}
}

// step sends a request.
func (b *browser) step(ctx context.Context, tab int) {
	r, alone := b.choose(tab)
	if r == nil {
		return
	}
	if alone {
		defer b.free()
	}
	if r.op == login {
		b.signIn(ctx, r)
		return
	}
	how := normal
	switch n := rand.IntN(100); {
	case n == 0 && r.op == add:
		how = slow
	case n == 1 && !alone:
		how = gone
	}
	b.send(ctx, r, how)
}

// choose returns what a tab does next, and whether no other tab may do such a
// thing meanwhile.
func (b *browser) choose(tab int) (r *request, alone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r = &request{tab: tab, user: b.user, id: b.cookie, born: b.born.next()}
	switch n := rand.IntN(10000); {
	case b.cookie == "":
		r.op, alone = add, true
	case b.signing && n < 200:
		r.op = logout
	case !b.signed && n < 1500:
		r.op, alone = login, true
		r.idle = time.Hour
		if rand.IntN(3) == 0 && !b.noShort.Load() {
			r.idle = shortIdle
		}
	case b.signed && n < 20 && (b.idle != shortIdle || !b.noShort.Load()):
		r.op, alone = login, true // again
		r.idle = b.idle
	case n < 4000:
		r.op = look
	case n < 7000:
		r.op = add
	case n < 9700:
		r.op = cart
	case n < 9930:
		return b.ghostLocked(r), false
	case n < 9990:
		r.op, alone = logout, true
	case b.signed && !b.inCookie:
		r.op = others
	}
	if alone && b.busy {
		return nil, false
	}
	b.busy = b.busy || alone
	b.signing = b.signing || r.op == login
	if r.op == cart {
		b.counter[tab]++
		r.seq = b.counter[tab]
	}
	return r, alone
}

// ghostLocked looks up an ID that should be dead.
func (b *browser) ghostLocked(r *request) *request {
	if len(b.ghosts) == 0 {
		return nil
	}
	r.op, r.ghost, r.id = look, true, b.ghosts[rand.IntN(len(b.ghosts))]
	return r
}

func (b *browser) free() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy, b.signing = false, false
}

// manner is how a client takes part in a request.
type manner int

const (
	normal   manner = iota
	slow            // it sends its body little by little
	hesitant        // the same, but faster
	gone            // it goes away
)

// send sends a request, and takes the answer to the books and the cookie.
func (b *browser) send(ctx context.Context, r *request, how manner) answer {
	b.account.begin(r)
	got, err := b.exchange(ctx, r, how)
	got.at = time.Now()
	got.abandoned = err != nil && how == gone
	b.account.end(r, got)
	b.watch.note(r, got)
	if got.status != 0 && !r.ghost {
		b.learn(r, got)
	}
	return got
}

// learn is what the browser makes of an answer.
func (b *browser) learn(r *request, got answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case got.cookie != nil:
		b.account.replaced(r, got, b.cookie)
		b.keepGhostLocked(b.cookie)
		b.cookie = *got.cookie
	case b.cookie != r.id:
		return // an answer to an older cookie
	}
	if !got.shows() && got.status != http.StatusConflict {
		return
	}
	b.signed = got.view.User != "" && r.op != logout
	if r.op == login {
		b.idle = r.idle
	}
}

func (b *browser) keepGhostLocked(id string) {
	const many = 20
	if id == "" || b.inCookie {
		return
	}
	b.ghosts = append(b.ghosts, id)
	if len(b.ghosts) > many {
		b.ghosts = b.ghosts[1:]
	}
}

var paths = map[op]string{look: "/", add: "/add", cart: "/cart", login: "/login", logout: "/logout", others: "/others"}

const cookieName = "__Host-session"

func (b *browser) exchange(ctx context.Context, r *request, how manner) (answer, error) {
	ctx = context.WithoutCancel(ctx)
	if how == gone {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, rand.N(4*time.Millisecond))
		defer cancel()
	}
	method, body := http.MethodPost, io.Reader(nil)
	if r.op == look {
		method = http.MethodGet
	}
	switch how {
	case slow:
		body = &trickle{left: 10, each: 50 * time.Millisecond}
	case hesitant:
		body = &trickle{left: 10, each: 5 * time.Millisecond}
	}
	query := url.Values{"born": {r.born}, "user": {r.user}, "idle": {r.idle.String()}, "tab": {strconv.Itoa(r.tab)}, "seq": {strconv.Itoa(r.seq)}}
	target := "http://" + b.fleet[rand.IntN(len(b.fleet))].address + paths[r.op] + "?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return answer{}, err
	}
	if r.id != "" {
		request.Header.Set("Cookie", cookieName+"="+r.id)
	}
	response, err := b.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	return read(response)
}

func read(response *http.Response) (answer, error) {
	got := answer{status: response.StatusCode}
	for _, c := range response.Cookies() {
		if c.Name == cookieName {
			got.cookie = &c.Value
		}
	}
	text, err := io.ReadAll(response.Body)
	if err == nil {
		err = json.Unmarshal(text, &got.view)
		if got.status != http.StatusOK {
			err = nil // the session may have failed, and there is no view
		}
	}
	if err != nil {
		return answer{}, fmt.Errorf("an answer was cut off: %w", err)
	}
	return got, nil
}

// trickle is a body that comes little by little.
type trickle struct {
	left int
	each time.Duration
}

func (t *trickle) Read(b []byte) (int, error) {
	if t.left == 0 {
		return 0, io.EOF
	}
	t.left--
	time.Sleep(t.each)
	return copy(b, "."), nil
}

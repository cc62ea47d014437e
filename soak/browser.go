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

// anonymousIdle is the application's idle timeout for anonymous sessions.
const anonymousIdle = time.Hour

// shortIdle is the idle timeout of sessions that browsers leave until they expire.
const shortIdle = 4 * time.Second

// clients has what all browsers share.
type clients struct {
	fleet       fleet
	http        *http.Client
	model       *model
	watch       *watch
	inCookie    bool        // the cookie driver, which can't end the sessions of other browsers
	noShortIdle atomic.Bool // sign-ins do not ask for shortIdle, because a clock is wrong or soon will be
	resting     atomic.Bool // leave returns at once
	born        counter

	signIns, doubles atomic.Int64 // sign-ins, and how many of them were double clicks
}

// browser is one of the two browsers of a user, with a cookie of its own. Its tabs send requests
// concurrently; it keeps the cookie that arrives last.
type browser struct {
	*clients
	user string

	pause sync.RWMutex // held for writing while the browser is not in use

	mu      sync.Mutex // guards what follows
	cookie  string
	signed  bool
	busy    bool // a tab begins a session, signs in or signs out
	signing bool // a tab signs in
	idle    time.Duration
	oldIDs  []string // IDs that it had before, which should find nothing
	counter [tabs]int
}

// use sends requests from a tab until ctx is done.
func (b *browser) use(ctx context.Context, tab int) {
	for ctx.Err() == nil {
		if !b.isSigning() { // send more requests that a sign-in can overtake
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

// leave stops using the browser, either until its session has certainly expired, or for a shorter
// time in which it must not expire.
func (b *browser) leave(ctx context.Context) {
	b.pause.Lock()
	defer b.pause.Unlock()
	away := shortIdle * 3 / 5
	if rand.IntN(2) == 0 {
		away = shortIdle + b.model.slack + grace + shortIdle/10
	}
	for begin := time.Now(); time.Since(begin) < away && ctx.Err() == nil && !b.resting.Load(); {
		time.Sleep(20 * time.Millisecond)
	}
}

// step sends one request, or makes a sign-in.
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
		how = verySlow
	case n == 1 && !alone:
		how = gone
	}
	b.send(ctx, r, how)
}

// choose returns the next request of a tab, or nil if it sends none now. If alone is true, r
// begins a session, signs in or signs out, and choose gives no such request to another tab
// until the caller calls free. Only a sign-out may overlap with a sign-in.
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
		if rand.IntN(3) == 0 && !b.noShortIdle.Load() {
			r.idle = shortIdle
		}
	case b.signed && n < 20 && (b.idle != shortIdle || !b.noShortIdle.Load()):
		r.op, alone = login, true // for the second time
		r.idle = b.idle
	case n < 4000:
		r.op = look
	case n < 7000:
		r.op = add
	case n < 9700:
		r.op = cart
	case n < 9930:
		return b.lookUpOldLocked(r), false
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

// lookUpOldLocked makes r look up an earlier ID, which should find nothing. It returns nil if
// there is none.
func (b *browser) lookUpOldLocked(r *request) *request {
	if len(b.oldIDs) == 0 {
		return nil
	}
	r.op, r.isOld, r.id = look, true, b.oldIDs[rand.IntN(len(b.oldIDs))]
	return r
}

// free lets other tabs begin a session, sign in and sign out again.
func (b *browser) free() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy, b.signing = false, false
}

// manner is how a client behaves during a request.
type manner int

const (
	normal   manner = iota
	verySlow        // it sends its body in 500 ms
	slow            // it sends its body in 50 ms
	gone            // it goes away before the answer
)

// send sends a request, and gives the answer to the model and to the browser.
func (b *browser) send(ctx context.Context, r *request, how manner) answer {
	b.model.begin(r)
	got, err := b.exchange(ctx, r, how)
	got.at = time.Now()
	got.abandoned = err != nil && how == gone
	b.model.end(r, got)
	b.watch.note(r, got)
	if got.status != 0 && !r.isOld {
		b.learn(r, got)
	}
	return got
}

// learn updates the browser from an answer.
func (b *browser) learn(r *request, got answer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case got.cookie != nil:
		b.model.checkReplaced(r, got, b.cookie)
		b.keepOldLocked(b.cookie)
		b.cookie = *got.cookie
	case b.cookie != r.id:
		return // the browser has another cookie meanwhile
	}
	if !got.shows() && got.status != http.StatusConflict {
		return
	}
	b.signed = got.view.User != "" && r.op != logout
	if r.op == login {
		b.idle = r.idle
	}
}

// keepOldLocked keeps an ID that the browser no longer has, to look it up later.
func (b *browser) keepOldLocked(id string) {
	const many = 20
	if id == "" || b.inCookie {
		return
	}
	b.oldIDs = append(b.oldIDs, id)
	if len(b.oldIDs) > many {
		b.oldIDs = b.oldIDs[1:]
	}
}

var paths = map[op]string{look: "/", add: "/add", cart: "/cart", login: "/login", logout: "/logout", others: "/others"}

const cookieName = "__Host-session"

// exchange sends r to a random process and reads the answer.
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
	case verySlow:
		body = &slowBody{left: 10, each: 50 * time.Millisecond}
	case slow:
		body = &slowBody{left: 10, each: 5 * time.Millisecond}
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

// read reads an answer. It fails if the body was cut off.
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
			err = nil // an error may have no view
		}
	}
	if err != nil {
		return answer{}, fmt.Errorf("read an answer: %w", err)
	}
	return got, nil
}

// slowBody is a request body that arrives slowly.
type slowBody struct {
	left int
	each time.Duration
}

func (t *slowBody) Read(b []byte) (int, error) {
	if t.left == 0 {
		return 0, io.EOF
	}
	t.left--
	time.Sleep(t.each)
	return copy(b, "."), nil
}

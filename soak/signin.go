package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// signIn signs in, sometimes slowly, and sometimes twice at once, as with a double click: the
// browser keeps the cookie of the answer that arrives last. After a success the browser loads
// the next page, as after a redirect.
func (b *browser) signIn(ctx context.Context, r *request) {
	clicks := []*request{r}
	if rand.IntN(3) == 0 {
		again := *r
		again.born = b.born.next()
		clicks = append(clicks, &again)
		b.doubles.Add(1)
	}
	b.signIns.Add(1)
	how := normal
	if rand.IntN(3) == 0 {
		how = slow
	}
	var wg sync.WaitGroup
	answers := make([]answer, len(clicks))
	for i, click := range clicks {
		wg.Go(func() { answers[i] = b.send(ctx, click, how) })
	}
	wg.Wait()
	var shown []string
	for _, got := range answers {
		if got.status == http.StatusOK {
			shown = append(shown, got.view.Born)
		}
	}
	if shown != nil {
		b.loadNext(ctx, r.tab, shown)
	}
}

// loadNext loads the page after a sign-in, with the cookie that the browser has now. after has
// the sessions that the answers to the sign-in showed. If the store fails, loadNext retries.
func (b *browser) loadNext(ctx context.Context, tab int, after []string) {
	const tries, pause = 40, 50 * time.Millisecond
	for range tries {
		b.mu.Lock()
		id := b.cookie
		b.mu.Unlock()
		if id == "" {
			return // the browser has signed out meanwhile
		}
		got := b.send(ctx, &request{op: look, tab: tab, user: b.user, id: id, born: b.born.next(), after: after}, normal)
		if got.status == http.StatusOK || got.status == http.StatusConflict {
			return
		}
		time.Sleep(pause)
	}
}

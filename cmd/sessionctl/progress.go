package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress shows how many sessions are done: as a bar on a terminal, as lines elsewhere.
type progress struct {
	out   io.Writer
	live  bool
	pause time.Duration // the shortest time between two updates
	begin time.Time
	last  time.Time // of the last update; zero before the first bar
}

func newProgress(out io.Writer) *progress {
	now := time.Now()
	if isTerminal(out) {
		return &progress{out: out, live: true, pause: 100 * time.Millisecond, begin: now}
	}
	return &progress{out: out, pause: 10 * time.Second, begin: now, last: now}
}

// tell notes that another session is done. It shows that if the last update is long enough ago.
func (p *progress) tell(done, total int) {
	if time.Since(p.last) >= p.pause {
		p.last = time.Now()
		p.show(done, total)
	}
}

func (p *progress) show(done, total int) {
	each := max(float64(done)/time.Since(p.begin).Seconds(), 1e-3)
	left := time.Duration(float64(total-done) / each * float64(time.Second)).Round(time.Second)
	line := fmt.Sprintf("%d of %d sessions, %.0f a second, %v left", done, total, each, left)
	if p.live {
		fmt.Fprintf(p.out, "\r%s %s\x1b[K", bar(done, total), line)
		return
	}
	fmt.Fprintln(p.out, line)
}

// end shows the bar for the last time, if there was one.
func (p *progress) end(done, total int) {
	if p.live && !p.last.IsZero() {
		p.show(done, total)
		fmt.Fprintln(p.out)
	}
}

// bar is narrow: with the numbers of millions of sessions the line fits into 80 columns.
func bar(done, total int) string {
	const width = 16
	filled := width * done / max(total, 1)
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", width-filled) + "]"
}

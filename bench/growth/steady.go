package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"sync"
	"time"

	"gosession.dev/session"
)

const (
	visitors = 20_000
	idle     = 20 * time.Second // so that sessions expire all the time
	reports  = 10
)

// runSteady serves a mix of requests at full load: visitors read, write, sign in, sign out, or stay
// away until their session expires. It writes 10 lines of measurements to out, which should not grow.
func runSteady(out io.Writer, backend string, goroutines int, d time.Duration) error {
	dsn := ""
	if backend == "sqlite" {
		dir, err := os.MkdirTemp("", "growth")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		dsn = "file:" + filepath.Join(dir, "sessions.db")
	}
	timeouts := session.Timeouts{Idle: idle, Lifetime: time.Hour}
	f, err := session.Config{Timeouts: timeouts, Anonymous: timeouts, SweepInterval: time.Second}.Open(backend, dsn)
	if err != nil {
		return err
	}
	defer f.Close()
	handler := f.Handler(steadyMux())
	fmt.Fprintln(out, "     after  requests/s       p50       p99     p99.9       max  heap MiB  goroutines  GC CPU")
	fill := time.Now()
	for time.Since(fill) < idle { // until as many sessions end as begin
		visit(handler, 0, 1, time.Now().Add(time.Second), new(histogram))
	}
	start := time.Now()
	for range reports {
		report := newReport(time.Since(start))
		var latencies histogram
		until := time.Now().Add(d / reports)
		var all sync.WaitGroup
		for i := range goroutines {
			all.Go(func() { visit(handler, i, goroutines, until, &latencies) })
		}
		all.Wait()
		fmt.Fprintln(out, report.line(time.Since(start), &latencies))
	}
	return nil
}

// cookies holds the cookie of each visitor.
var cookies [visitors]string

// visit sends requests of the goroutine's part of the visitors, in random order.
func visit(handler http.Handler, goroutine, goroutines int, until time.Time, latencies *histogram) {
	for time.Now().Before(until) {
		cookie := &cookies[rand.IntN(visitors/goroutines)*goroutines+goroutine]
		r := httptest.NewRequest("GET", steadyPath(), nil)
		if *cookie != "" {
			r.Header.Set("Cookie", *cookie)
		}
		w := httptest.NewRecorder()
		start := time.Now()
		handler.ServeHTTP(w, r)
		latencies.add(time.Since(start))
		for _, c := range w.Result().Cookies() {
			*cookie = c.Name + "=" + c.Value
			if c.MaxAge < 0 {
				*cookie = ""
			}
		}
	}
}

func steadyPath() string {
	switch n := rand.IntN(100); {
	case n < 70:
		return "/read"
	case n < 92:
		return "/write"
	case n < 96:
		return "/sign-in"
	}
	return "/sign-out"
}

func steadyMux() http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, do func(r *http.Request, s *session.Session) error) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s, err := session.FromContext(r.Context())
			if err == nil {
				err = do(r, s)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	handle("/read", func(_ *http.Request, s *session.Session) error {
		s.Has("n")
		return nil
	})
	handle("/write", func(_ *http.Request, s *session.Session) error {
		if err := s.Set("cart", newPayload()); err != nil {
			return err
		}
		return session.Update(s, "n", func(n int) int { return n + 1 })
	})
	handle("/sign-in", func(r *http.Request, s *session.Session) error {
		return s.SignIn(r.Context(), fmt.Sprint("user:", rand.IntN(10_000)))
	})
	handle("/sign-out", func(r *http.Request, s *session.Session) error { return s.Destroy(r.Context()) })
	return mux
}

// report holds the state at the beginning of an interval.
type report struct {
	began         time.Duration // since the start
	gcCPU, allCPU float64       // seconds
}

func newReport(began time.Duration) report {
	gc, all := cpu()
	return report{began, gc, all}
}

func (b report) line(now time.Duration, h *histogram) string {
	gc, all := cpu()
	return fmt.Sprintf("%10s %11.0f %9s %9s %9s %9s %9.1f %11d %6.1f%%", now.Round(time.Second),
		float64(h.count.Load())/(now-b.began).Seconds(), h.quantile(.5), h.quantile(.99), h.quantile(.999), h.quantile(1),
		float64(heap())/(1<<20), runtime.NumGoroutine(), 100*(gc-b.gcCPU)/(all-b.allCPU))
}

func cpu() (gc, all float64) {
	samples := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"}}
	metrics.Read(samples)
	return samples[0].Value.Float64(), samples[1].Value.Float64()
}

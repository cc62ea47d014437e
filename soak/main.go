// Command soak runs a web application of several processes under load, and causes the faults
// that happen in production. It knows for every session which updates were acknowledged, when
// it ended, and which user it belongs to, and checks each answer against that. At the end it
// prints, for each fault, what users saw of it and which answers were wrong.
//
//	go run -C soak . -driver sqlite -for 10m
//
// It exits with 1 if
//   - an update was lost,
//   - a session that had ended was found,
//   - an answer showed data of another session,
//   - an answer showed no session, or no user, although the user was signed in,
//   - a sign-in succeeded and the browser was not signed in,
//   - a request that a sign-in had overtaken replaced the cookie of the sign-in,
//   - an answer was an error other than 503,
//   - more than a tenth of the requests failed although nothing was down,
//   - the application leaked goroutines, sockets, files or memory.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	log.SetFlags(0)
	var names []string
	for _, b := range backends {
		names = append(names, b.name)
	}
	which := flag.String("driver", "all", "backends to test, separated by commas: all, "+strings.Join(names, ", "))
	length := flag.Duration("for", time.Minute, "how long to test each backend")
	parallel := flag.Int("parallel", 1, "number of backends to test at the same time")
	users := flag.Int("users", 0, "number of users, with two browsers each; 0 means the number of the backend")
	fault := flag.String("fault", "", "plant this fault in the application, to see that it is found; go run -C soak ./app -help lists them")
	only := flag.String("only", "", "cause only the faults whose name contains this text")
	logs := flag.String("logs", "", "append the log of the application to this file")
	flag.Parse()
	if *which == "all" {
		*which = strings.Join(names, ",")
	}
	o := options{length: *length, users: *users, fault: *fault, logs: *logs, only: *only}
	if err := runAll(strings.Split(*which, ","), max(1, *parallel), o); err != nil {
		log.Fatalf("soak: %v", err)
	}
}

// options are the flags.
type options struct {
	length time.Duration
	users  int
	fault  string
	logs   string
	only   string
}

// runAll tests the backends with these names, at most parallel of them at the same time. It fails
// if a fault was found with one of them.
func runAll(names []string, parallel int, o options) (err error) {
	var chosen []backend
	for _, name := range names {
		i := slices.IndexFunc(backends, func(b backend) bool { return b.name == name })
		if i < 0 {
			return fmt.Errorf("unknown backend %q; -help lists them", name)
		}
		chosen = append(chosen, backends[i])
	}
	h := &host{}
	defer h.close(&err)
	program, err := build(h.TempDir())
	if err != nil {
		return err
	}
	var (
		mu     sync.Mutex // guards standard output and what follows
		failed []string
		errs   []error
		wg     sync.WaitGroup
	)
	free := make(chan struct{}, parallel)
	for _, b := range chosen {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			res, err := soak(b, program, o)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", b.name, err))
				return
			}
			res.print(os.Stdout)
			if len(res.faults) > 0 {
				failed = append(failed, b.name)
			}
		})
	}
	wg.Wait()
	if len(failed) > 0 {
		errs = append(errs, fmt.Errorf("faults found with: %s", strings.Join(failed, ", ")))
	}
	return errors.Join(errs...)
}

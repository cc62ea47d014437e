// Command soak runs a web application of several processes under load, does to it
// what happens in production, and keeps the books of every session: which of its
// updates were acknowledged, when it ended, whose it is. In the end it prints what
// users saw of each fault, and what was wrong with the answers.
//
//	go run -C soak . -driver sqlite -for 10m
//
// It exits with 1 if an update was lost, a session came back, an answer had what
// belongs to another session, or said that nobody is signed in who is; if a sign-in
// succeeded and the browser is not signed in, or a request that a sign-in overtook took
// its cookie away; or if the application kept goroutines, sockets or files.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	var names []string
	for _, b := range backends {
		names = append(names, b.name)
	}
	which := flag.String("driver", "all", "the backends, separated by commas: all, "+strings.Join(names, ", "))
	length := flag.Duration("for", time.Minute, "how long, for each of them")
	users := flag.Int("users", 0, "how many users there are, with two browsers each; 0 is the backend's own number")
	fault := flag.String("fault", "", "a fault of the application, to see it found; see the application's own -help")
	only := flag.String("only", "", "do only what has this in its name")
	logs := flag.String("logs", "", "a file for what the application logs")
	flag.Parse()
	if *which == "all" {
		*which = strings.Join(names, ",")
	}
	o := options{length: *length, users: *users, fault: *fault, logs: *logs, only: *only}
	if err := runAll(strings.Split(*which, ","), o); err != nil {
		log.Fatalf("soak: %v", err)
	}
}

type options struct {
	length time.Duration
	users  int
	fault  string
	logs   string
	only   string
}

// runAll runs all backends of these names, and fails if one has failed.
func runAll(names []string, o options) (err error) {
	h := &host{}
	defer h.close(&err)
	program, err := build(h.TempDir())
	if err != nil {
		return err
	}
	var failed []string
	for _, name := range names {
		i := slices.IndexFunc(backends, func(b backend) bool { return b.name == name })
		if i < 0 {
			return fmt.Errorf("there is no backend %q; see -help", name)
		}
		res, err := soak(backends[i], program, o)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		res.print(os.Stdout)
		if len(res.faults) > 0 {
			failed = append(failed, name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("not as it should be: %s", strings.Join(failed, ", "))
	}
	return nil
}

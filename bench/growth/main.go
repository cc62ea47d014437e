// Growth measures stores with more and more sessions: their memory, the time of a call, the sweep,
// the calls that the sweep delays, and listings. It prints a table, and with -svg draws a chart. With
// -steady it serves a mix of requests at full load instead.
//
//	go run ./growth -backend memory -max 10000000
//	go run ./growth -backend sqlite -max 1000000
//	go run ./growth -backend scs-memory -max 1000000
//	go run ./growth -steady 10m
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"time"
)

func main() {
	log.SetFlags(0)
	backend := flag.String("backend", "memory", "the store to measure: memory, sqlite, scs-memory or scs-sqlite; with -steady, memory or sqlite")
	least := flag.Int("min", 1000, "number of sessions in the first step")
	most := flag.Int("max", 1_000_000, "number of sessions in the last step; each step has ten times as many as the one before")
	steady := flag.Duration("steady", 0, "serve a steady mix of requests for this long, instead of measuring the steps")
	goroutines := flag.Int("goroutines", runtime.GOMAXPROCS(0), "number of goroutines that send the requests of -steady")
	svg := flag.String("svg", "", "draw the measurements into this `file`")
	flag.Parse()
	ctx := context.Background()
	if *steady > 0 {
		if err := runSteady(os.Stdout, *backend, *goroutines, *steady); err != nil {
			log.Fatal(err)
		}
		return
	}
	rows, err := grow(ctx, *backend, func() (store, error) { return open(*backend) }, *least, *most)
	if err == nil && *svg != "" {
		err = draw(*svg, *backend, rows)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// row holds the measurements with a number of sessions.
type row struct {
	sessions int
	overhead float64       // bytes of heap per session minus payload and key; NaN for stores on disk
	retrieve time.Duration // median
	flush    time.Duration // median
	sweep    time.Duration // time to delete all sessions, after they have expired
	p99      time.Duration // 99th percentile of the calls of another goroutine during the sweep
	stall    time.Duration // longest of these calls
	list     time.Duration // time to list all keys
	listHeap float64       // peak growth of the heap during the listing, in MiB
}

func (r row) String() string {
	round := func(d time.Duration) string {
		if d > time.Millisecond {
			return d.Round(10 * time.Microsecond).String()
		}
		return d.Round(10 * time.Nanosecond).String()
	}
	return fmt.Sprintf("%10d %9.0f %9s %9s %10s %10s %10s %10s %8.1f", r.sessions, r.overhead,
		round(r.retrieve), round(r.flush), round(r.sweep), round(r.p99), round(r.stall), round(r.list), r.listHeap)
}

const header = "  sessions  overhead  retrieve     flush      sweep        p99      stall       list  listing\n" +
	"                 B/s                                                                        MiB"

// grow measures each number of sessions in a new store, because sweeping fragments a store.
func grow(ctx context.Context, backend string, open opener, least, most int) ([]row, error) {
	fmt.Println(backend)
	fmt.Println(header)
	var rows []row
	for n := least; n <= most; n *= 10 {
		r, err := measure(ctx, open, n)
		if err != nil {
			return nil, fmt.Errorf("%s with %d sessions: %w", backend, n, err)
		}
		fmt.Println(r)
		rows = append(rows, r)
	}
	return rows, nil
}

// Growth measures what becomes of a store as its sessions become many: memory,
// the time of a call, the sweep and what it does to requests, and listings. It
// prints a table, and with -svg draws it.
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
	backend := flag.String("backend", "memory", "memory, sqlite, or scs-memory, scs-sqlite to compare")
	least := flag.Int("min", 1000, "sessions at first")
	most := flag.Int("max", 1_000_000, "sessions at the end; ten times as many at each step")
	steady := flag.Duration("steady", 0, "instead, a steady mix of requests for this long")
	goroutines := flag.Int("goroutines", runtime.GOMAXPROCS(0), "how many send the requests of -steady")
	svg := flag.String("svg", "", "draw what was measured into this file")
	flag.Parse()
	ctx := context.Background()
	if *steady > 0 {
		if err := runSteady(ctx, os.Stdout, *backend, *goroutines, *steady); err != nil {
			log.Fatal(err)
		}
		return
	}
	rows, err := grow(ctx, *backend, *least, *most)
	if err == nil && *svg != "" {
		err = draw(*svg, *backend, rows)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// row is what was measured at a number of sessions.
type row struct {
	sessions int
	overhead float64       // bytes of heap per session over its payload and key; NaN where the heap does not hold them
	retrieve time.Duration // the median
	flush    time.Duration
	sweep    time.Duration // of all, which have expired
	stall    time.Duration // the longest call of another goroutine meanwhile
	list     time.Duration // of all
	listHeap float64       // MiB that this took at its peak
}

func (r row) String() string {
	round := func(d time.Duration) string {
		if d > time.Millisecond {
			return d.Round(10 * time.Microsecond).String()
		}
		return d.Round(10 * time.Nanosecond).String()
	}
	return fmt.Sprintf("%10d %9.0f %9s %9s %10s %10s %10s %8.1f", r.sessions, r.overhead,
		round(r.retrieve), round(r.flush), round(r.sweep), round(r.stall), round(r.list), r.listHeap)
}

const header = "  sessions  overhead  retrieve     flush      sweep      stall       list  listing\n" +
	"                 B/s                                                             MiB"

// grow measures each size in a store of its own: what has been swept leaves holes.
func grow(ctx context.Context, backend string, least, most int) ([]row, error) {
	fmt.Println(backend)
	fmt.Println(header)
	var rows []row
	for n := least; n <= most; n *= 10 {
		r, err := measure(ctx, backend, n)
		if err != nil {
			return nil, fmt.Errorf("%s with %d sessions: %w", backend, n, err)
		}
		fmt.Println(r)
		rows = append(rows, r)
	}
	return rows, nil
}

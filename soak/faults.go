package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gosession.dev/session/drivers/migrate"
	_ "gosession.dev/session/drivers/mongo"
	_ "gosession.dev/session/drivers/sqlite"
	"gosession.dev/session/internal/registry"
)

// fault is a failure that lasts for a while.
type fault struct {
	name string
	// restarts says that harm restarts all processes. The use of resources is measured only after
	// such faults.
	restarts bool
	// unnoticed says that no request may fail because of it.
	unnoticed bool
	// harm causes the fault, waits for about d, and repairs it.
	harm func(r *run, d time.Duration) error
}

var (
	noFault = fault{name: "none", unnoticed: true, harm: func(_ *run, d time.Duration) error { time.Sleep(d); return nil }}

	killed   = fault{name: "SIGKILL of the application", restarts: true, harm: kill}
	readOnly = fault{name: "the database is read-only", restarts: true, harm: makeReadOnly}
	stalled  = fault{name: "a process stands still", harm: stall}
	diskFull = fault{name: "the disk is full", harm: fillDisk}

	clockFast = fault{name: "a clock 5 min fast", harm: setClock(5 * time.Minute)}
	clockSlow = fault{name: "a clock 5 min slow", harm: setClock(-5 * time.Minute)}

	frozen     = fault{name: "a server freezes", harm: freeze}
	serverDown = fault{name: "a server is killed", harm: stopServer}
	memoryFull = fault{name: "memory is full", harm: fillMemory}
	// Redis without eviction refuses writes then.
	outOfMemory = fault{name: "memory is full", harm: limitMemory}

	everythingMoves = fault{name: "everything moves", unnoticed: true, harm: moveAll}

	delayed   = atProxy("delays of 100 ms", func(r *run) { r.proxy.Delay(100 * time.Millisecond) })
	cut       = atProxy("connections are cut", func(r *run) { r.proxy.CutAfter(rand.IntN(1000)) })
	refused   = atProxy("connections are refused", func(r *run) { r.proxy.Down() })
	swallowed = atProxy("no answers", func(r *run) { r.proxy.Swallow() })
	reset     = atProxy("connections are reset", func(r *run) { r.proxy.Reset() })
	trickled  = atProxy("answers trickle", func(r *run) { r.proxy.Trickle(100) })
)

// kill kills processes, in turn all and some, and starts them again, until d has passed.
func kill(r *run, d time.Duration) error {
	for begin := time.Now(); time.Since(begin) < d; r.rounds++ {
		time.Sleep(200*time.Millisecond + rand.N(400*time.Millisecond))
		dies := r.fleet
		if r.rounds%2 == 1 {
			dies = dies[:1+rand.IntN(len(dies))]
		}
		dies.kill()
		if r.driver == "memory" {
			r.model.excuseAll("the process was killed")
		}
		if err := dies.start(); err != nil {
			return err
		}
		if err := r.checkFile(); err != nil {
			return err
		}
	}
	return nil
}

// stall stops each process in turn for a second, until d has passed.
func stall(r *run, d time.Duration) error {
	for begin, i := time.Now(), 0; time.Since(begin) < d; i++ {
		p := r.fleet[i%len(r.fleet)]
		p.signal(syscall.SIGSTOP)
		time.Sleep(time.Second)
		p.signal(syscall.SIGCONT)
		time.Sleep(200 * time.Millisecond)
	}
	return nil
}

// setClock restarts the last process with a wrong clock, and later with the right one.
func setClock(wrongBy time.Duration) func(*run, time.Duration) error {
	return func(r *run, d time.Duration) error {
		r.noShortIdle.Store(true)
		defer r.noShortIdle.Store(false)
		time.Sleep(grace) // until the last sign-in with shortIdle is over
		r.model.ignoreShort()
		r.model.setWrongClock(true)
		defer r.model.setWrongClock(false)
		p := r.fleet[len(r.fleet)-1]
		for _, by := range []time.Duration{wrongBy, 0} {
			if _, err := p.stop(); err != nil {
				return err
			}
			if err := p.start(by); err != nil {
				return err
			}
			if by != 0 {
				time.Sleep(d)
			}
		}
		return nil
	}
}

// fillDisk limits the size of files: first to that of the largest, so that it can't grow, and then
// to less than they have.
func fillDisk(r *run, d time.Duration) error {
	const small = 64 << 10
	var largest int64
	files, err := filepath.Glob(r.file + "*")
	if err != nil {
		return err
	}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			largest = max(largest, info.Size())
		}
	}
	r.model.setStuck(true)
	defer r.model.setStuck(false)
	limit := func(size int64) error {
		return r.fleet.each(func(p *process) error { return p.limitFiles(size) })
	}
	for _, size := range []int64{largest, small} {
		if err := limit(size); err != nil {
			return err
		}
		time.Sleep(d / 2)
	}
	return limit(0)
}

// makeReadOnly restarts the processes with files that they may not write, and later with files
// that they may.
func makeReadOnly(r *run, d time.Duration) error {
	writable := func(mode, folder os.FileMode) error {
		files, err := filepath.Glob(r.file + "*")
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := os.Chmod(file, mode); err != nil {
				return err
			}
		}
		return os.Chmod(r.dir, folder)
	}
	r.model.setStuck(true)
	defer r.model.setStuck(false)
	for _, harmed := range []bool{true, false} {
		r.fleet.kill()
		var err error
		if harmed {
			err = writable(0o400, 0o500)
		} else {
			err = writable(0o600, 0o700)
		}
		if err != nil {
			return err
		}
		if err := r.fleet.start(); err != nil {
			return err
		}
		if harmed {
			time.Sleep(d)
		}
	}
	return r.checkFile()
}

// freeze stops the first server for d.
func freeze(r *run, d time.Duration) error {
	s := r.servers[0]
	s.Freeze()
	time.Sleep(d)
	s.Thaw()
	return nil
}

// stopServer kills the first server and starts it again, until d has passed.
func stopServer(r *run, d time.Duration) error {
	s := r.servers[0]
	for begin := time.Now(); time.Since(begin) < d; r.crashes++ {
		time.Sleep(rand.N(time.Second))
		s.Stop()
		time.Sleep(200*time.Millisecond + rand.N(time.Second))
		if r.forgets {
			r.model.excuseAll("the server was killed")
		}
		s.Start()
	}
	return nil
}

// fillMemory fills the memory of memcached with other items. It reads them too, because
// memcached would evict items that are never read before any session.
func fillMemory(r *run, d time.Duration) error {
	conn, err := net.Dial("tcp", r.servers[0].Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	go func() { _, _ = io.Copy(io.Discard, conn) }() // ends when conn is closed
	w := bufio.NewWriter(conn)
	for begin, i := time.Now(), 0; time.Since(begin) < d; i++ {
		size := 200 + rand.IntN(600)
		if _, err := fmt.Fprintf(w, "set other%d 0 0 %d noreply\r\n%s\r\n", i, size, strings.Repeat("x", size)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "get other%d other%[1]d\r\nget other%[1]d\r\n", max(0, i-rand.IntN(200))); err != nil {
			return err
		}
		if i%50 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return w.Flush()
}

// limitMemory makes Redis refuse writes, and allow them again after d.
func limitMemory(r *run, d time.Duration) error {
	r.model.setStuck(true)
	defer r.model.setStuck(false)
	r.redis.Do(r, "CONFIG", "SET", "maxmemory", "1")
	time.Sleep(d)
	r.redis.Do(r, "CONFIG", "SET", "maxmemory", "0")
	return nil
}

// moveAll moves all sessions from the old store to the new one, again and again, as sessionctl
// move does.
func moveAll(r *run, d time.Duration) error {
	to, err := registry.Open("mongo", r.moves[0])
	if err != nil {
		return err
	}
	defer to.Close()
	from, err := registry.Open("sqlite", r.moves[1])
	if err != nil {
		return err
	}
	defer from.Close()
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(10 * time.Millisecond) {
		if _, err := migrate.Move(context.Background(), to, from, migrate.MoveOptions{Parallel: 2}); err != nil {
			return err
		}
	}
	return nil
}

// atProxy returns a fault of the network, which harm causes at the proxy before the server.
func atProxy(name string, harm func(*run)) fault {
	return fault{name: name, harm: func(r *run, d time.Duration) error {
		harm(r)
		time.Sleep(d)
		r.proxy.Heal()
		return nil
	}}
}

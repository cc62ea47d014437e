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

	"gosession.dev/session"
	_ "gosession.dev/session/drivers/mongo"
	_ "gosession.dev/session/drivers/sqlite"
)

// fault is something that goes wrong for a while.
type fault struct {
	name string
	// restarts says that all processes are started again, which ends what is
	// measured of them.
	restarts bool
	// unnoticed says that no request may fail for it.
	unnoticed bool
	// harm does it for about so long, and undoes it.
	harm func(r *run, d time.Duration) error
}

var (
	nothing = fault{name: "none", unnoticed: true, harm: func(_ *run, d time.Duration) error { time.Sleep(d); return nil }}

	killed   = fault{name: "SIGKILL of the application", restarts: true, harm: kill}
	readOnly = fault{name: "the database is read-only", restarts: true, harm: makeReadOnly}
	stalled  = fault{name: "a process stands still", harm: stall}
	diskFull = fault{name: "the disk is full", harm: fillDisk}

	clockFast = fault{name: "a clock 5 min fast", harm: setClock(5 * time.Minute)}
	clockSlow = fault{name: "a clock 5 min slow", harm: setClock(-5 * time.Minute)}

	frozen     = fault{name: "a server freezes", harm: freeze}
	serverDown = fault{name: "a server is killed", harm: stopServer}
	crowded    = fault{name: "memory is full", harm: crowd}

	everythingMoves = fault{name: "everything moves", unnoticed: true, harm: moveAll}

	delayed   = atProxy("delays of 100 ms", func(r *run) { r.proxy.Delay(100) })
	cut       = atProxy("connections are cut", func(r *run) { r.proxy.CutAfter(rand.IntN(1000)) })
	refused   = atProxy("connections are refused", func(r *run) { r.proxy.Down() })
	swallowed = atProxy("no answers", func(r *run) { r.proxy.Swallow() })
	reset     = atProxy("connections are reset", func(r *run) { r.proxy.Reset() })
	trickled  = atProxy("answers trickle", func(r *run) { r.proxy.Trickle(100) })
)

// kill kills one process or all, and starts them again, until d is over.
func kill(r *run, d time.Duration) error {
	for begin := time.Now(); time.Since(begin) < d; r.rounds++ {
		time.Sleep(200*time.Millisecond + rand.N(400*time.Millisecond))
		dies := r.fleet
		if r.rounds%2 == 1 {
			dies = dies[:1+rand.IntN(len(dies))]
		}
		dies.kill()
		if r.driver == "memory" {
			r.account.excuseAll("the process was killed")
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

// stall stops one process after the other for a second.
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

// setClock starts the last process again with a wrong clock.
func setClock(wrongBy time.Duration) func(*run, time.Duration) error {
	return func(r *run, d time.Duration) error {
		r.noShort.Store(true)
		defer r.noShort.Store(false)
		time.Sleep(late) // until nobody signs in for a short time any more
		r.account.closeShort()
		r.account.setWrongClock(true)
		defer r.account.setWrongClock(false)
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

// fillDisk lets no file grow, and then has no file be larger than it may be.
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

// makeReadOnly starts the processes over files to which they may not write.
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

func freeze(r *run, d time.Duration) error {
	s := r.servers[0]
	s.Freeze()
	time.Sleep(d)
	s.Thaw()
	return nil
}

// stopServer kills a server and starts it again. A memcached has lost everything then.
func stopServer(r *run, d time.Duration) error {
	s := r.servers[0]
	s.Stop()
	time.Sleep(d)
	if r.driver == "memcache" {
		r.account.excuseAll("memcached was killed")
	}
	s.Start()
	return nil
}

// crowd has somebody else fill the memory of memcached, and read what is there: what
// nobody reads would be evicted before any session.
func crowd(r *run, d time.Duration) error {
	conn, err := net.Dial("tcp", r.servers[0].Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	go func() { _, _ = io.Copy(io.Discard, conn) }() // until it is closed
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

// moveAll moves all sessions from the old store to the new, as sessionctl copy does.
func moveAll(r *run, d time.Duration) error {
	to, err := session.OpenStore("mongo", r.moves[0])
	if err != nil {
		return err
	}
	defer to.Close()
	from, err := session.OpenStore("sqlite", r.moves[1])
	if err != nil {
		return err
	}
	defer from.Close()
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(10 * time.Millisecond) {
		if _, err := session.Copy(context.Background(), to, from, session.CopyOptions{Parallel: 2}); err != nil {
			return err
		}
	}
	return nil
}

func atProxy(name string, harm func(*run)) fault {
	return fault{name: name, harm: func(r *run, d time.Duration) error {
		harm(r)
		time.Sleep(d)
		r.proxy.Heal()
		return nil
	}}
}

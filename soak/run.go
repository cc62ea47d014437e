package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"gosession.dev/session/soak/wire"
)

// run is a backend under load.
type run struct {
	backend
	*ground
	*clients
	browsers []*browser
	rounds   int // of killing
	rows     []*row
	usages   []wire.Usage // of the first process, while nobody uses it
}

// soak loads a backend and harms it, and returns what came of it.
func soak(b backend, program string, o options) (res *result, err error) {
	h := &host{}
	defer h.close(&err)
	b.faults = slices.DeleteFunc(slices.Clone(b.faults), func(f fault) bool { return !strings.Contains(f.name, o.only) })
	r := &run{backend: b, ground: &ground{host: h, dir: h.TempDir()}}
	if os.Geteuid() == 0 {
		if err := os.Chown(r.dir, nobody, nobody); err != nil {
			return nil, err
		}
	}
	if err := r.setUp(program, o); err != nil {
		return nil, err
	}
	h.Cleanup(r.fleet.kill)
	begin := time.Now()
	stop := r.load()
	r.awaitSessions(10 * time.Second)
	err = r.harmAll(begin, o.length)
	stop()
	if err != nil {
		return nil, err
	}
	r.lookAgain()
	res = r.result(time.Since(begin))
	if err := r.fleet.stop(); err != nil {
		res.fail("%v", err)
	}
	return res, r.checkFile()
}

// setUp starts the servers and the application.
func (r *run) setUp(program string, o options) error {
	dsn := r.prepare(r.ground)
	if o.logs == "" {
		o.logs = os.DevNull
	}
	logs, err := os.OpenFile(o.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	r.Cleanup(func() { _ = logs.Close() })
	r.clients = &clients{
		account:  newAccount(r.backend),
		watch:    &watch{},
		inCookie: r.driver == "cookie",
		http:     &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}},
	}
	for range r.processes {
		address, err := freeAddress()
		if err != nil {
			return err
		}
		if len(r.fleet) > 0 && r.moves[0] != "" {
			dsn = strings.Replace(dsn, "stage=prepare", "stage=move", 1) // the first process lags behind
		}
		r.fleet = append(r.fleet, &process{program: program, driver: r.driver, dsn: dsn, fault: o.fault, address: address, log: logs})
	}
	for i := range 2 * cmp.Or(o.users, r.users) {
		r.browsers = append(r.browsers, &browser{clients: r.clients, user: fmt.Sprint("user", i/2)})
	}
	return r.fleet.start()
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// load has all browsers used, until it is stopped.
func (r *run) load() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, b := range r.browsers {
		for tab := range r.tabs {
			wg.Go(func() { b.use(ctx, tab) })
		}
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// longest is how long a fault lasts, and the time after it.
const longest = 30 * time.Second

// awaitSessions waits until the application has stored a session, which it can't begin
// with on a disk that is full or a database that is read-only.
func (r *run) awaitSessions(most time.Duration) {
	for begin := time.Now(); time.Since(begin) < most && r.account.isEmpty(); {
		time.Sleep(10 * time.Millisecond)
	}
}

// harmAll does everything that is done to a backend: first, once, what starts the
// processes again, and then the rest as often as there is time.
func (r *run) harmAll(begin time.Time, length time.Duration) error {
	phases := time.Duration(len(r.faults) + 1) // killing takes two, so that there are many rounds
	each := min(length/phases, longest)
	for _, f := range r.faults {
		if !f.restarts {
			continue
		}
		d := each
		if f.name == killed.name {
			d = 2 * length / phases
		}
		if err := r.harm(f, d); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	for {
		if err := r.rest(); err != nil {
			return err
		}
		for _, f := range r.faults {
			if f.restarts {
				continue
			}
			if err := r.harm(f, each); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
		}
		if time.Since(begin)+each >= length {
			return r.rest()
		}
	}
}

// harm does something for a part of d, and waits until all is well again.
func (r *run) harm(f fault, d time.Duration) error {
	r.watch.take()
	before := r.account.tally()
	if err := f.harm(r, d*3/5); err != nil {
		return err
	}
	r.watch.heal()
	time.Sleep(d * 2 / 5)
	row := r.row(f)
	row.add(r.watch.take())
	row.addSince(before, r.account.tally())
	return nil
}

// rest notes what the first process holds while nobody uses it.
func (r *run) rest() error {
	r.resting.Store(true)
	defer r.resting.Store(false)
	for _, b := range r.browsers {
		b.pause.Lock()
		defer b.pause.Unlock()
	}
	r.http.CloseIdleConnections()
	time.Sleep(300 * time.Millisecond)
	u, err := r.fleet[0].usage()
	r.usages = append(r.usages, u)
	return err
}

// lookAgain looks up all sessions once more, and those that have ended.
func (r *run) lookAgain() {
	r.watch.take()
	for _, b := range r.browsers {
		for _, id := range append(b.ghosts, b.cookie) {
			b.send(context.Background(), &request{op: look, user: b.user, id: id}, normal)
		}
	}
}

// checkFile fails if the database is damaged.
func (r *run) checkFile() error {
	if r.file == "" {
		return nil
	}
	db, err := sql.Open("sqlite3", "file:"+r.file+"?_busy_timeout=10000")
	if err != nil {
		return err
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil {
		return fmt.Errorf("integrity_check: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("integrity_check: %s", verdict)
	}
	return nil
}

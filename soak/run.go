package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"gosession.dev/session/internal/port"
	"gosession.dev/session/soak/wire"
)

// run is one test of a backend.
type run struct {
	backend
	*environment
	*clients
	browsers []*browser
	rounds   int // how often kill has restarted processes
	crashes  int // how often stopServer has restarted a server
	rows     []*row
	usages   []wire.Usage // of the first process, at rest
}

// soak tests a backend: it puts load on the application and causes the faults of the backend.
func soak(b backend, program string, o options) (res *result, err error) {
	h := &host{}
	defer h.close(&err)
	b.faults = slices.DeleteFunc(slices.Clone(b.faults), func(f fault) bool { return !strings.Contains(f.name, o.only) })
	r := &run{backend: b, environment: &environment{host: h, dir: h.TempDir()}}
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
	err = r.runFaults(begin, o.length)
	stop()
	if err != nil {
		return nil, err
	}
	r.lookUpAll()
	res = r.result(time.Since(begin))
	if err := r.fleet.stop(); err != nil {
		res.fail("%v", err)
	}
	return res, r.checkFile()
}

// setUp starts the servers and the processes of the application.
func (r *run) setUp(program string, o options) error {
	dsn := r.prepare(r.environment)
	if o.logs == "" {
		o.logs = os.DevNull
	}
	logs, err := os.OpenFile(o.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	r.Cleanup(func() { _ = logs.Close() })
	r.clients = &clients{
		model:    newModel(r.backend),
		watch:    &watch{},
		inCookie: r.driver == "cookie",
		http:     &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}},
	}
	for range r.processes {
		address, release, err := port.Reserve()
		if err != nil {
			return err
		}
		r.Cleanup(release)
		if len(r.fleet) > 0 && r.moves[0] != "" {
			dsn = strings.Replace(dsn, "stage=prepare", "stage=move", 1) // the first process stays at the stage before
		}
		r.fleet = append(r.fleet, &process{program: program, driver: r.driver, dsn: dsn, fault: o.fault, address: address, log: logs})
	}
	for i := range 2 * cmp.Or(o.users, r.users) {
		r.browsers = append(r.browsers, &browser{clients: r.clients, user: fmt.Sprint("user", i/2)})
	}
	return r.fleet.start()
}

// load uses all browsers until stop is called.
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

// longest is the longest time for one fault, including the time after it.
const longest = 30 * time.Second

// awaitSessions waits until the application has stored a session, but no longer than most. On a
// full disk or a read-only database it could not prepare the store.
func (r *run) awaitSessions(most time.Duration) {
	for begin := time.Now(); time.Since(begin) < most && r.model.isEmpty(); {
		time.Sleep(10 * time.Millisecond)
	}
}

// runFaults causes the faults of the backend: first, once each, those that restart processes,
// and then the others in turn until length has passed.
func (r *run) runFaults(begin time.Time, length time.Duration) error {
	phases := time.Duration(len(r.faults) + 1) // kill gets the time of two, for many restarts
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
		if err := r.measureAtRest(); err != nil {
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
			return r.measureAtRest()
		}
	}
}

// harm causes a fault for three fifths of d, and then waits for the rest of d. It adds what
// happened to the row of the fault.
func (r *run) harm(f fault, d time.Duration) error {
	r.watch.take()
	before := r.model.tally()
	if err := f.harm(r, d*3/5); err != nil {
		return err
	}
	r.watch.heal()
	time.Sleep(d * 2 / 5)
	row := r.row(f)
	row.add(r.watch.take())
	row.addSince(before, r.model.tally())
	return nil
}

// measureAtRest stops all browsers and notes the resources that the first process uses.
func (r *run) measureAtRest() error {
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

// lookUpAll looks up the current and the earlier IDs of all browsers once more.
func (r *run) lookUpAll() {
	r.watch.take()
	for _, b := range r.browsers {
		for _, id := range append(b.oldIDs, b.cookie) {
			b.send(context.Background(), &request{op: look, user: b.user, id: id}, normal)
		}
	}
}

// sqlDriver returns the name of the SQL driver that drivers/sqlite registers. It depends on cgo.
func sqlDriver() string {
	names := sql.Drivers()
	return names[slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, "sqlite") })]
}

// checkFile fails if the SQLite database is damaged. It creates no file: the file would belong to
// root.
func (r *run) checkFile() error {
	if r.file == "" {
		return nil
	}
	db, err := sql.Open(sqlDriver(), "file:"+r.file+"?mode=rw&_busy_timeout=10000")
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

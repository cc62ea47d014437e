// Package registry holds the registered drivers by name and opens their stores. It serves package
// session, drivers that are made of other drivers, and commands that need a store without a
// factory. Its errors have the prefix of package session and never show the DSN. It never returns
// a nil store, not even as a nil pointer in the interface.
package registry

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/isnil"
	"gosession.dev/session/internal/quiet"
	"gosession.dev/session/internal/suggest"
)

var (
	driversMu sync.RWMutex // guards drivers
	drivers   = map[string]driver.Driver{}
)

// Register is [gosession.dev/session.Register].
func Register(name string, d driver.Driver) {
	driversMu.Lock()
	defer driversMu.Unlock()
	if isnil.Value(d) {
		panic(fmt.Sprintf("session: Register of a nil driver as %q", name))
	}
	if _, taken := drivers[name]; taken {
		panic(fmt.Sprintf("session: Register called twice for driver %q", name))
	}
	drivers[name] = d
}

// Drivers is [gosession.dev/session.Drivers].
func Drivers() []string {
	driversMu.RLock()
	defer driversMu.RUnlock()
	return slices.Sorted(maps.Keys(drivers))
}

// Open opens a store of the named driver. The error shows nothing of the DSN.
func Open(driverName, dsn string) (driver.Store, error) {
	d, err := lookup(driverName)
	if err != nil {
		return nil, err
	}
	store, err := d.Open(dsn)
	switch {
	case err != nil:
		return nil, fmt.Errorf("session: open %s: %w", driverName, withoutDSN(err, dsn))
	case isnil.Store(store):
		return nil, fmt.Errorf("session: open %s: the driver returned neither a store nor an error", driverName)
	}
	return store, nil
}

// withoutDSN returns err unless its text contains the DSN, as the errors of url.Parse do; then
// it returns an error with another text that matches err. The contract forbids drivers to return
// such an error, but a password that has once been logged can't be taken back.
func withoutDSN(err error, dsn string) error {
	const minLen = 8 // a shorter DSN may be part of any text
	secrets := []string{dsn}
	if e, ok := errors.AsType[*url.Error](err); ok {
		secrets = append(secrets, e.URL)
	}
	for _, secret := range secrets {
		quoted := strings.Trim(strconv.Quote(secret), `"`)
		if text := err.Error(); len(secret) >= minLen && (strings.Contains(text, secret) || strings.Contains(text, quoted)) {
			return quiet.Error("the driver refuses the DSN; its error is not shown, because it repeats the DSN", err)
		}
	}
	return err
}

// lookup returns the driver with the given name, or an error that says how to register it.
func lookup(name string) (driver.Driver, error) {
	driversMu.RLock()
	d := drivers[name]
	driversMu.RUnlock()
	if d != nil {
		return d, nil
	}
	if strings.ContainsAny(name, ":/@?= ") {
		return nil, fmt.Errorf("session: unknown driver; its name, not shown here, looks like a DSN: are the arguments of Open swapped? %s", registered())
	}
	return nil, fmt.Errorf("session: unknown driver %q%s; %s", name, suggest.Driver(name, Drivers()), registered())
}

func registered() string {
	if names := Drivers(); len(names) > 0 {
		return "registered drivers: " + strings.Join(names, ", ")
	}
	return "no driver is registered"
}

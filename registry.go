package session

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"gosession.dev/session/driver"
)

var (
	driversMu sync.RWMutex // guards drivers
	drivers   = map[string]driver.Driver{}
)

// Register makes a driver available to [Open] by name. Drivers call it from
// their init function. It panics if d is nil or if the name is taken.
func Register(name string, d driver.Driver) {
	driversMu.Lock()
	defer driversMu.Unlock()
	if d == nil {
		panic(fmt.Sprintf("session: Register of a nil driver as %q", name))
	}
	if _, taken := drivers[name]; taken {
		panic(fmt.Sprintf("session: Register called twice for driver %q", name))
	}
	drivers[name] = d
}

// Drivers returns the names of the registered drivers, sorted.
func Drivers() []string {
	driversMu.RLock()
	defer driversMu.RUnlock()
	return slices.Sorted(maps.Keys(drivers))
}

// OpenStore opens a store of the named driver without a factory, for drivers that
// are made of others. Applications use [Open].
func OpenStore(driverName, dsn string) (driver.Store, error) {
	d, err := lookup(driverName)
	if err != nil {
		return nil, err
	}
	store, err := d.Open(dsn)
	return store, wrap("open "+driverName, err)
}

// lookup returns the driver of that name, or an error that tells what to do.
func lookup(name string) (driver.Driver, error) {
	driversMu.RLock()
	d := drivers[name]
	driversMu.RUnlock()
	if d != nil {
		return d, nil
	}
	registered := "no driver is registered"
	if names := Drivers(); len(names) > 0 {
		registered = "registered are: " + strings.Join(names, ", ")
	}
	if strings.ContainsAny(name, ":/@?= ") {
		return nil, fmt.Errorf("session: unknown driver; its name, not shown here, looks like a DSN: are the arguments of Open swapped? %s", registered)
	}
	return nil, fmt.Errorf("session: unknown driver %q (forgotten import _ \"gosession.dev/session/drivers/%s\"?); %s", name, name, registered)
}

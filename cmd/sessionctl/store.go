package main

import (
	"fmt"
	"strings"

	"gosession.dev/session"
	"gosession.dev/session/driver"
)

func openStore(name, dsn string) (driver.Store, error) {
	if name == "" {
		return nil, usage("say which driver: --driver or SESSION_DRIVER; there are %s", strings.Join(session.Drivers(), ", "))
	}
	store, err := session.OpenStore(name, dsn)
	if err != nil {
		return nil, coded{fmt.Errorf("%w; see: go doc gosession.dev/session/drivers/%s", err, name), exitUsage}
	}
	return store, nil
}

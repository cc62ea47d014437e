package main

import (
	"fmt"
	"net/url"
	"os"
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

// inMemory says so if there can't be anything to see.
func (c *ctl) inMemory() string {
	if c.driver != "memory" {
		return ""
	}
	return "sessions in the memory of an application can't be seen from outside it"
}

// noFile says so if SQLite is about to create its file, which a mistake in the DSN looks
// like.
func (c *ctl) noFile() string {
	path, isURI := strings.CutPrefix(c.dsnOrEnv(), "file:")
	path, _, _ = strings.Cut(path, "?")
	if unescaped, err := url.PathUnescape(path); isURI && err == nil {
		path = unescaped
	}
	if c.driver != "sqlite" || strings.Contains(c.dsnOrEnv(), "memory") || path == "" {
		return ""
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		return ""
	}
	return "there is no such file yet as the DSN names"
}

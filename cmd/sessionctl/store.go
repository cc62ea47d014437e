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

// odd says so if there can't be anything to see.
func (c *ctl) odd() string {
	switch {
	case c.driver == "memory":
		return "sessions in the memory of an application can't be seen from outside it"
	case c.driver == "sqlite" && isMissing(c.dsnOrEnv()):
		return "there is no such file yet as the DSN names"
	}
	return ""
}

// isMissing reports whether SQLite is about to create its file, which a mistake in the DSN
// looks like.
func isMissing(dsn string) bool {
	path, isURI := strings.CutPrefix(dsn, "file:")
	path, _, _ = strings.Cut(path, "?")
	if unescaped, err := url.PathUnescape(path); isURI && err == nil {
		path = unescaped
	}
	if strings.Contains(dsn, "memory") || path == "" {
		return false
	}
	_, err := os.Stat(path)
	return os.IsNotExist(err)
}

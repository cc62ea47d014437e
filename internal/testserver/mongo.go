package testserver

import (
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
)

// Mongo is a server that speaks MongoDB's wire protocol.
type Mongo struct {
	*Server        // nil if SESSION_TEST_MONGO_URI names the server
	URI     string // names no database
}

// StartMongo starts a FerretDB, unless SESSION_TEST_MONGO_URI names a server. The data survives
// Stop and Start.
func StartMongo(t testing.TB) Mongo {
	t.Helper()
	if uri := os.Getenv("SESSION_TEST_MONGO_URI"); uri != "" {
		return Mongo{URI: uri}
	}
	program, dir := build(t, "ferretdb"), t.TempDir()
	s := start(t, program, func(host, port string) []string {
		return []string{net.JoinHostPort(host, port), dir}
	})
	return Mongo{Server: s, URI: "mongodb://" + s.Addr}
}

// DSN returns the DSN of a database on the server with the given parameters.
func (m Mongo) DSN(database, params string) string {
	return withDatabase(m.URI, database, params)
}

// withDatabase returns a URL for another database, with params in addition to its own.
func withDatabase(uri, database, params string) string {
	base, query, _ := strings.Cut(uri, "?")
	scheme, rest, _ := strings.Cut(base, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host + "/" + url.PathEscape(database) + "?" + strings.Trim(query+"&"+params, "&")
}

package migrate

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// isSame reports whether two backends of a DSN, each a driver, a colon and its DSN, are visibly
// the same store. [session.Factory.Ping] finds other cases, by a write.
func isSame(a, b string) bool {
	a, b = canonical(a), canonical(b)
	return a == b && a != ""
}

// canonical returns the same text for all DSNs of one store, or "" if the DSN opens a new store
// each time.
func canonical(part string) string {
	name, dsn, _ := strings.Cut(part, ":")
	place, query, _ := strings.Cut(dsn, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		return part
	}
	switch name {
	case "memory":
		if place == "" {
			return ""
		}
		return name + ":" + place
	case "sqlite":
		if place == ":memory:" || params.Get("mode") == "memory" {
			return ""
		}
		return name + ":" + file(place) + "#" + or(params.Get("table"), "sessions")
	case "memcache":
		return name + ":" + hosts(place) + "#" + or(params.Get("prefix"), "sess:")
	case "redis":
		return name + ":" + redisDatabase(place, params) + "#" + or(params.Get("prefix"), "sess:")
	case "mongo", "postgres", "mysql":
		_, address, isURL := strings.Cut(place, "://")
		if name == "mysql" {
			address = place
		} else if !isURL {
			return part // the keywords of PostgreSQL
		}
		servers, database, _ := strings.Cut(address[strings.LastIndex(address, "@")+1:], "/")
		return name + ":" + hosts(servers) + "/" + database + "#" + or(params.Get(tableParameter[name]), "sessions")
	}
	return part
}

// tableParameter is the parameter of each server's DSN that names the table of sessions.
var tableParameter = map[string]string{"mongo": "collection", "postgres": "session_table", "mysql": "session_table"}

// file returns the absolute path of a file name or a file: URI.
func file(place string) string {
	if uri, is := strings.CutPrefix(place, "file:"); is {
		if path, err := url.PathUnescape(uri); err == nil {
			uri = path
		}
		if host, is := strings.CutPrefix(uri, "//"); is {
			_, path, _ := strings.Cut(host, "/")
			uri = "/" + path
		}
		place = uri
	}
	if path, err := filepath.Abs(place); err == nil {
		return path
	}
	return place
}

// redisDatabase returns the servers and the database of a URL of Redis.
func redisDatabase(place string, params url.Values) string {
	scheme, address, _ := strings.Cut(place, "://")
	servers, database, _ := strings.Cut(address[strings.LastIndex(address, "@")+1:], "/")
	_, kind, _ := strings.Cut(scheme, "+")
	port := ":6379"
	switch {
	case scheme == "unix":
		return database + "/" + or(params.Get("db"), "0")
	case kind == "sentinel":
		port = ":26379"
		primary, number, _ := strings.Cut(database, "/")
		database = primary + "/" + or(number, "0")
	}
	list := strings.Split(servers, ",")
	for i, server := range list {
		if strings.LastIndex(server, ":") <= strings.LastIndex(server, "]") {
			list[i] += port
		}
	}
	return kind + ":" + hosts(strings.Join(list, ",")) + "/" + or(database, "0")
}

func hosts(list string) string {
	hosts := strings.Split(strings.ToLower(list), ",")
	slices.Sort(hosts)
	return strings.Join(slices.Compact(hosts), ",")
}

func or(value, def string) string {
	if value == "" {
		return def
	}
	return value
}

package memcache

import (
	"strings"
	"testing"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/stretchr/testify/require"
)

// Open rejects a DSN that the first use would fail on. The error says why and quotes nothing of the
// DSN, because any part of it may be a password.
func TestBadDSN(t *testing.T) {
	long := strings.Repeat("c4nary", 20)
	for dsn, want := range map[string]string{
		"":                                       "server 1 of the DSN must be host:port",
		"a:1,":                                   "server 2 of the DSN must be host:port",
		"a:1,,b:1":                               "server 2 of the DSN must be host:port",
		"c4nary":                                 "must be host:port",
		"c4nary:":                                "must be host:port",
		":11211":                                 "must be host:port",
		"user:c4nary@host:11211":                 "must be host:port",
		"c4nary@host:11211":                      "a user and password are not supported",
		"c4nary/host:11211":                      "letters, digits",
		"c4nary%20x:11211":                       "letters, digits",
		"c4nary host:11211":                      "letters, digits",
		"memcache://c4nary:11211":                "must be host:port",
		"a:c4nary":                               "port from 1 to 65535",
		"a:c4nary@host":                          "port from 1 to 65535",
		"a:0":                                    "port from 1 to 65535",
		"a:01":                                   "port from 1 to 65535",
		"a:-1":                                   "port from 1 to 65535",
		"a:70000":                                "port from 1 to 65535",
		"a:18446744073709551617":                 "port from 1 to 65535",
		"a:1#c4nary":                             "port from 1 to 65535",
		"::1:11211":                              "IPv6 address in brackets",
		"[::1]":                                  "IPv6 address in brackets",
		"[::c4nary]:1":                           "letters, digits",
		"c4nary:1,b:1,c4nary:1":                  "servers 1 and 3 of the DSN are the same",
		"C4nary:1,c4nary.:1":                     "servers 1 and 2 of the DSN are the same",
		"[::1]:1,[0:0::1]:1":                     "servers 1 and 2 of the DSN are the same",
		"/c4nary/s,/c4nary//s":                   "servers 1 and 2 of the DSN are the same",
		"/c4nary" + long:                         "at most 107 bytes",
		"a:1?c4nary%zz":                          "malformed",
		"a:1?prefix=x:;c4nary=1":                 "malformed",
		"a:1?c4nary=1":                           "unknown parameter; the parameters are prefix,",
		"a:1?c4nary":                             "unknown parameter",
		"u:p?c4nary@host:1":                      "port from 1 to 65535",
		"a:1?Prefix=c4nary:":                     "unknown parameter",
		"a:1?prefix=c4nary:&prefix=b":            `"prefix" is given more than once`,
		"a:1?prefix=":                            `"prefix" must be 1 to 100 bytes`,
		"a:1?prefix":                             `"prefix" must be 1 to 100 bytes`,
		"a:1?prefix=c4nary%0ab:":                 `"prefix" must be 1 to 100 bytes`,
		"a:1?prefix=c4nary%7f:":                  `"prefix" must be 1 to 100 bytes`,
		"a:1?prefix=c4nary+:":                    `"prefix" must be 1 to 100 bytes`,
		"a:1?prefix=" + long + ":":               `"prefix" must be 1 to 100 bytes`,
		"a:1?prefix=c4nary":                      `"prefix" must end in a character other than A-Z, a-z, 0-9, "-", "_" and "@": add ":"`,
		"a:1?prefix=c4nary:2":                    `add ":"`,
		"a:1?prefix=c4nary-":                     `add ":"`,
		"a:1?prefix=c4nary_":                     `add ":"`,
		"a:1?prefix=c4nary@":                     `add ":"`,
		"a:1?timeout=c4nary":                     `"timeout" must be a duration`,
		"a:1?timeout=-1s":                        `"timeout" must be a duration`,
		"a:1?timeout=1us":                        `"timeout" must be a duration of at least 1ms`,
		"a:1?timeout=0":                          `"timeout" must be a duration`,
		"a:1?timeout=5":                          `"timeout" must be a duration`,
		"a:1?timeout=9999999h":                   `"timeout" must be a duration`,
		"a:1?max_idle_conns=0":                   `"max_idle_conns" must be a whole number`,
		"a:1?max_idle_conns=c4nary":              `"max_idle_conns" must be a whole number`,
		"a:1?max_idle_conns=1e3":                 `"max_idle_conns" must be a whole number`,
		"a:1?max_item_size=1023":                 `"max_item_size" must be a number of bytes`,
		"a:1?max_item_size=c4nary":               `"max_item_size" must be a number of bytes`,
		"a:1?max_item_size=1m":                   `"max_item_size" must be a number of bytes`,
		"a:1?max_item_size=1073741825":           `"max_item_size" must be a number of bytes`,
		"a:1?max_item_size=99999999999999999999": `"max_item_size" must be a number of bytes`,
	} {
		_, err := Driver{}.Open(dsn)
		require.ErrorContains(t, err, want, dsn)
		require.NotContains(t, strings.ToLower(err.Error()), "c4nary", dsn)
	}
}

func TestGoodDSN(t *testing.T) {
	for _, dsn := range []string{
		"a:1", "a_b.c-d:65535", "[::1]:11211", "[fe80::1%eth0]:1", "10.0.0.1:1,10.0.0.1:2", "/run/a,/run/b", "a:1?", "a.:1",
		"a:1?prefix=a%3a", "a:1?prefix=%25", "a:1?prefix=caf%c3%a9", "a:1?prefix=a@b:", "a:1?prefix=" + strings.Repeat("x", 99) + ":",
	} {
		s, err := Driver{}.Open(dsn)
		require.NoError(t, err, dsn)
		require.NoError(t, s.Close())
	}
}

// New returns no error. If its arguments are not valid, each call of the store returns one.
func TestInvalidOptions(t *testing.T) {
	client := memcache.New("127.0.0.1:1")
	for want, s := range map[string]*Store{
		"New needs a client":                                 New(nil, Options{}),
		"Options.Prefix must end in":                         New(client, Options{Prefix: "app"}),
		"Options.Prefix must be 1 to 100":                    New(client, Options{Prefix: "a b:"}),
		"Options.MaxItemSize must be a number of bytes from": New(client, Options{MaxItemSize: -1}),
	} {
		_, err := s.Retrieve(t.Context(), "k")
		_, swept := s.DeleteExpired(t.Context())
		for _, err := range []error{err, swept, s.Create(t.Context(), record("k", 1)), s.Ping(t.Context()), s.DestroySubject(t.Context(), "ada")} {
			require.ErrorContains(t, err, "memcache: "+want)
		}
		for _, err := range s.Sessions(t.Context()) {
			require.ErrorContains(t, err, "memcache: "+want)
		}
		require.NoError(t, s.Close())
	}
}

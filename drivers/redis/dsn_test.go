package redis

import (
	"errors"
	"strings"
	"testing"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/internal/testserver"
)

// Open refuses a DSN that the first use would fail on. The error says why and quotes nothing of the
// DSN, because any part of it may be a password.
func TestBadDSN(t *testing.T) {
	long := strings.Repeat("c4nary", 20)
	for dsn, want := range map[string]string{
		"":                                  "the DSN is malformed; want redis://",
		"c4nary":                            "the DSN is malformed",
		"c4nary:6379":                       "the DSN is malformed",
		"redis:c4nary":                      "the DSN is malformed",
		"c4nary://h":                        "the DSN is malformed",
		"redis+c4nary://h":                  "the DSN is malformed",
		"redis+://h":                        "the DSN is malformed",
		"unix+cluster:///c4nary":            "the DSN is malformed",
		"redis://h#c4nary":                  "the DSN is malformed",
		"redis://c4nary h":                  "a space or a control character",
		"redis://h/0?prefix=c4nary\x00":     "a space or a control character",
		"redis://h\n":                       "a space or a control character",
		"redis://":                          "a server of the DSN is malformed",
		"redis:///0":                        "a server of the DSN is malformed",
		"redis://h:":                        "a server of the DSN is malformed",
		"redis://h:c4nary":                  "a server of the DSN is malformed",
		"redis://h:0":                       "a server of the DSN is malformed",
		"redis://h:065":                     "a server of the DSN is malformed",
		"redis://h:65536":                   "a server of the DSN is malformed",
		"redis://::1:6379":                  "a server of the DSN is malformed",
		"redis://[c4nary:1]":                "a server of the DSN is malformed",
		"redis://c4nary%20":                 "a server of the DSN is malformed",
		"redis://u:p?c4nary@h":              "unknown parameter",
		"redis://u:p/c4nary@h":              "database must be a number",
		"redis+sentinel://h,,h/m":           "a server of the DSN is malformed",
		"redis+cluster://h,":                "a server of the DSN is malformed",
		"redis://h,c4nary":                  "names one server",
		"redis://c4nary@h":                  "a user without a password",
		"redis://u:c4nary%zz@h":             "user or the password of the DSN is malformed",
		"redis://c4nary%z:p@h":              "user or the password of the DSN is malformed",
		"redis://h/c4nary":                  "database must be a number",
		"redis://h/-1":                      "database must be a number",
		"redis://h/01":                      "database must be a number",
		"redis://h/1000001":                 "database must be a number",
		"redis://h/0/c4nary":                "database must be a number",
		"redis+sentinel://h/m/c4nary":       "database must be a number",
		"redis+sentinel://h":                "must name the primary",
		"redis+sentinel://h//0":             "must name the primary",
		"redis+cluster://h/1":               "only the database 0",
		"unix://c4nary/s":                   "absolute path of a unix socket",
		"unix:///":                          "absolute path of a unix socket",
		"unix:///" + long:                   "of at most 107 bytes",
		"unix:///c4nary%00":                 "absolute path of a unix socket",
		"redis://h?c4nary=1":                "unknown parameter; the parameters are ca_file,",
		"redis://h?c4nary":                  "unknown parameter",
		"redis://h?&":                       "unknown parameter",
		"redis://h?prefix=a:&":              "unknown parameter",
		"redis://h?Prefix=c4nary:":          "unknown parameter",
		"redis://h?prefix=c4nary%zz":        "parameters are malformed",
		"redis://h?prefix=a:#c4nary":        "parameters are malformed",
		"redis://h?prefix=c4nary%00:":       "parameters are malformed",
		"redis://h?prefix=":                 `"prefix" has no value`,
		"redis://h?prefix":                  `"prefix" has no value`,
		"redis://h?prefix=a:&prefix=c4nary": `"prefix" is given more than once`,
		"redis://h?prefix=c4nary":           `"prefix" must end in a character other than A-Z, a-z, 0-9, "-" and "_": add ":"`,
		"redis://h?prefix=c4nary_":          `add ":"`,
		"redis://h?prefix=c4nary@b:":        `must not contain "@" and "!"`,
		"redis://h?prefix=c4nary!":          `must not contain "@" and "!"`,
		"redis://h?prefix=c4nary+b:":        "without spaces",
		"redis://h?prefix=" + long + ":":    "1 to 100 bytes",
		"redis://h?timeout=c4nary":          `"timeout" must be a duration`,
		"redis://h?timeout=5":               `"timeout" must be a duration`,
		"redis://h?timeout=1us":             `"timeout" must be a duration of at least 1ms`,
		"redis://h?wait=c4nary":             `"wait" must be a number`,
		"redis://h?wait=-1":                 `"wait" must be a number`,
		"redis://h?wait=1001":               `"wait" must be a number`,
		"redis://h?wait_timeout=0":          `"wait_timeout" must be a duration`,
		"redis://h?client_name=c4nary%20x":  `"client_name" must not contain spaces`,
		"redis://h?db=1":                    `"db" is for unix sockets only`,
		"unix:///s?db=c4nary":               `"db" must be a number`,
		"redis://h?sentinel_user=c4nary":    `"sentinel_user" is for DSNs that begin with redis+sentinel://`,
		"redis://h?ca_file=c4nary":          `"ca_file" is for DSNs that begin with rediss`,
		"rediss://h?cert_file=c4nary":       "cert_file and key_file belong together",
		"rediss://h?insecure_skip_verify=c": `"insecure_skip_verify" must be true or false`,
	} {
		_, err := Driver{}.Open(dsn)
		require.ErrorContains(t, err, want, dsn)
		require.NotContains(t, strings.ToLower(err.Error()), "c4nary", dsn)
	}
}

func TestGoodDSN(t *testing.T) {
	for text, want := range map[string]dsn{
		"redis://h":                 {client: rueidis.ClientOption{InitAddress: []string{"h:6379"}, ForceSingleClient: true}},
		"redis://h?":                {client: rueidis.ClientOption{InitAddress: []string{"h:6379"}, ForceSingleClient: true}},
		"redis://[::1]":             {client: rueidis.ClientOption{InitAddress: []string{"[::1]:6379"}, ForceSingleClient: true}},
		"redis://[fe80::1%eth0]:70": {client: rueidis.ClientOption{InitAddress: []string{"[fe80::1%eth0]:70"}, ForceSingleClient: true}},
		"redis://:p%40%2f@h:7/3":    {client: rueidis.ClientOption{InitAddress: []string{"h:7"}, Password: "p@/", SelectDB: 3, ForceSingleClient: true}},
		"redis://u%3a:p@q@h/":       {client: rueidis.ClientOption{InitAddress: []string{"h:6379"}, Username: "u:", Password: "p@q", ForceSingleClient: true}},
		"unix:///run/r%20s?db=2":    {network: "unix", client: rueidis.ClientOption{InitAddress: []string{"/run/r s"}, SelectDB: 2, ForceSingleClient: true}},
		"unix://u:p@/s":             {network: "unix", client: rueidis.ClientOption{InitAddress: []string{"/s"}, Username: "u", Password: "p", ForceSingleClient: true}},
		"rediss+sentinel://a,b:5/m/1?sentinel_user=u&sentinel_password=p%26": {useTLS: true, client: rueidis.ClientOption{
			InitAddress: []string{"a:26379", "b:5"}, SelectDB: 1, Sentinel: rueidis.SentinelOption{MasterSet: "m", Username: "u", Password: "p&"}}},
		"redis+cluster://a,b/0?prefix=x:&wait=1&wait_timeout=2s": {
			client: rueidis.ClientOption{InitAddress: []string{"a:6379", "b:6379"}}, options: Options{Prefix: "x:", Cluster: true, Wait: 1, WaitTimeout: 2e9}},
		"rediss://h?ca_file=a&cert_file=b&key_file=c&server_name=d&insecure_skip_verify=true&client_name=e": {
			client: rueidis.ClientOption{InitAddress: []string{"h:6379"}, ForceSingleClient: true, ClientName: "e"}, useTLS: true, tls: tlsFiles{"a", "b", "c", "d", true}},
	} {
		if want.network == "" {
			want.network = "tcp"
		}
		want.timeout = defaultTimeout
		got, err := parseDSN(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

// A store that Open returns has names that no store with another prefix has, and an error of Open
// quotes nothing.
func FuzzDSN(f *testing.F) {
	for _, dsn := range []string{
		"redis://user:secret@host:6379/0?prefix=a:&timeout=1s", "unix:///path?db=0", "redis+sentinel://h1,h2:1/m/0", "redis+cluster://h?prefix={a}:", "redis://[::1]:1",
	} {
		f.Add(dsn)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDSN(text)
		if err != nil {
			if len(text) > 40 && strings.Contains(err.Error(), text) || len(err.Error()) > 1000 {
				t.Errorf("parseDSN(%q) = %v", text, err)
			}
			return
		}
		if d.options.Prefix != "" && checkPrefix(d.options.Prefix) != nil {
			t.Errorf("parseDSN(%q) accepts the prefix %q", text, d.options.Prefix)
		}
		s, err := Driver{}.Open(text)
		if err != nil || errors.Is(err, errForm) {
			t.Fatalf("Open(%q) = %v; want a store, as parseDSN", text, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// New returns no error. If its arguments are not valid, each call of the store returns one.
func TestInvalidOptions(t *testing.T) {
	client := newClient(t, "redis://"+testserver.StartRedis(t).Addr)
	defer client.Close()
	for want, s := range map[string]*Store{
		"New needs a client":                New(nil, Options{}),
		"Options.Prefix must end in":        New(client, Options{Prefix: "app"}),
		"Options.Prefix must be 1 to 100":   New(client, Options{Prefix: "a b:"}),
		"Options.Wait and":                  New(client, Options{Wait: -1}),
		"the store was not made by New or ": {},
	} {
		_, err := s.Retrieve(t.Context(), "k")
		_, swept := s.DeleteExpired(t.Context())
		for _, err := range []error{err, swept, s.Create(t.Context(), record("k", 1)), s.Ping(t.Context()), s.DestroySubject(t.Context(), "ada")} {
			require.ErrorContains(t, err, "redis: "+want)
		}
		for _, err := range s.Sessions(t.Context()) {
			require.ErrorContains(t, err, "redis: "+want)
		}
		require.NoError(t, s.Close())
	}
}

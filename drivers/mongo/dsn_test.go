package mongo

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Open rejects a DSN that the first use would fail on. The error says why and quotes nothing of the
// DSN, because any part of it may be a password.
func TestBadDSN(t *testing.T) {
	const none = "not a MongoDB connection string"
	for dsn, want := range map[string]string{
		"":                                   none,
		"sqlite":                             none,
		"MONGODB://c4nary/db":                none,
		"c4nary:27017/db":                    none,
		"mongodb:///c4nary":                  none,
		"mongodb://ada:c4n:ary@host/db":      none,
		"mongodb://ada:c4nary@@host/db":      none,
		"mongodb://ada:c4nary/x@host/db":     none,
		"mongodb://ada:c4n%zzary@host/db":    none,
		"mongodb://c4nary:0/db":              none,
		"mongodb://c4nary:70000/db":          none,
		"mongodb://host:c4nary/db":           none,
		"mongodb://host:c4nary@h/db/c4nary":  "name of the DSN's database",
		"mongodb://::1:27017/db":             none,
		"mongodb://::1/db":                   none,
		"mongodb://ada:p?c4nary":             none,
		"mongodb://ada:p?collection=c4nary$": none,
		"mongodb://ada:c4nary?x=1":           none,
		"mongodb://host/db?c4nary":           none,
		"mongodb://host/db?canary":           none,
		"mongodb://host/db?canary%zz=1":      none,
		"mongodb://host/db?w=%zzc4nary":      `"w" has a value that MongoDB's driver refuses`,

		"mongodb://ada@host/db":                      "a user without a password",
		"mongodb://ada:@host/db":                     "a user without a password",
		"mongodb://c4n ary/db":                       "host 1 of the DSN must be",
		"mongodb://a,c4n%20ary/db":                   "host 2 of the DSN must be",
		"mongodb://a,c4n%40ary:1/db":                 "host 2 of the DSN must be",
		"mongodb://%2Fc4nary/db":                     "host 1 of the DSN must be",
		"mongodb://c4nary,b,C4nary:27017/db":         "hosts 1 and 3 of the DSN are the same",
		"mongodb://[::1],[0:0::1]:27017/db":          "hosts 1 and 2 of the DSN are the same",
		"mongodb+srv://a.c4nary.org,b.org/db":        "must have one host, without a port",
		"mongodb+srv://c4nary.org:27017/db":          "must have one host, without a port",
		"mongodb+srv://c4n_ary.o!rg/db":              "host 1 of the DSN must be",
		"mongodb+srv://a.b/db?directConnection=true": `can't have "directConnection"`,

		"mongodb://c4nary":                               "names no database",
		"mongodb://c4nary/":                              "names no database",
		"mongodb+srv://c4nary/?w=2":                      "names no database",
		"mongodb://c4nary?collection=x":                  "names no database",
		"mongodb://host/c4n%20ary":                       "name of the DSN's database",
		"mongodb://host/c4n.ary":                         "name of the DSN's database",
		"mongodb://host/c4n$ary":                         "name of the DSN's database",
		"mongodb://host/c4n%22ary":                       "name of the DSN's database",
		"mongodb://host/c4nary/x":                        "name of the DSN's database",
		"mongodb://host/c4n%5Cary":                       "name of the DSN's database",
		"mongodb://host/c4n%00ary":                       "name of the DSN's database",
		"mongodb://host/c4nary%ff":                       "name of the DSN's database",
		"mongodb://host/" + strings.Repeat("c4nary", 11): "name of the DSN's database",
		"mongodb://host/local":                           "local or config",
		"mongodb://host/config":                          "local or config",

		"mongodb://host/db?collection":                                 `"collection" must be a name`,
		"mongodb://host/db?collection=":                                `"collection" must be a name`,
		"mongodb://host/db?collection=c4n$ary":                         `"collection" must be a name`,
		"mongodb://host/db?collection=c4n%24ary":                       `"collection" must be a name`,
		"mongodb://host/db?collection=c4n%00ary":                       `"collection" must be a name`,
		"mongodb://host/db?collection=system.c4nary":                   `"collection" must be a name`,
		"mongodb://host/db?collection=.c4nary":                         `"collection" must be a name`,
		"mongodb://host/db?collection=c4nary.":                         `"collection" must be a name`,
		"mongodb://host/db?collection=c4n..ary":                        `"collection" must be a name`,
		"mongodb://host/db?collection=c4nary%ff":                       `"collection" must be a name`,
		"mongodb://host/db?collection=" + strings.Repeat("c4nary", 50): "at most 254 bytes together",
		"mongodb://host/db?collection=a&collection=c4nary":             `"collection" is given more than once`,
		"mongodb://host/db?collection=c4nary&COLLECTION=b":             `"collection" is given more than once`,
		"mongodb://host/db?data=c4nary":                                `"data" must be binary or document`,
		"mongodb://host/db?data=":                                      `"data" must be binary or document`,
		"mongodb://host/db?Data=c4nary%zz":                             `"data" is malformed`,

		"mongodb+srv://a.b/db?srvMaxHosts=c4nary":          `"srvmaxhosts" has a value`,
		"mongodb+srv://a.b/db?srvMaxHosts=1&srvmaxhosts=2": `"srvmaxhosts" is given more than once`,
		"mongodb+srv://a.b/db?srvServiceName=":             `"srvservicename" has a value`,
		"mongodb://a/db?srvMaxHosts=1":                     `"srvMaxHosts" has a value`,
		"mongodb://host/db?c4nary=1":                       "unknown parameter; the parameters are collection,",
		"mongodb://host/db?colection=c4nary":               "unknown parameter",
		"mongodb://host/db?x%26c4nary=1":                   "unknown parameter",
		"mongodb+srv://host/db?c4nary=x":                   "unknown parameter",
		"mongodb://host/db?w=0":                            `"w" is 0`,
		"mongodb://host/db?w=c4nary&w=0":                   `"w" is given more than once`,
		"mongodb://host/db?replicaSet=c4nary&replicaset=b": `"replicaset" is given more than once`,
		"mongodb://host/db?maxPoolSize=1&maxPoolSize=2":    `"maxpoolsize" is given more than once`,
		"mongodb://host/db?connectTimeoutMS=c4nary":        `"connectTimeoutMS" has a value`,
		"mongodb://host/db?connectTimeoutMS=-1":            `"connectTimeoutMS" has a value`,
		"mongodb://host/db?timeoutMS=99999999999999999999": `"timeoutMS" has a value`,
		"mongodb://host/db?tls=c4nary":                     `"tls" has a value`,
		"mongodb://host/db?retryWrites=c4nary":             `"retryWrites" has a value`,
		"mongodb://host/db?authMechanism=c4nary":           `"authMechanism" has a value`,
		"mongodb://host/db?readPreferenceTags=c4nary":      `"readPreferenceTags" has a value`,
		"mongodb://host/db?readConcernLevel=c4nary":        `"readConcernLevel" must be`,
		"mongodb://host/db?compressors=zlib,c4nary":        `"compressors" must be`,
		"mongodb://host/db?readPreference=c4nary":          "contradict",
		"mongodb://host/db?minPoolSize=9&maxPoolSize=5":    "contradict",
		"mongodb://host/db?heartbeatFrequencyMS=1":         "contradict",
		"mongodb://host/db?tlsCAFile=/c4nary":              "a file that can't be read",
	} {
		_, err := Driver{}.Open(dsn)
		require.ErrorContains(t, err, want, dsn)
		for _, canary := range []string{"c4n", "canary", "host/", "ada"} {
			require.NotContains(t, strings.ReplaceAll(strings.ToLower(err.Error()), "host:port/", ""), canary, dsn)
		}
	}
}

func TestGoodDSN(t *testing.T) {
	for _, dsn := range []string{
		"mongodb://a/db", "mongodb://a_b.c-d:1,b,[::1]:2,10.0.0.1/db?", "mongodb://%2Ftmp%2Fmongodb-27017.sock/db", "mongodb://a./d%c3%a9",
		"mongodb://ada:p%40ss@a/db?authSource=admin&authMechanism=SCRAM-SHA-256", "mongodb://a/db?Collection=x.y&DATA=document",
		"mongodb://a/db?readConcernLevel=linearizable&compressors=snappy,zstd", "mongodb://a/admin", "mongodb://a/db?w=majority",
		"mongodb://a/db?readPreference=nearest&readPreferenceTags=x:1&readPreferenceTags=", "mongodb+srv://a.b.c/db?srvMaxHosts=2&srvServiceName=x",
		"mongodb://a/db?collection=" + strings.Repeat("x", 252),
	} {
		s, err := Driver{}.Open(dsn)
		require.NoError(t, err, dsn)
		require.NoError(t, s.Close())
	}
}

package mysql

import (
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/drivers/sqlstore"
)

const server = "web:se/cret@tcp(db.internal:3306)/shop"

func TestDSN(t *testing.T) {
	d, err := parseDSN(server)
	require.NoError(t, err)
	require.Equal(t, "web", d.config.User)
	require.Equal(t, "se/cret", d.config.Passwd)
	require.Equal(t, "db.internal:3306", d.config.Addr)
	require.Equal(t, "shop", d.config.DBName)
	require.True(t, d.config.ClientFoundRows)
	require.Equal(t, 1<<30, d.config.MaxAllowedPacket)
	require.Equal(t, sessionVariables, d.config.Params)
	require.Equal(t, &mysql.NopLogger{}, d.config.Logger)
	require.Equal(t, "READ COMMITTED", d.isolation)
	require.Equal(t, []any{defaultConnect, defaultMaxConns, defaultLifetime}, []any{d.connect, d.maxConns, d.lifetime})
	require.Equal(t, sqlstore.Options{Exclusive: true}, d.options)

	d, err = parseDSN(server + "?session_table=web.s&session_id_column=k&session_data_column=d&session_json=true&session_max_conns=7&session_conn_lifetime=90s" +
		"&timeout=2s&tx_isolation=REPEATABLE-READ&interpolateParams=1&clientFoundRows=false&loc=Europe%2FBerlin&maxAllowedPacket=70000" +
		"&time_zone=%27%2B02:00%27&lock_wait_timeout=9&sql_mode=%27TRADITIONAL,ANSI_QUOTES%27&charset=utf8mb4,utf8&readTimeout=4s&tls=skip-verify&wsrep_sync_wait=7")
	require.NoError(t, err)
	require.Equal(t, sqlstore.Options{Exclusive: true, Table: "web.s", IDColumn: "k", DataColumn: "d", JSON: true, Unprepared: true}, d.options)
	require.Equal(t, []any{2 * time.Second, 7, 90 * time.Second, "REPEATABLE READ"}, []any{d.connect, d.maxConns, d.lifetime, d.isolation})
	require.Equal(t, map[string]string{
		"time_zone": "'+02:00'", "lock_wait_timeout": "9", "innodb_lock_wait_timeout": "3", "sql_mode": "'TRADITIONAL,ANSI_QUOTES'", "wsrep_sync_wait": "7",
	}, d.config.Params)
	require.False(t, d.config.ClientFoundRows)
	require.Equal(t, 70000, d.config.MaxAllowedPacket)
	require.Equal(t, "Europe/Berlin", d.config.Loc.String())
	require.Equal(t, 4*time.Second, d.config.ReadTimeout)
	require.True(t, d.config.TLS.InsecureSkipVerify)
}

// Each of these DSNs names a server.
func TestGoodDSN(t *testing.T) {
	for dsn, addr := range map[string]string{
		"web@tcp(host)/db":                                       "host:3306",
		"web@tcp6([::1]:3307)/db":                                "[::1]:3307",
		"web@tcp/db":                                             "127.0.0.1:3306",
		"/db":                                                    "127.0.0.1:3306",
		"web@unix(/run/mysqld/mysqld.sock)/db":                   "/run/mysqld/mysqld.sock",
		"web:p@ss:w?rd@tcp(host:3306)/db?":                       "host:3306",
		"web@cloudsql(project:region:name)/db":                   "project:region:name",
		"web@tcp(host)/?session_table=web.s":                     "host:3306",
		"web@tcp(host)/my%2Fdb?session_table=s":                  "host:3306",
		"web@tcp(host)/db?time_zone='UTC'":                       "host:3306",
		"web@tcp(host)/db?transaction_isolation='SERIALIZABLE'":  "host:3306",
		"web@tcp(host)/db?connectionAttributes=program_name:web": "host:3306",
		"web@tcp(host)/db?allowAllFiles=false&multiStatements=0": "host:3306",
	} {
		d, err := parseDSN(dsn)
		require.NoError(t, err, dsn)
		require.Equal(t, addr, d.config.Addr, dsn)
	}
}

func TestBadDSN(t *testing.T) {
	const other = "web:swordfish@tcp(host:3306)/db"
	for dsn, want := range map[string]string{
		"":                                         "malformed",
		"db":                                       "malformed",
		"web@tcp(host:3306":                        "malformed",
		"web@tcp(host:3306)":                       "malformed",
		"web@tcp(host:3306)x/db":                   "malformed",
		"web@tcp(host:3306/db":                     "malformed",
		"web@foo/db":                               "malformed",
		"web@tcp(host:3306)/d%zb":                  "malformed",
		"web@tcp(host:3306)/d%00b":                 "malformed",
		"mysql://web@host/db":                      "is a URL",
		"web@tcp(host:3306)/":                      "names no database",
		"web@tcp(host:3306)/?session_table=s":      "names no database",
		"web@tcp([::1])/db":                        "address",
		"web@tcp(host:0)/db":                       "address",
		"web@tcp(host:port)/db":                    "address",
		"web@tcp(a:1,b:2)/db":                      "address",
		"web@tcp(host:99999)/db":                   "address",
		"web@t_cp!(host)/db":                       "address",
		other + "\x00":                             "control character",
		other + "\n":                               "control character",
		"web:a\tb@tcp(host)/db":                    "control character",
		other + "?loc=Europe/Berlin":               "malformed",
		other + "?loc=%zz":                         "escape",
		other + "?time_zone=%00":                   "escape",
		other + "?swordfish=1":                     "unknown DSN parameter",
		other + "?strict=true":                     "unknown DSN parameter",
		other + "?Timeout=1s":                      "unknown DSN parameter",
		other + "?&timeout=1s":                     "unknown DSN parameter",
		other + "?timeout=1s&":                     "unknown DSN parameter",
		other + "?timeout":                         "timeout has no value",
		other + "?timeout=":                        "timeout has no value",
		other + "?timeout=1s&timeout=1s":           "timeout is given more than once",
		other + "?timeout=1":                       "timeout takes a duration",
		other + "?timeout=0s":                      "timeout takes a duration",
		other + "?session_table=a-b":               "given as table is invalid",
		other + "?session_table=s_schema":          "ends in _schema",
		other + "?session_id_column=meta":          "has a column \"meta\" already",
		other + "?session_max_conns=0":             "session_max_conns takes a number",
		other + "?session_max_conns=%2B5":          "session_max_conns takes a number",
		other + "?session_conn_lifetime=1ms":       "session_conn_lifetime takes a duration",
		other + "?session_json=yes":                "session_json takes one of",
		other + "?parseTime=yes":                   "parseTime takes one of",
		other + "?allowAllFiles=true":              "allowAllFiles takes false",
		other + "?multiStatements=true":            "multiStatements takes false",
		other + "?checkConnLiveness=0":             "checkConnLiveness takes true",
		other + "?charset=gbk":                     "charset takes one of",
		other + "?collation=latin1_bin":            "collation takes a collation of utf8mb4",
		other + "?loc=Nowhere":                     "loc takes the name of a time zone",
		other + "?maxAllowedPacket=x":              "maxAllowedPacket takes a number",
		other + "?tls=unregistered":                "tls takes",
		other + "?serverPubKey=unregistered":       "serverPubKey takes",
		other + "?autocommit=0":                    "autocommit takes one of",
		other + "?sql_mode=''":                     "sql_mode takes modes",
		other + "?sql_mode='ANSI_QUOTES'":          "sql_mode takes modes",
		other + "?sql_mode=STRICT_ALL_TABLES":      "sql_mode takes modes",
		other + "?time_zone=UTC":                   "time_zone takes a time zone in single quotes",
		other + "?time_zone='a',sql_mode=''":       "time_zone takes a time zone in single quotes",
		other + "?tx_isolation='READ-UNCOMMITTED'": "tx_isolation takes one of",
		other + "?tx_isolation=SERIALIZABLE&transaction_isolation=SERIALIZABLE": "are the same",
		other + "?lock_wait_timeout=0":                                          "lock_wait_timeout takes a number",
		other + "?max_statement_time=1,autocommit=0":                            "max_statement_time takes",
	} {
		s, err := Driver{}.Open(dsn)
		require.Nil(t, s, dsn)
		require.ErrorContains(t, err, want, dsn)
		require.ErrorContains(t, err, ":", dsn)
		require.NotContains(t, err.Error(), "swordfish", dsn)
		require.Less(t, len(err.Error()), 1<<10)
	}
}

// The list of go-sql-driver's parameters is complete: the driver takes each of them for its own, and
// sends none to the server as a system variable.
func TestClientParamsAreKnown(t *testing.T) {
	values := map[string]string{
		"charset": "utf8mb4", "collation": "utf8mb4_bin", "connectionAttributes": "a:b", "loc": "UTC", "maxAllowedPacket": "1", "readTimeout": "1s",
		"timeTruncate": "1s", "timeout": "1s", "tls": "true", "writeTimeout": "1s",
	}
	for _, p := range clientParams {
		value := values[p.name]
		if value == "" {
			value = "false"
		}
		if p.name == "serverPubKey" {
			continue // needs a registered key
		}
		config, err := mysql.ParseDSN(server + "?" + p.name + "=" + value)
		require.NoError(t, err, p.name)
		require.Empty(t, config.Params, p.name)
	}
	for _, p := range variables {
		config, err := mysql.ParseDSN(server + "?" + p.name + "=1")
		require.NoError(t, err)
		require.Equal(t, map[string]string{p.name: "1"}, config.Params)
	}
}

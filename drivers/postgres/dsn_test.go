package postgres

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// clearEnvironment removes the variables that pgx reads.
func clearEnvironment(t *testing.T) {
	for _, name := range []string{"PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSERVICE", "PGSSLMODE", "PGTARGETSESSIONATTRS", "PGOPTIONS"} {
		t.Setenv(name, "")
	}
}

func TestDSN(t *testing.T) {
	clearEnvironment(t)
	for text, check := range map[string]func(d dsn){
		"postgres://u:p%40@h:1234/db?sslmode=disable": func(d dsn) {
			require.Equal(t, []any{"u", "p@", "h", uint16(1234), "db"}, []any{d.config.User, d.config.Password, d.config.Host, d.config.Port, d.config.Database})
			require.Nil(t, d.config.TLSConfig)
			require.Equal(t, Options{}, d.options)
			require.Empty(t, d.loses)
			require.Equal(t, limits{16, 30 * time.Minute, 3 * time.Minute}, d.pool)
			require.Zero(t, d.config.ConnectTimeout)
			require.Equal(t, map[string]string{"client_encoding": "UTF8"}, d.config.RuntimeParams)
		},
		"postgresql://h/db?session_table=web.s&session_id_column=k&session_data_column=v&data=jsonb&unlogged=true&search_path=a%2Cb": func(d dsn) {
			require.Equal(t, Options{Table: "web.s", IDColumn: "k", DataColumn: "v", JSON: true, Unlogged: true}, d.options)
			require.Equal(t, losesUnlogged, d.loses)
			require.Equal(t, map[string]string{"client_encoding": "UTF8", "search_path": "a,b"}, d.config.RuntimeParams)
		},
		`host=h dbname = db  password='it\'s \\ it' session_table=s application_name='a b'`: func(d dsn) {
			require.Equal(t, []any{"h", "db", `it's \ it`, "s"}, []any{d.config.Host, d.config.Database, d.config.Password, d.options.Table})
			require.Equal(t, map[string]string{"client_encoding": "UTF8", "application_name": "a b"}, d.config.RuntimeParams)
		},
		"postgres://h1,h2:6000/db?pool_max_conns=3&pool_max_conn_lifetime=1h&pool_max_conn_idle_time=10s&sslmode=disable": func(d dsn) {
			require.Equal(t, limits{3, time.Hour, 10 * time.Second}, d.pool)
			require.Equal(t, timeoutOfHost, d.config.ConnectTimeout)
			require.Len(t, d.config.Fallbacks, 1)
		},
		"host=h1,h2 connect_timeout=7": func(d dsn) { require.Equal(t, 7*time.Second, d.config.ConnectTimeout) },
		"postgres://h/db?sslmode=verify-full": func(d dsn) {
			require.Equal(t, "h", d.config.TLSConfig.ServerName)
			require.False(t, d.config.TLSConfig.InsecureSkipVerify)
			require.Empty(t, d.config.Fallbacks)
		},
		"postgres://h/db?synchronous_commit=off&myapp.tenant=7&TimeZone=UTC": func(d dsn) {
			require.Contains(t, d.loses, "synchronous_commit is off")
			require.Equal(t, map[string]string{"client_encoding": "UTF8", "synchronous_commit": "off", "myapp.tenant": "7", "TimeZone": "UTC"}, d.config.RuntimeParams)
		},
		"postgres://h/db?synchronous_commit=on":        func(d dsn) { require.Empty(t, d.loses) },
		"postgres://h/db?default_query_exec_mode=exec": func(d dsn) { require.Equal(t, pgx.QueryExecModeExec, d.config.DefaultQueryExecMode) },
		"postgres://": func(d dsn) { require.NotEmpty(t, d.config.Host) },
		"postgres://h/db?default_transaction_read_only=on": func(d dsn) { require.NotNil(t, d.config.ValidateConnect) },
		"postgres://a%20b+c/d%23b?user=x%2By": func(d dsn) {
			require.Equal(t, []string{"a b+c", "d#b", "x+y"}, []string{d.config.Host, d.config.Database, d.config.User})
		},
	} {
		d, err := parseDSN(text)
		require.NoError(t, err, text)
		check(d)
	}
}

// What the DSN does not name comes from the environment.
func TestEnvironment(t *testing.T) {
	clearEnvironment(t)
	for name, value := range map[string]string{"PGHOST": "a,b", "PGPORT": "1,2", "PGUSER": "u", "PGDATABASE": "d", "PGSSLMODE": "verify-full"} {
		t.Setenv(name, value)
	}
	for _, text := range []string{"postgres://?session_table=x", "session_table=x"} {
		d, err := parseDSN(text)
		require.NoError(t, err)
		require.Equal(t, []any{"a", uint16(1), "u", "d", timeoutOfHost}, []any{d.config.Host, d.config.Port, d.config.User, d.config.Database, d.config.ConnectTimeout})
		require.IsType(t, &tls.Config{}, d.config.TLSConfig)
	}
}

// Open refuses what it does not understand, and says what to do. The error quotes nothing of the DSN.
func TestInvalidDSN(t *testing.T) {
	clearEnvironment(t)
	for text, want := range map[string]string{
		"":                                 "the DSN is empty",
		"  ":                               "the DSN is empty",
		"swordfish":                        "neither a URL nor a list of keywords",
		"mysql://swordfish/db":             "neither a URL nor a list of keywords",
		"mysql://swordfish/db?a=b":         "unknown DSN parameter",
		"postgres://h/db?swordfish=1":      "unknown DSN parameter",
		"postgres://h/db?swordfish":        "malformed",
		"postgres://h/db?sslmode=%zz":      "malformed",
		"postgres://h/db?sslmode=disable&": "malformed",
		"postgres://h/db?a.b=1&a.B=2":      "parameter with a dot is given more than once",
		"postgres://h/db?table=x":          "unknown DSN parameter",
		"postgres://h/db?sslmode=disable&sslmode=disable":                "sslmode is given more than once",
		"postgres://h/db?dbname=a&database=b":                            "database is given more than once",
		"postgres://h/db?TimeZone=UTC&timezone=UTC":                      "timezone is given more than once",
		"postgres://h/db?password=":                                      "password has no value",
		"postgres://h/db?session_table=":                                 "session_table has no value",
		"postgres://h/db?session_table=a-b":                              "postgres: the name given as session_table is invalid",
		"postgres://h/db?session_table=x_schema":                         "given as session_table ends in _schema",
		"postgres://h/db?session_id_column=1":                            "given as session_id_column is invalid",
		"postgres://h/db?session_data_column=meta":                       "choose another name for session_id_column or session_data_column",
		"postgres://h/db?data=json":                                      "data takes one of: bytea, jsonb",
		"postgres://h/db?unlogged=yes":                                   "unlogged takes one of: true, false",
		"postgres://h/db?pool_max_conns=0":                               "pool_max_conns takes a number of connections",
		"postgres://h/db?pool_max_conn_lifetime=5":                       "pool_max_conn_lifetime takes a duration",
		"postgres://h/db?target_session_attrs=standby":                   "target_session_attrs takes one of: read-write, primary",
		"postgres://h/db?target_session_attrs=any":                       "target_session_attrs takes one of: read-write, primary",
		"postgres://h/db?default_query_exec_mode=describe_exec":          "default_query_exec_mode takes one of: cache_statement, cache_describe, exec, simple_protocol",
		"postgres://h/db?statement_cache_capacity=0":                     "statement_cache_capacity takes a number of statements",
		"postgres://h/db?client_encoding=LATIN1":                         "client_encoding takes one of: UTF8",
		"postgres://h/db?default_transaction_isolation=read uncommitted": "default_transaction_isolation takes",
		"postgres://h1,h2/db?default_transaction_read_only=on":           "set target_session_attrs=primary",
		"postgres://h1,h2:1,h3/db?port=1,2":                              "number of ports",
		"postgres://h:swordfish/db":                                      "escape them",
		"postgres://h/db?sslmode=verify-full&sslrootcert=/swordfish":     "TLS can't be set up",
		"postgres://h/db?service=swordfish":                              "the service that the DSN",
		"host=h session_table='swordfish":                                "malformed",
		"host=h swordfish":                                               "neither a URL nor a list of keywords",
		"host=h pass word=swordfish":                                     "unknown DSN parameter",
		"postgres://h/db?password=a%00b":                                 "malformed",
		"postgres://h/db\x00":                                            "malformed",
	} {
		_, err := Driver{}.Open(text)
		require.ErrorContains(t, err, want, text)
		require.True(t, strings.HasPrefix(err.Error(), "postgres: "), err)
		require.NotContains(t, err.Error(), "swordfish", text)
	}
}

// A variable of the environment can't make the store read from a standby.
func TestTargetOfEnvironment(t *testing.T) {
	clearEnvironment(t)
	for _, value := range []string{"standby", "prefer-standby", "any", "read-only", "read-write"} {
		t.Setenv("PGTARGETSESSIONATTRS", value)
		d, err := parseDSN("postgres://h/db")
		require.NoError(t, err)
		require.NotNil(t, d.config.ValidateConnect)
		_, err = parseDSN("postgres://h/db?default_transaction_read_only=on")
		require.Equal(t, value == "read-write", err != nil, value)
	}
}

// Parameters survive parsing and joining.
func FuzzParameters(f *testing.F) {
	f.Add("user", `it's \ "quoted" & a+b=%41 ü`)
	f.Fuzz(func(t *testing.T, name, value string) {
		if name == "" || strings.ContainsAny(name, "= \t\n\r\v\f'\\\x00") || strings.ContainsRune(value, 0) {
			return
		}
		want := []setting{{name, value}, {"b", "c"}}
		for _, form := range []struct {
			join  func([]setting) string
			parse func(string) ([]setting, error)
		}{{joinQuery, parseQuery}, {joinKeywords, parseKeywords}} {
			got, err := form.parse(form.join(want))
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	})
}

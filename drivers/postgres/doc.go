// Package postgres keeps sessions in a table of a PostgreSQL database. Any number of processes may
// use the table at the same time.
//
// Import the package, which registers the driver "postgres":
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//
//		"gosession.dev/session"
//		_ "gosession.dev/session/drivers/postgres"
//	)
//
//	func main() {
//		sessions, err := session.Open("postgres", "postgres://web:secret@db.example.com/shop?sslmode=verify-full")
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer sessions.Close()
//		log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
//	}
//
// The package uses github.com/jackc/pgx/v5. [New] and [NewPool] make a store with a *sql.DB or a
// *pgxpool.Pool that the application has opened. The package is tested with PostgreSQL 15 and
// PgBouncer 1.18 from Debian.
//
// # DSN
//
// The DSN is a URL or a list of keywords, as in libpq:
//
//	postgres://web:secret@db1.example.com,db2.example.com/shop?sslmode=verify-full&session_table=web.sessions
//	host=db1.example.com dbname=shop user=web passfile=/run/secrets/pgpass sslmode=verify-full
//
// What the DSN does not name comes from the environment (PGHOST, PGDATABASE, PGUSER, PGPASSWORD,
// PGSSLMODE, and the others that pgx knows), from the password file and from the service file. The
// parameters of this package are
//
//	session_table            the name of the table, with or without a schema and a dot before it; the
//	                         default is sessions
//	session_id_column        the name of the key's column; the default is id
//	session_data_column      the name of the values' column; the default is data
//	data                     jsonb for values that SQL can query; the default is bytea. See below
//	unlogged                 true for a table that a crash of the server empties. See below
//	pool_max_conns           the maximum number of connections of this process; the default is 16
//	pool_max_conn_lifetime   how long a connection is used at most; the default is 30m
//	pool_max_conn_idle_time  how long a connection stays open without use; the default is 3m
//
// All other parameters mean what they mean in libpq and pgx, except target_session_attrs and
// connect_timeout:
//
//	target_session_attrs  read-write, or primary, which also accepts a primary server that refuses
//	                      writes. If the DSN names several servers, the default is read-write;
//	                      otherwise it is primary. The store never uses a standby, which lags
//	                      behind the primary server.
//	connect_timeout       in seconds. The default is 2 if the DSN names several servers; otherwise
//	                      the context of the call limits the time to connect.
//
// Some settings of the server may also be parameters: application_name, client_encoding (UTF8),
// client_min_messages, datestyle, default_transaction_isolation, default_transaction_read_only,
// intervalstyle, jit, options, plan_cache_mode, role, search_path, synchronous_commit, timezone,
// work_mem, settings whose names end in _timeout or begin with tcp_,
// client_connection_check_interval, and each setting with a dot in its name.
// Open fails for any other parameter, for an invalid value, and for a parameter that is empty or
// given twice.
//
// # TLS
//
// Without sslmode, the connection is encrypted if the server offers it, and the identity of the
// server is not checked. On a shared network, set sslmode=verify-full, and sslrootcert=/path/ca.crt
// for an authority that the system does not know. For a client certificate, set sslcert and sslkey.
//
// # The tables
//
// The first use creates the tables, unless they exist; the user needs the privilege CREATE on the
// schema for that. To create them yourself, execute what PostgreSQL.DDL of package sqlstore returns,
// which is, with the default names,
//
//	CREATE TABLE sessions (
//		id text COLLATE "C" NOT NULL PRIMARY KEY,
//		data bytea NOT NULL,
//		meta bytea NOT NULL,
//		created bigint NOT NULL,
//		expires bigint NOT NULL,
//		subject text COLLATE "C" NOT NULL,
//		version bigint NOT NULL
//	) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
//	CREATE INDEX sessions_expires ON sessions (expires);
//	CREATE INDEX sessions_subject ON sessions (subject, id) WHERE subject <> '';
//	CREATE TABLE sessions_schema (id integer NOT NULL PRIMARY KEY, version integer NOT NULL);
//	INSERT INTO sessions_schema (id, version) VALUES (1, 1);
//
// and grant SELECT, INSERT, UPDATE and DELETE on the first table, and SELECT on the second. Package
// sqlstore describes the columns. The key may be a varchar(64), and the subject a varchar(255). The
// collation must distinguish upper and lower case; with COLLATE "C", listing is quickest. Further
// columns must have a default or allow NULL. An unsuitable table makes Ping fail, with an error
// that says why.
//
// Each call of Retrieve, Flush, Touch, ChangeID, Destroy and DestroySubject is one statement and one
// round trip. A flush changes no index unless the session's expiry moves, so that PostgreSQL updates
// the row within its page (HOT). For that, fillfactor leaves room in each page.
//
// # Values that SQL can query
//
// With data=jsonb, a table that the store creates has a column of the type jsonb for the values, and
// an existing table may have one of the types jsonb, json, text and varchar:
//
//	SELECT data->>'items' FROM sessions WHERE subject = 'user:42'
//
// A session is live if its column expires is greater than the Unix time in milliseconds. The query
// needs the JSON codec, and no Config.Secrets. All other data, such as sealed sessions, is
// stored as a JSON string in Base64, which takes a third more room. Values are not kept byte for
// byte: white space, the order of members and the form of numbers may change.
//
// # PgBouncer
//
// Behind a pooler that gives each transaction another connection, such as PgBouncer with
// pool_mode=transaction, add default_query_exec_mode=exec to the DSN, or simple_protocol: pgx then
// prepares no statements. A PgBouncer from version 1.21 that has max_prepared_statements does not
// need it. If pgx has to send settings of the server when it connects (options, search_path and so
// on), PgBouncer accepts them only if its ignore_startup_parameters names them, and ignores them
// then. NewPool reads the mode from the pool's configuration.
//
// # What a crash or a failover loses
//
// PostgreSQL writes a change to the disk before it acknowledges it, so a crash of the server or a
// power failure loses nothing that was acknowledged. These settings change that:
//
//   - synchronous_commit=off: a crash of the server loses the last writes. If the DSN says so, the
//     store has [driver.Lossy]. If the server or the user is configured so, the store refuses to
//     work until the DSN says whether that is wanted.
//   - unlogged=true: writes are quicker, because they are not in the log, and a crash of the server
//     empties the table: all users are signed out. The store has [driver.Lossy], so package session
//     keeps no list of revoked sessions in it. The first use creates the table of sessions as
//     UNLOGGED. To change an existing table, execute ALTER TABLE sessions SET UNLOGGED.
//   - A failover to an asynchronous standby loses the writes that the standby had not received:
//     sessions that had ended may be alive again. A failover to a synchronous standby
//     (synchronous_standby_names, with synchronous_commit=on) loses nothing. The store can't see
//     the difference, so it does not report this loss.
//
// # Failures
//
// A connection that the server has closed while it was idle is replaced before it is used. If a
// connection ends before the answer to a write, the store finds out whether the write was executed,
// and executes it again if it was not; only Destroy then fails, with an error that is not
// [driver.ErrNotFound]. If a DSN names several servers, the store looks for the one that accepts
// writes whenever it connects, so it works again when a standby was promoted.
package postgres

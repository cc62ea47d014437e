// Package mysql keeps sessions in a table of a MySQL or MariaDB database.
//
// Import the package, which registers the driver "mysql":
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//		"os"
//
//		"gosession.dev/session"
//		_ "gosession.dev/session/drivers/mysql"
//	)
//
//	func main() {
//		sessions, err := session.Open("mysql", os.Getenv("SESSIONS")) // web:secret@tcp(db.internal:3306)/web
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer sessions.Close()
//		log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
//	}
//
// The package uses github.com/go-sql-driver/mysql, whose form the DSN has:
//
//	user:password@tcp(host:3306)/database?tls=true&session_table=web_sessions
//	user:password@unix(/run/mysqld/mysqld.sock)/database
//
// To keep sessions in a database that the application opens itself, use [sqlstore.New] with
// [sqlstore.MySQL]: this package adds nothing to it. Set readTimeout in the DSN of that database,
// so that a COMMIT that the server does not answer ends.
//
// The parameters of this package are
//
//	session_table          the table, or schema.table in another database; the default is sessions
//	session_id_column      the key's column; the default is id
//	session_data_column    the values' column; the default is data
//	session_json           true for a column of text that SQL can query, if the session codec is JSON
//	session_max_conns      the maximum number of connections; the default is 16
//	session_conn_lifetime  the time after which a connection is replaced; the default is 5m
//
// The parameters of go-sql-driver work as its documentation says, with these differences:
//
//	timeout            The time to connect and log in; the default is 10s.
//	clientFoundRows    The default is true, which saves a statement. The store also works with false.
//	interpolateParams  With true, the store does not prepare statements: for a proxy that does not
//	                   keep prepared statements, or a server near max_prepared_stmt_count.
//	maxAllowedPacket   The default is 1 GiB: the store asks the server for its limit.
//	charset            It must be utf8mb4, as a collation must be one of utf8mb4.
//	allowAllFiles, multiStatements, checkConnLiveness
//	                   The values true, true and false are refused.
//
// A DSN may set these system variables of the server, whose texts are in single quotes, %27:
// autocommit, group_replication_consistency, innodb_lock_wait_timeout, lock_wait_timeout,
// max_execution_time, max_statement_time, net_read_timeout, net_write_timeout, sql_mode, time_zone,
// transaction_isolation or tx_isolation, wait_timeout, wsrep_sync_wait. Without them, the store
// sets
//
//	sql_mode                  STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION: what is too large for a column
//	                          is refused, not cut. A value without a strict mode is refused.
//	transaction_isolation     READ-COMMITTED. READ-UNCOMMITTED is refused; REPEATABLE-READ and
//	                          SERIALIZABLE work, with many more deadlocks under load.
//	innodb_lock_wait_timeout  3 seconds, lock_wait_timeout 5 seconds: the server may execute a
//	                          statement whose context has ended, but not later than that.
//
// Open fails for an unknown parameter, which go-sql-driver would send to the server, for an invalid
// value, and for a parameter that is given twice. In values, escape % as %25, & as %26 and / as %2F.
//
// # TLS
//
// Without tls, the connection is not encrypted. On a network that others use, set tls=true, and for
// an authority that the system does not know, the name of a configuration:
//
//	err := mysql.RegisterTLSConfig("internal", &tls.Config{RootCAs: pool}) // of go-sql-driver
//	sessions, err := session.Open("mysql", "web:secret@tcp(db.internal:3306)/web?tls=internal")
//
// With tls=skip-verify and tls=preferred, the identity of the server is not checked.
//
// # The tables
//
// The first use creates the tables. To create them yourself, because the store's user lacks the
// privilege or the columns have other names, use these statements, in which sessions, id and data
// are the names from the DSN:
//
//	CREATE TABLE sessions (
//		id VARBINARY(64) NOT NULL PRIMARY KEY,
//		data MEDIUMBLOB NOT NULL,
//		meta VARBINARY(1024) NOT NULL,
//		created BIGINT NOT NULL,
//		expires BIGINT NOT NULL,
//		subject VARBINARY(255) NOT NULL,
//		version BIGINT NOT NULL,
//		KEY sessions_expires (expires),
//		KEY sessions_subject (subject, id)
//	) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
//	CREATE TABLE sessions_schema (id INTEGER NOT NULL PRIMARY KEY, version INTEGER NOT NULL) ENGINE = InnoDB;
//	INSERT INTO sessions_schema (id, version) VALUES (1, 1);
//	GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO web;
//	GRANT SELECT ON sessions_schema TO web;
//
// With session_json=true, the values' column is LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin.
// More columns are fine if they have a default. The first use refuses tables of another engine than
// InnoDB, views, and keys that are not unique. Ping also refuses columns that change what is stored
// and columns that take keys or subjects for equal that differ in case or in spaces at the end.
//
// The values are in the column data as the codec encodes them, and with the JSON codec and without
// sealing, SQL reads them:
//
//	SELECT JSON_VALUE(CONVERT(data USING utf8mb4), '$.items') FROM sessions
//		WHERE expires > UNIX_TIMESTAMP() * 1000
//
// Other rows are expired sessions, and the old keys of renamed ones, which package sqlstore describes.
//
// A session that is too large for the column (16 MiB for MEDIUMBLOB, 64 KiB for BLOB) or for
// max_allowed_packet is [driver.ErrTooLarge], and the stored record stays as it was.
//
// # What the backend can't do
//
//   - The server decides whether acknowledged writes survive a crash of its machine. With
//     innodb_flush_log_at_trx_commit=1, the default, they do. With 2, a power failure loses about a
//     second of them, with 0 the end of the server process does too.
//   - All processes must use the primary server. A replica lags behind: a user who has signed in may
//     be unknown there. After a failover to an asynchronous replica, the last writes are missing.
//   - In a Galera cluster, either all processes use one node, or the DSN has wsrep_sync_wait=7. In
//     a group replication, add group_replication_consistency=%27BEFORE_AND_AFTER%27.
//   - A proxy that splits reads and writes, such as ProxySQL, must send the store's statements to
//     the primary. If it shares connections, add interpolateParams=true.
//
// # What is tested
//
// The tests run on MariaDB 10.11, as Debian 12 packages it, with one server. They run on another
// server, such as a MySQL, if SESSION_TEST_MYSQL_DSN names one, without the tests that stop or
// configure the server. The dialect is written for MySQL 5.7 and later and MariaDB 10.2 and later.
// Galera, group replication and proxies are not tested.
package mysql

// Package redis keeps sessions in Redis, so that any number of web servers share them. It uses the
// client github.com/redis/rueidis.
//
// Redis may lose writes that it has acknowledged, and the store reports so through [driver.Lossy]:
//
//   - Replicas get writes after the client has its answer. If a replica takes over, the last writes of
//     the old primary are lost: a session that a user has just ended may come back, a new session may
//     be gone. With wait=1, the calls that end a session or change its ID wait for a replica. That makes
//     the loss unlikely and does not exclude it, because another replica may take over.
//   - A server that restarts has what its persistence has saved: nothing by default settings of many
//     installations, all but the last second with appendonly yes, everything with appendfsync always.
//   - A server whose maxmemory is reached evicts sessions with the policies volatile-*. With noeviction,
//     it refuses to store more: then sessions can be read and ended, and other writes are errors. The
//     policies allkeys-* may evict the index by which the sessions of a user are found. Ping refuses them.
//
// Apart from that the contract of package driver holds: no update is lost, no ended session comes back,
// and a server that is down is an error.
//
// Importing the package registers the driver "redis":
//
//	import (
//		"gosession.dev/session"
//		_ "gosession.dev/session/drivers/redis"
//	)
//
//	sessions, err := session.Open("redis", "redis://web:secret@db.example.com/0?prefix=shop:")
//
// An application that has a rueidis client already passes it to [New]. The package needs Redis 6.2 or
// later, and is tested with Redis 7.0 from Debian. Valkey has all commands that it uses; the tests do
// not run with it.
//
// # DSN
//
// A DSN has one of these forms. With rediss in place of redis, the connection is encrypted by TLS.
//
//	redis://user:password@host:6379/0                    one server, and the number of the database
//	redis+sentinel://user:password@host1,host2/name/0    the sentinels, and the name of the primary
//	redis+cluster://user:password@host1,host2            some servers of a cluster
//	unix:///path/of/socket?db=0                          a unix socket
//
// The user may be missing, as in redis://:password@host. In a user or password, write % as %25, @ as
// %40, : as %3A, / as %2F and ? as %3F. Parameters follow a question mark:
//
//	parameter             default  meaning
//	prefix                sess:    begins the name of every key, for servers that are shared. It ends in a
//	                               character that session keys do not have, such as ":"
//	timeout               5s       limit for connecting, and for the answer of an idle connection
//	client_name           -        the name of the connections in CLIENT LIST
//	wait                  0        how many replicas must have the end of a session, or the change of its
//	                               ID, before the call returns
//	wait_timeout          1s       limit for that; a call that reaches too few replicas fails
//	db                    0        the database, for unix sockets
//	sentinel_user         -        the user of the sentinels; the user of the DSN is that of the servers
//	sentinel_password     -        and their password
//	ca_file               -        for TLS: a file with the authority of the server's certificate
//	cert_file, key_file   -        for TLS: files with the client's certificate and key
//	server_name           -        for TLS: the name in the server's certificate, if it is not the host
//	insecure_skip_verify  false    for TLS: accepts any certificate
//
// Open fails for any other parameter, and for one that is empty or given twice.
//
// In a cluster, all sessions of a store are in one slot, and so on one server and its replicas: unless
// the prefix has a hash tag, names begin with {prefix}. Stores with different prefixes may be on
// different servers. While that slot moves to another server, sessions can be read; calls that need
// several keys, such as Create for a user and DestroySubject, are errors.
//
// # Failures
//
// The store connects on first use, and again after a connection was lost. A write whose answer is lost
// is sent again if that is safe: it recognizes its own first attempt. Create is sent once, and is an
// error unless the session is there; Destroy is an error, because it can't tell whether it has removed
// the session itself. Errors quote neither the DSN nor the server, but for the code of an error.
//
// The clock of the server decides when a session has expired and how old a mark of a renamed session
// is. The clocks of the web servers do not matter, except that a session expires at the time that its
// web server has chosen.
//
// # Keys
//
// With the prefix sess:, a session is a string named sess:KEY with an expiry. ChangeID leaves a mark
// under the old key for 10 minutes. The sessions of a user are in a sorted set named sess:@SUBJECT, which
// has no expiry. Entries of sessions that Redis has removed are removed by DeleteExpired, and two at a
// time when the user signs in: call Factory.DeleteExpired now and then, once a day for instance.
//
// Conditional writes are Lua scripts, which the store loads again when the server has lost them. A user
// of Redis' access control lists needs these permissions, and in a cluster +cluster|slots too:
//
//	ACL SETUSER web on >secret ~sess:* resetchannels -@all +eval +evalsha +get +getrange +strlen
//		+exists +set +setrange +pexpireat +pttl +unlink +scan +wait +info +zadd +zrem +zscore +zcard
//		+zrange +zrevrange +zrangebyscore +zremrangebyscore
//
// Without +info, Ping does not check the policy of the server, and a listing during which another server
// takes over may be incomplete.
//
// # Cost
//
// Each call is one round trip, DestroySubject one for every 1000 sessions and a listing one for every
// page. All calls of a store share one connection, on which the client sends commands of several
// goroutines together. With wait, the calls that wait have up to 32 connections of their own.
//
// Measured on two cores with Redis on the same machine: Retrieve takes 1.0 to 1.2 times as long as GET by
// the client, Retrieve and Flush 1.4 to 2.0 times as long as GET and SET (go test -bench Overhead). A
// script holds up the server for 2 to 5 milliseconds at most: DestroySubject of 100,000 sessions takes a
// third of a second, in steps of 3 milliseconds, and listing 100,000 sessions half a second, in steps of 2
// milliseconds, with 40 bytes of memory for each session.
package redis

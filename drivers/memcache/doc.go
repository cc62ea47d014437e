// Package memcache keeps sessions in memcached, so that any number of web servers share
// them. It uses the client github.com/bradfitz/gomemcache.
//
// Importing the package registers the driver "memcache":
//
//	import (
//		"gosession.dev/session"
//		_ "gosession.dev/session/drivers/memcache"
//	)
//
//	sessions, err := session.Open("memcache", "host1:11211,host2:11211?prefix=shop:")
//
// An application that has a gomemcache client already passes it to [New].
//
// # DSN
//
// A DSN is a list of servers, separated by commas. Each server is host:port or the path of a
// unix socket. Parameters follow a question mark:
//
//	parameter       default  meaning
//	prefix          sess:    begins the name of every item, for servers that are shared. It
//	                         ends in a character that session keys do not have, such as ":"
//	timeout         500ms    limit for connecting, and for each answer
//	max_idle_conns  100      idle connections that are kept for each server
//	max_item_size   1048576  largest item in bytes, as in the servers' option -I; larger
//	                         items are neither written nor read
//
// All web servers must list the same servers, spelled alike, and use the same prefix.
//
// # Limits
//
// Memcached loses writes that it has acknowledged, and the store reports so through
// [driver.Lossy]. A server whose memory is full evicts the sessions that were not used for
// the longest time, and a server that restarts forgets all of its sessions: give the servers
// enough memory, and monitor their evictions. The users of lost sessions are signed out. Two
// more consequences:
//
//   - Destroy leaves an item for one minute, which blocks an add that is still on its way. If
//     that item is lost, such an add succeeds and brings the session back.
//   - ChangeID leaves a mark under the old key. If the mark is lost, a sign-out under the old
//     ID does not find the session.
//
// Apart from that the contract of package driver holds: no update is lost, no ended session
// comes back, and a server that is down is an error.
//
// The sessions of a user cannot be listed, because memcached has no index. They can be ended
// in one step, see below. Listing all sessions needs memcached 1.4.31 or later with its LRU
// crawler.
//
// The clocks of the web servers and of the memcached servers have to agree within a few seconds. A
// memcached server whose clock is ahead by a minute removes sessions a minute early, and the epochs
// that it keeps, see below: then sessions on other servers end early too. Memcached does not tell
// when an item was written, so the age of a mark is the difference between the clocks of two web
// servers. If a clock is off by more than 15 seconds, that web server may treat a request that an
// ID change has overtaken as a late one, and the cookie of its response then replaces the new
// cookie.
//
// # Failures
//
// The store checks a connection before it sends a command, and does not use a connection that
// the server has closed after an idle timeout or a restart. (On systems other than Unix it
// cannot check, and the first command on such a connection fails.) If a write gets no answer
// nevertheless, the store does not send it again: its outcome is not known.
//
// Errors name a server by its place in the DSN, as in "server 2 of 3". They quote neither the
// DSN nor an answer.
//
// The key of a session selects its server, by rendezvous hashing: a server that is added takes
// over about 1/(N+1) of the sessions, and no other session moves. While a server is down,
// requests with its sessions fail, and all others succeed.
//
// # Implementation
//
// Each subject has an epoch: a number in an item of its own, which each session of the subject
// carries. DestroySubject, see [driver.SubjectDestroyer], increments the epoch, and sessions with
// an older number have ended. The item expires some time after the last session of the subject.
//
// ChangeID takes several steps. It adds a copy under the new key, flagged as pending, then
// replaces the old record by a mark, then removes the flag. The second step decides. If a
// process dies after it, the session is complete, but Sessions does not list it until it is
// written again.
//
// Round trips: Create, Retrieve, Flush and Renamed take 1, Touch and Destroy 2, ChangeID 4. For
// a session with a subject each of them but Renamed takes 1 more, to read the epoch; it takes
// 2 more if it creates or extends the epoch, or if ChangeID removes the subject. Writes extend the
// epoch about every half of the time for which a session is stored. DestroySubject takes 2,
// however many sessions there are. Ping takes 3 for each server: it writes, reads and expires
// an item of its own.
//
// Measured on two cores with memcached on the same machine: Retrieve takes 0.9 to 1.1 times as
// long as the client's Get, Retrieve and Flush 0.7 to 1.1 times as long as its Get and
// CompareAndSwap (go test -bench Overhead). Listing 100,000 sessions takes half a second and 18
// MiB of heap; meanwhile the 99th percentile of other Retrieve calls went from 0.12 to 0.3 ms,
// and the longest took 11 ms. A fourth server took over 25.0 % of 30,000 sessions; with the
// client's own list of servers 75.0 % were lost.
package memcache

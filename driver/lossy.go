package driver

// A Lossy store may lose writes that it has acknowledged while it goes on serving:
// by eviction, by a restart, or by a failover to a replica that lags behind. Package
// session refuses to keep there what it can't afford to lose, such as a list of
// revoked sessions.
//
// Without it, an acknowledged write is kept until it is overwritten, destroyed or
// expired.
type Lossy interface {
	// Loses returns in one sentence how acknowledged writes can be lost, for error
	// messages. If the store can lose them as it is configured, that sentence must
	// not be empty; if it can't, Loses returns "", which is as if the store had no
	// Loses. It does no I/O.
	Loses() string
}

package driver

// A Lossy is a [Store] that may lose acknowledged writes while it goes on serving: by
// eviction, by a restart, or by a failover to a replica that lags behind. Package session
// refuses to keep there what it can't afford to lose, such as a list of revoked sessions.
//
// Without it, an acknowledged write is kept until it is overwritten, destroyed or
// expired.
type Lossy interface {
	// Loses returns one sentence, for error messages, about how acknowledged writes can be
	// lost. The sentence must not be empty if the store, as it is configured, can lose
	// them; otherwise Loses returns "", which is the same as having no Loses. Loses does
	// no I/O.
	Loses() string
}

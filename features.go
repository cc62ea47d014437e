package session

import (
	"errors"
	"fmt"
)

// Features are abilities that not every backend has. [Config].Require lists the features that an
// application needs, and [Factory.Features] returns the features of its store.
type Features struct {
	// ServerSide: sessions are kept on a server, not in the client's cookie. Then
	// [Factory.Destroy] ends a session, [Factory.Inspect] shows it, and two requests that
	// change one session at the same time both keep their changes.
	ServerSide bool

	// SubjectSessions: the sessions of a subject can be listed, for "my devices" and "sign
	// out this device". [Factory.SubjectSessions], [Factory.Revoke] and
	// [Config].MaxPerSubject need it.
	SubjectSessions bool

	// DestroySubject: all sessions of a subject can be ended, or all but one, for "log out
	// everywhere". [Factory.DestroySubject] and [Session.DestroyOthers] need it.
	DestroySubject bool
}

// Features returns the features of the factory's store, without a call of the store. If a
// store wraps another one and has no Unwrap method, a call may still fail with
// [errors.ErrUnsupported].
func (f *Factory) Features() Features {
	return Features{
		ServerSide:      !f.inCookie,
		SubjectSessions: f.lister != nil,
		DestroySubject:  f.marksSubjects(),
	}
}

// The features in the texts of errors, and the drivers of this repository that have them.
const (
	keeps = "keep sessions on a server"
	lists = "list the sessions of a subject"
	ends  = "end all sessions of a subject"

	driversThatKeep = "memory, sqlite, postgres, mysql, sqlstore, redis, memcache and mongo"
	driversThatList = "memory, sqlite, postgres, mysql, sqlstore, redis and mongo"
	driversThatEnd  = "memory, sqlite, postgres, mysql, sqlstore, redis, memcache and mongo"
)

// require returns an error that names each feature that c needs and a store lacks. store is the
// name of that store in the error.
func (c Config) require(has Features, store string) error {
	var lacks error
	for _, need := range []struct {
		isNeeded, isThere bool
		by, what, drivers string
	}{
		{c.Require.ServerSide, has.ServerSide, "Config.Require.ServerSide", keeps, driversThatKeep},
		{c.Require.SubjectSessions, has.SubjectSessions, "Config.Require.SubjectSessions", lists, driversThatList},
		{c.MaxPerSubject > 0, has.SubjectSessions, "Config.MaxPerSubject", lists, driversThatList},
		{c.Require.DestroySubject, has.DestroySubject, "Config.Require.DestroySubject", ends, driversThatEnd},
	} {
		if need.isNeeded && !need.isThere {
			lacks = errors.Join(lacks, fmt.Errorf("session: %s can't %s (%s); drivers %s can, and migrate if both of its stores can",
				store, need.what, need.by, need.drivers))
		}
	}
	return lacks
}

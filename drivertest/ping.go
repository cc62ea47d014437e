package drivertest

import "context"

const (
	pingTellsTruth = "Ping connects if necessary, prepares the backend as the first use would, " +
		"and must return nil only if the store can serve."
	pingLeavesNothing = "What Ping has written must not be found, listed or counted by any method."
	pingProvesWrite   = "If the backend can be read but not written, Ping must fail."
)

var pingChecks = []check{
	{name: "Ping/Serves", in: "Pinger.Ping", rule: pingTellsTruth, needs: Pinger, fn: pingServes},
	{name: "Ping/Dead", in: "Pinger.Ping", rule: pingTellsTruth, needs: Pinger, given: "DeadDSN", fn: pingDead},
	{name: "Ping/LeavesNothing", in: "Pinger.Ping", rule: pingLeavesNothing, needs: Pinger, fn: pingLeaves},
	{name: "Ping/ReadOnly", in: "Pinger.Ping", rule: pingProvesWrite, needs: Pinger, given: "ReadOnlyDSN", fn: pingReadOnly},
}

// Ping may be the first use of a store, or a later one.
func pingServes(t *trial) {
	s := t.open()
	t.expect(s.pinger().Ping(t.ctx), nil, "Ping()")
	r := t.record()
	s.create(r, nil)
	t.expect(s.pinger().Ping(t.ctx), nil, "Ping()")
	s.holds(r)
}

func pingDead(t *trial) {
	s := t.openDSN(t.tgt.DeadDSN(t.TB))
	ctx, cancel := context.WithTimeout(t.ctx, deadline)
	defer cancel()
	err := t.within(deadline+t.tgt.slack(), func() error { return s.pinger().Ping(ctx) })
	if err == nil {
		t.Fatal("Ping() on a server that never answers = nil; want an error")
	}
}

// Several processes ping one store at once, as health checks do.
func pingLeaves(t *trial) {
	s, other := t.open(), t.open()
	r := t.record()
	s.create(r, nil)
	before := s.retrieve(r.Key)
	t.allSucceed(8, func(i int) error {
		return unless([]*handle{s, other}[i%2].pinger().Ping(t.ctx), nil, "Ping() concurrent with others")
	})
	s.unchanged(before)
	for _, l := range t.lists(s, r.Subject) {
		t.yields(l(), r)
	}
	if n := s.deleteExpired(); n != 0 {
		t.Fatalf("DeleteExpired() = %d after Ping; want 0", n)
	}
	if t.tgt.Implements&RenameTracker != 0 {
		s.unmarked(r.Key)
	}
}

func pingReadOnly(t *trial) {
	s := t.openDSN(t.tgt.ReadOnlyDSN(t.TB))
	err := t.within(hung, func() error { return s.pinger().Ping(t.ctx) })
	if err == nil {
		t.Fatal("Ping() on a backend that refuses writes = nil; want an error")
	}
}

package drivertest

import "context"

const pingTellsTruth = "Ping connects if need be, prepares the backend as the first use would, " +
	"and must return nil only if the store can serve."

var pingChecks = []check{
	{name: "Ping/Serves", in: "Pinger.Ping", rule: pingTellsTruth, needs: Pinger, fn: pingServes},
	{name: "Ping/Dead", in: "Pinger.Ping", rule: pingTellsTruth, needs: Pinger, dead: true, fn: pingDead},
}

// Ping may be a store's first use and may not be.
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
	err := t.within(deadline+slack, func() error { return s.pinger().Ping(ctx) })
	if err == nil {
		t.Fatal("Ping() of a server that never answers = nil; want an error")
	}
}

package testserver

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RedisCluster is a cluster of three primary servers of Redis with a replica each.
type RedisCluster struct {
	Addrs []string
	Nodes []Redis
	buses map[string]string // the port at which a node talks with the others, by its address
}

const (
	clusterPrimaries = 3
	clusterNodes     = 2 * clusterPrimaries
	clusterSlots     = 16384
)

// StartRedisCluster starts a cluster whose primary servers have all slots. Each server gets the
// arguments, as in StartRedis.
func StartRedisCluster(t testing.TB, args ...string) RedisCluster {
	t.Helper()
	c := RedisCluster{buses: map[string]string{}}
	for range clusterNodes {
		_, bus, _ := net.SplitHostPort(reserve(t)) // the default is too high a number for most free ports
		node := startRedis(t, "", append([]string{
			"--cluster-enabled", "yes",
			"--cluster-port", bus,
			"--cluster-node-timeout", "1000", // milliseconds; a node that is silent for longer has failed
			"--cluster-replica-validity-factor", "0", // a replica takes over, however old its data are
		}, args...)...)
		c.Nodes = append(c.Nodes, node)
		c.Addrs = append(c.Addrs, node.Addr)
		c.buses[node.Addr] = bus
	}
	c.form(t)
	return c
}

// form makes a cluster of nodes that do not know each other.
func (c RedisCluster) form(t testing.TB) {
	t.Helper()
	for i, node := range c.Nodes {
		node.Do(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)) // nodes with equal ones have to agree first
		if i < clusterPrimaries {
			first, next := i*clusterSlots/clusterPrimaries, (i+1)*clusterSlots/clusterPrimaries
			node.Do(t, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(next-1))
		}
		host, port, _ := net.SplitHostPort(node.Addr)
		c.Nodes[0].Do(t, "CLUSTER", "MEET", host, port, c.buses[node.Addr])
	}
	await(t, "the cluster", func() error { return c.agree(0) })
	for i, replica := range c.Nodes[clusterPrimaries:] {
		replica.Do(t, "CLUSTER", "REPLICATE", c.Nodes[i].Do(t, "CLUSTER", "MYID"))
		await(t, "the replica", replica.replicates)
	}
	await(t, "the cluster", func() error { return c.agree(clusterPrimaries) })
}

// agree returns an error until each node that runs knows all nodes, that many of them as replicas, and
// finds the cluster in order.
func (c RedisCluster) agree(replicas int) error {
	for _, node := range c.running() {
		info, err := node.do(time.Second, "CLUSTER", "INFO")
		if err != nil {
			return err
		}
		nodes, err := node.do(time.Second, "CLUSTER", "NODES")
		if err != nil {
			return err
		}
		if !strings.Contains(info, "cluster_state:ok") {
			return errors.New("a node finds the cluster out of order")
		}
		if strings.Count(nodes, "\n") != clusterNodes || strings.Contains(nodes, "handshake") {
			return errors.New("a node does not know all others")
		}
		if strings.Count(nodes, "slave ") < replicas {
			return errors.New("a node does not know all replicas")
		}
	}
	return nil
}

func (c RedisCluster) running() []Redis {
	return slices.DeleteFunc(slices.Clone(c.Nodes), func(node Redis) bool { return node.cmd == nil })
}

// StopPrimary kills the primary server that has the slot of a key, and returns it. It does not wait
// until its replica is the primary server, as Primary does.
func (c RedisCluster) StopPrimary(t testing.TB, key string) Redis {
	t.Helper()
	primary := c.Primary(t, key)
	primary.Stop()
	return primary
}

// Primary waits until all nodes that run find the cluster in order and agree which primary server has
// the slot of a key. It returns that server.
func (c RedisCluster) Primary(t testing.TB, key string) (primary Redis) {
	t.Helper()
	slot := c.slot(t, key)
	await(t, "the primary server of a slot", func() (err error) {
		primary, err = c.primary(slot)
		return err
	})
	return primary
}

func (c RedisCluster) slot(t testing.TB, key string) int {
	t.Helper()
	slot, err := strconv.Atoi(c.running()[0].Do(t, "CLUSTER", "KEYSLOT", key))
	if err != nil {
		t.Fatal(err)
	}
	return slot
}

func (c RedisCluster) primary(slot int) (Redis, error) {
	if err := c.agree(0); err != nil {
		return Redis{}, err
	}
	var addr string
	for _, node := range c.running() {
		nodes, err := node.do(time.Second, "CLUSTER", "NODES")
		if err != nil {
			return Redis{}, err
		}
		switch named := owner(nodes, slot); addr {
		case "", named:
			addr = named
		default:
			return Redis{}, errors.New("the nodes name several servers")
		}
	}
	primary, err := at(c.running(), addr)
	if err != nil {
		return Redis{}, err
	}
	return primary, primary.isPrimary()
}

// owner returns the address of the server that has a slot according to the answer to CLUSTER NODES.
func owner(nodes string, slot int) string {
	for line := range strings.Lines(nodes) {
		// ID, address@bus, flags, primary, ping, pong, epoch, state, slots ...
		fields := strings.Fields(line)
		for _, slots := range fields[min(8, len(fields)):] {
			first, last, isRange := strings.Cut(slots, "-")
			if !isRange {
				last = first
			}
			from, fromErr := strconv.Atoi(first) // fails for a slot that is being migrated
			to, toErr := strconv.Atoi(last)
			if fromErr == nil && toErr == nil && from <= slot && slot <= to {
				addr, _, _ := strings.Cut(fields[1], "@")
				return addr
			}
		}
	}
	return ""
}

// Migration is the way of a slot from one primary server to another.
type Migration struct {
	From, To Redis
	cluster  RedisCluster
	slot     string
}

// Migrate begins to migrate the slot of a key to another primary server. From now on, the server that
// has the slot answers ASK to commands for keys that do not exist.
func (c RedisCluster) Migrate(t testing.TB, key string) Migration {
	t.Helper()
	slot := c.slot(t, key)
	m := Migration{From: c.Primary(t, key), cluster: c, slot: strconv.Itoa(slot)}
	for i := range clusterPrimaries {
		other, err := c.primary(i * clusterSlots / clusterPrimaries)
		if err != nil {
			t.Fatal(err)
		}
		if other.Addr != m.From.Addr {
			m.To = other
		}
	}
	m.To.Do(t, "CLUSTER", "SETSLOT", m.slot, "IMPORTING", m.From.Do(t, "CLUSTER", "MYID"))
	m.From.Do(t, "CLUSTER", "SETSLOT", m.slot, "MIGRATING", m.To.Do(t, "CLUSTER", "MYID"))
	return m
}

// MoveKeys moves the keys of the slot. From now on, the old server answers ASK to commands for any of
// them.
func (m Migration) MoveKeys(t testing.TB) {
	t.Helper()
	host, port, _ := net.SplitHostPort(m.To.Addr)
	for {
		keys := m.From.Do(t, "CLUSTER", "GETKEYSINSLOT", m.slot, "100")
		if keys == "" {
			return
		}
		command := []string{"MIGRATE", host, port, "", "0", fmt.Sprint(patience.Milliseconds())}
		if m.To.password != "" {
			command = append(command, "AUTH", m.To.password)
		}
		m.From.Do(t, append(append(command, "KEYS"), strings.Split(keys, "\n")...)...)
	}
}

// Finish moves the keys of the slot that have not been moved, and gives the slot to the new server.
// From now on, the old server answers MOVED.
func (m Migration) Finish(t testing.TB) {
	t.Helper()
	m.MoveKeys(t)
	id := m.To.Do(t, "CLUSTER", "MYID")
	for _, node := range []Redis{m.To, m.From} {
		node.Do(t, "CLUSTER", "SETSLOT", m.slot, "NODE", id)
	}
	slot, err := strconv.Atoi(m.slot)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the new server of a slot", func() error {
		primary, err := m.cluster.primary(slot)
		if err == nil && primary.Addr != m.To.Addr {
			err = errors.New("the nodes name another server")
		}
		return err
	})
}

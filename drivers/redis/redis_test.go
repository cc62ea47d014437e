package redis

import (
	"net"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"gosession.dev/session/driver"
	"gosession.dev/session/drivertest"
	"gosession.dev/session/drivertest/histories"
	"gosession.dev/session/internal/testserver"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, target(testserver.StartRedis(t)))
}

// A store on a client of an application keeps the contract, too.
func TestConformanceOfNew(t *testing.T) {
	tgt := target(testserver.StartRedis(t))
	tgt.Driver, tgt.BadDSN, tgt.DeadDSN, tgt.DownDSN, tgt.ReadOnlyDSN = nil, nil, nil, nil, nil // the client is connected
	tgt.Open = func(text string) (driver.Store, error) {
		d, err := parseDSN(text)
		if err != nil {
			return nil, err
		}
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: d.client.InitAddress, DisableRetry: true, Dialer: net.Dialer{Timeout: time.Second}})
		if err != nil {
			return nil, err
		}
		return withClient{New(client, d.options), client}, nil
	}
	drivertest.Run(t, tgt)
}

// withClient is a store that closes its client.
type withClient struct {
	*Store
	client rueidis.Client
}

func (w withClient) Close() error {
	defer w.client.Close()
	return w.Store.Close()
}

func TestHistories(t *testing.T) {
	histories.Run(t, target(testserver.StartRedis(t)), 6*time.Second)
}

func BenchmarkStore(b *testing.B) {
	drivertest.Bench(b, target(testserver.StartRedis(b)))
}

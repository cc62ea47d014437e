package redis

import (
	"context"
	"fmt"

	"github.com/redis/rueidis"
)

// sendAndWait sends a command, and WAIT after it on the same connection, in one round trip. It
// returns an error if fewer replicas than s.wait have what the command has written. The client may
// connect for that, and does not notice then that ctx is done. Therefore sendAndWait uses a goroutine.
func (s *Store) sendAndWait(ctx context.Context, client rueidis.Client, command rueidis.Completed) (rueidis.RedisMessage, error) {
	wait := client.B().Wait().Numreplicas(int64(s.wait)).Timeout(max(s.waitTimeout.Milliseconds(), 1)).Build()
	done := make(chan []rueidis.RedisResult, 1)
	go func() { done <- client.DoMulti(undated{ctx}, command, wait) }()
	var results []rueidis.RedisResult
	select {
	case results = <-done:
	case <-ctx.Done():
		return rueidis.RedisMessage{}, ctx.Err()
	}
	message, err := s.answer(ctx, results[0])
	if err != nil {
		return message, err
	}
	if word, err := message.ToString(); err == nil && word != "ok" {
		return message, nil // nothing was written
	}
	reached, err := results[1].AsInt64()
	if err != nil {
		return message, s.explain(ctx, err)
	}
	if reached < int64(s.wait) {
		return message, fmt.Errorf("redis: %d of %d replicas have confirmed the change within %v; it is made, and a failover may lose it", reached, s.wait, s.waitTimeout)
	}
	return message, nil
}

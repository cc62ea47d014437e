package redis

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"gosession.dev/session/driver"
	"gosession.dev/session/internal/testserver"
)

// BenchmarkOverhead compares the store with commands of the client, with values of one size. It calls
// the store as package session does, with a deadline.
func BenchmarkOverhead(b *testing.B) {
	server := testserver.StartRedis(b)
	s, client := open(b, dsnOf(server.Addr, "a:")), newClient(b, dsnOf(server.Addr, "a:"))
	defer client.Close()
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	var n atomic.Int64
	key := func() string { return "k" + strconv.FormatInt(n.Add(1), 10) }
	r := record("k", time.Hour)
	r.Data = make([]byte, 450)
	require.NoError(b, s.Create(ctx, r))
	value, err := encode(r, 1)
	require.NoError(b, err)
	do := func(c rueidis.Completed) error { return client.Do(ctx, c).Error() }
	for _, bm := range []struct {
		name string
		do   func() error
	}{
		{"Get/raw", func() error { _, err := client.Do(ctx, client.B().Get().Key("a:k").Build()).AsBytes(); return err }},
		{"Get/store", func() error { _, err := s.Retrieve(ctx, "k"); return err }},
		{"Set/raw", func() error { return do(client.B().Set().Key("raw").Value(value).Pxat(r.Expires).Build()) }},
		{"Set/create", func() error {
			f := *r
			f.Key, f.Subject = key(), ""
			return s.Create(ctx, &f)
		}},
		{"GetAndSet/raw", func() error {
			if err := do(client.B().Get().Key("raw").Build()); err != nil {
				return err
			}
			return do(client.B().Set().Key("raw").Value(value).Pxat(r.Expires).Build())
		}},
		{"GetAndSet/store", func() error {
			stored, err := s.Retrieve(ctx, "k")
			if err != nil {
				return err
			}
			if err = s.Flush(ctx, stored); errors.Is(err, driver.ErrConflict) {
				err = nil // of another goroutine
			}
			return err
		}},
		{"Touch/store", func() error { return s.Touch(ctx, "k", r.Expires) }},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, bm.do())
			}
		})
		b.Run(bm.name+"/parallel", func(b *testing.B) {
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := bm.do(); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
